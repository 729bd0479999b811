//! Private labs of an ordinary user, on real guests.

mod labs;
mod uplinks;
