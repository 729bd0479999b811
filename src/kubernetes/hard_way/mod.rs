//! The flavour `hard-way`: every component a systemd unit of its own.

pub(crate) mod control_plane;
pub mod etcd;
pub(crate) mod worker;

/// Templates that units of several stages share.
pub(crate) const SHARED: super::Shipped =
    &[("stages/timers.service.j2", include_str!("timers.service.j2"))];
