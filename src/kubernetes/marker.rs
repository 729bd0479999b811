//! The marker a finished stage leaves on its node: written last, it holds the fingerprint of what
//! was done. Progress so lives on the node: reverting a disk reverts it, rebuilding forgets it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kubernetes::step::Step;
use crate::model::Version;

/// Directory of the markers on a node.
pub const DIRECTORY: &str = "/var/lib/lab/stages/";

/// Script that prints all markers, one per line.
pub const READ: &str = "cat /var/lib/lab/stages/* 2>/dev/null || true";

/// What a finished stage leaves behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Marker {
    /// Stage name.
    pub stage: String,
    /// Fingerprint of its steps, see [`crate::kubernetes::fingerprint`].
    pub fingerprint: String,
    /// The Kubernetes that it was done for.
    #[serde(default)]
    pub kubernetes: String,
}

impl Marker {
    /// The step that writes the marker.
    pub fn step(stage: &str, fingerprint: &str, kubernetes: Version) -> Step {
        let (stage, fingerprint) = (stage.to_owned(), fingerprint.to_owned());
        let marker = Marker { stage, fingerprint, kubernetes: kubernetes.to_string() };
        let text = serde_json::to_string(&marker).unwrap_or_default();
        Step::private(format!("{DIRECTORY}{}", marker.stage), text + "\n")
    }
}

fn read(text: &str) -> impl Iterator<Item = Marker> {
    text.lines().filter_map(|line| serde_json::from_str::<Marker>(line).ok())
}

/// Fingerprints by stage, from what [`READ`] printed. Lines that are no markers count as nothing:
/// their stage then runs again.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    read(text).map(|marker| (marker.stage, marker.fingerprint)).collect()
}

/// The Kubernetes that stages were done for, by stage, from what [`READ`] printed.
pub fn versions(text: &str) -> BTreeMap<String, Version> {
    read(text)
        .filter_map(|marker| Some((marker.stage, Version::parse(&marker.kubernetes)?)))
        .collect()
}
