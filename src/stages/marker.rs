//! The marker a finished stage leaves on its node: written last, it holds the fingerprint of what
//! was done. Progress so lives on the node: reverting a disk reverts it, rebuilding forgets it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Step;

/// Directory of the markers on a node.
pub const DIRECTORY: &str = "/var/lib/lab/stages/";

/// Script that prints all markers, one per line.
pub const READ: &str = "cat /var/lib/lab/stages/* 2>/dev/null || true";

/// What a finished stage leaves behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Marker {
    /// Stage name.
    pub stage: String,
    /// Fingerprint of its steps, see [`super::fingerprint`].
    pub fingerprint: String,
}

impl Marker {
    /// The step that writes the marker.
    pub fn step(stage: &str, fingerprint: &str) -> Step {
        let marker = Marker { stage: stage.into(), fingerprint: fingerprint.into() };
        let text = serde_json::to_string(&marker).unwrap_or_default();
        Step::private(format!("{DIRECTORY}{stage}"), text + "\n")
    }
}

/// Fingerprints by stage, from what [`READ`] printed. Lines that are no markers count as nothing:
/// their stage then runs again.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Marker>(line).ok())
        .map(|marker| (marker.stage, marker.fingerprint))
        .collect()
}
