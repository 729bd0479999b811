//! The file as people write it: its grammar as data, the checker, the rules, and the lab that comes of it.

pub mod check;
pub mod cloud_config;
pub mod problem;
pub mod relocate;
pub mod resolve;
mod rules;
pub mod schema;
pub mod yaml;
