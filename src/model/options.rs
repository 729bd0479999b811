//! Choices about how a lab runs.

use std::time::Duration;

use serde::Serialize;

use crate::model::word::words;

/// Choices about how the lab runs.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// `auto`, `kvm` or `tcg`.
    pub acceleration: String,
    /// Seconds until SSH must answer.
    pub boot_timeout: u64,
    /// Where new nodes come from.
    pub clone: Cloning,
    /// Folder in which the computer's libvirt keeps disks, where the topology says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Whether guests start with the computer; nobody says without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
}

words! {
    /// Whether new nodes are copies of a golden guest, see [`crate::render::golden`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum Cloning {
        /// Where there is one.
        Auto = "auto",
        /// Always; what is missing is made.
        Warm = "warm",
        /// Never: every node boots.
        Boot = "boot",
    }
}

impl Options {
    /// What a guest may take from its start until SSH answers.
    pub fn boot_patience(&self) -> Duration {
        Duration::from_secs(self.boot_timeout)
    }
}
