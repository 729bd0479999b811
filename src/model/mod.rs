//! The model: what a lab is. No IO, no async, nothing of libvirt or SSH.

pub mod addon;
pub mod assets;
pub mod code;
pub mod components;
pub mod exit;
pub mod file;
pub mod flaw;
pub mod inventory;
pub mod lab;
pub mod locked;
pub mod name;
pub mod near;
pub mod os;
pub mod platform;
pub mod port;
pub mod role;
pub mod router_id;
pub mod size;
pub mod snapshot;
pub mod taint;
pub mod topology;
pub mod user_data;
pub mod version;
mod word;

pub use code::Code;
pub use file::{File, Put};
pub use flaw::Flaw;
pub use lab::{Lab, Machine, Node};
pub use name::Owner;
pub use platform::Platform;
pub use role::Role;
pub use taint::Taint;
pub use topology::problem::Problem;
pub use user_data::UserData;
pub use version::Version;
