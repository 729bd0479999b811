//! How work is run and told of: errors, events, stopping, threads for what blocks.

pub(crate) mod blocking;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod stop;
