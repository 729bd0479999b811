//! What a running cluster is asked for when nodes come, go or change.

pub(crate) mod drain;
pub(crate) mod quorum;
pub mod repair;
pub mod rotate;
pub(crate) mod script;
pub(crate) mod upgrade;
pub mod users;
