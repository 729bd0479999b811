//! Stages carried out on nodes.

pub(crate) mod by_hand;
pub(crate) mod lanes;
pub mod lesson;
pub(crate) mod steps;
