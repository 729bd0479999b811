//! Stages that every flavour shares.

pub(crate) mod addons;
pub(crate) mod firewall;
pub(crate) mod load_balancer;
pub(crate) mod nodes;
pub(crate) mod os;
pub(crate) mod outside;
pub(crate) mod pod_network;
pub(crate) mod registry_logins;
pub(crate) mod runtime;
pub(crate) mod verify;
