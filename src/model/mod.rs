//! Nouns: what a lab is. No IO, no async, nothing of libvirt or SSH.

pub mod check;
pub mod cloud_config;
pub mod code;
pub mod exit;
pub mod inventory;
pub mod lab;
pub mod name;
pub mod os;
pub mod platform;
pub mod problem;
pub mod relocate;
pub mod resolve;
pub mod role;
mod rules;
pub mod schema;
pub mod size;
pub mod snapshot;
pub mod version;
pub mod yaml;

pub use code::Code;
pub use lab::{Lab, Node};
pub use name::Owner;
pub use platform::Platform;
pub use problem::Problem;
pub use role::Role;
pub use version::Version;
