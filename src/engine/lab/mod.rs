//! One lab, opened: what it should be, where it runs, how to reach it.

mod addons;
pub(crate) mod bases;
mod existing;
pub(crate) mod free_network;
pub(crate) mod kubeconfig;
pub mod locked;
pub(crate) mod missing;
pub(crate) mod open;
pub(crate) mod prepare;
pub(crate) mod prepared;
pub(crate) mod provider;
pub(crate) mod reach;
mod strangers;
pub(crate) mod timeouts;
mod uploads;
