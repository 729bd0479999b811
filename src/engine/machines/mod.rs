//! Nodes as machines: made, started, watched, copied.

pub(crate) mod boot;
pub(crate) mod clone;
pub(crate) mod existing;
pub(crate) mod observe;
pub(crate) mod power;
pub(crate) mod provision;
