//! Stages carried out on nodes.

pub(crate) mod by_hand;
pub(crate) mod lanes;
pub(crate) mod steps;
