//! Checks, made and judged.

pub(crate) mod failover;
pub(crate) mod probe;
pub(crate) mod run;
pub(crate) mod wait;
