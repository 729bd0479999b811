//! Names of a private provider's files, in its own directory.

/// File that the supervisor keeps locked while it lives; it names the first process inside.
pub(crate) const ALIVE: &str = "alive";
/// File that an uplink's keeper keeps locked while it lives; it names the keeper, its program and the
/// first process inside.
pub(crate) const KEEPER: &str = "uplink";
/// What the supervisor and the programs inside say.
pub(crate) const SUPERVISOR_LOG: &str = "log/supervisor.log";
/// What an uplink's keeper and its program say.
pub(crate) const UPLINK_LOG: &str = "log/uplink.log";
