//! What is compared with files that are kept: `make golden` writes all of them anew, by the name of this
//! module.

mod docs;
mod graph;
mod people;
mod rendered;
mod surface;
mod topology_errors;
mod workshop;
