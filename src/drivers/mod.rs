//! Hands: the only rooms that do IO. They see the model and what was rendered from it, and know
//! nothing of roles or stages' order.

pub mod artifacts;
pub mod capacity;
pub mod fetch;
pub mod gate;
pub mod goldens;
pub mod guest;
pub mod host;
pub mod hosts_file;
pub mod hypervisor;
pub mod images;
pub mod kubeconfig_file;
pub mod libvirt;
pub mod memory;
pub mod picture;
pub mod private;
pub mod routes;
pub mod seed;
pub mod snapshots;
mod sparse;
pub mod ssh;
pub mod store;
