//! What is, as it says itself.

pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod report;
