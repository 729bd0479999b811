//! The seam over libvirt: system, remote, private and libvirt's own test driver.

mod activity;
mod connection;
mod console;
mod device;
mod observe;
mod original;
mod reconnect;
mod snapshot;
mod storage;
mod update;
mod verbs;

pub use connection::Libvirt;
pub use observe::parse as parse_document;
pub use original::Original;
pub use reconnect::Reconnecting;
