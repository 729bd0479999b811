//! How the program ends: what scripts may rely on.

/// Something was tried and failed.
pub const FAILED: u8 = 1;
/// The command line, the topology or the surroundings do not allow it; nothing was changed.
pub const USAGE: u8 = 2;
/// `plan --detailed-exitcode` found changes.
pub const CHANGES: u8 = 3;
/// Another run holds the lab.
pub const BUSY: u8 = 75;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;

/// All of them with their meanings, for people.
pub const ALL: &[(u8, &str)] = &[
    (0, "done, or nothing to do"),
    (FAILED, "something was tried and failed"),
    (USAGE, "usage, an invalid topology, or a failed preflight; nothing was changed"),
    (CHANGES, "`plan --detailed-exitcode` found changes"),
    (BUSY, "another run holds the lab"),
    (INTERRUPTED, "interrupted; `lab up` goes on"),
];
