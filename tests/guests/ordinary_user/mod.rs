//! Private labs of an ordinary user, on real guests.

mod copies;
mod labs;
mod uplinks;
