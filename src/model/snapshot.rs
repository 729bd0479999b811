//! A snapshot of a whole lab, as it is told: what is in it, and what it needs to be restored.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::flaw::Flaw;
use crate::model::inventory::Inventory;

/// Format of manifests; a newer one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// What a snapshot holds of each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Memory and disk: restored guests go on where they were.
    Memory,
    /// The disk alone: restored guests boot.
    Disk,
}

/// One node's part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Node name.
    pub node: String,
    /// Id of its domain.
    pub domain: Uuid,
    /// What tells its disks from later ones of the same names, separated by blanks; the first is booted from.
    pub disk: String,
    /// Bytes that the snapshot added to its disk.
    pub bytes: u64,
}

/// A snapshot's manifest: written last, so that a snapshot without one is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file.
    pub schema_version: u32,
    /// Snapshot name.
    pub name: String,
    /// Lab id.
    pub lab: Uuid,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The same as seconds since 1970.
    pub created_unix: i64,
    /// What it holds.
    pub kind: Kind,
    /// Hex sha256 of the topology's text.
    pub topology: String,
    /// Version of Kubernetes.
    pub kubernetes: String,
    /// Version of `lab`.
    pub made_by: String,
    /// Versions of libvirt and of the emulator, in words.
    pub hypervisor: String,
    /// The certificate that ends first: name, and seconds since 1970.
    pub first_certificate: Option<(String, i64)>,
    /// Seconds for which the guests stood still.
    pub pause_seconds: f64,
    /// Stages that had been gone through on all their nodes, in the order they are told.
    pub stages: Vec<String>,
    /// Its parts.
    pub nodes: Vec<Part>,
}

/// What tells the disk that a node boots from, of what tells all of them: the first word.
pub fn first(disks: &str) -> &str {
    disks.split(' ').next().unwrap_or_default()
}

impl Manifest {
    /// Name of the snapshot inside libvirt and inside the disks.
    pub fn inner(name: &str) -> String {
        format!("lab-{name}")
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.nodes.iter().map(|part| part.bytes).sum()
    }

    /// Why it cannot be restored, given the disks that are there by node; `None` when it can.
    pub fn lost(&self, disks: &BTreeMap<String, String>) -> Option<String> {
        self.nodes.iter().find_map(|part| match disks.get(&part.node) {
            None => Some(format!("the disk of {} is gone", part.node)),
            Some(disk) if first(disk) != first(&part.disk) => {
                Some(format!("{} was made anew since", part.node))
            }
            Some(disk) if *disk != part.disk => {
                Some(format!("a further disk of {} is gone, or was made anew since", part.node))
            }
            Some(_) => None,
        })
    }

    /// Nodes that are there now and are not in the snapshot.
    pub fn extra_nodes<'i>(&self, inventory: &'i Inventory) -> Vec<(&'i str, Uuid)> {
        let known: BTreeSet<Uuid> = self.nodes.iter().map(|part| part.domain).collect();
        let ours = inventory.domains.iter().filter(|domain| !known.contains(&domain.uuid));
        ours.filter_map(|domain| Some((domain.node_of(self.lab)?, domain.uuid))).collect()
    }

    /// True when the stage had been gone through everywhere.
    pub fn reached(&self, stage: &str) -> bool {
        self.stages.iter().any(|reached| reached == stage)
    }
}

/// What was begun with a snapshot: written before the first effect, removed after the last, so that
/// whoever comes after a crash knows what to finish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// Being made. Without a manifest it is taken back.
    Create,
    /// Being restored, whole or these nodes alone. Only restoring again ends this.
    Restore {
        /// Nodes; all when empty.
        nodes: Vec<String>,
    },
    /// Restored: its nodes run at one moment. Their clocks may be those of then, which whoever comes next sets
    /// right; how their cluster fares is another question.
    Reverted,
    /// Being deleted. The deletion is finished.
    Delete,
}

/// Documents from which libvirt learns of a domain and its snapshot again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// The domain as it was defined.
    pub domain: String,
    /// The snapshot.
    pub snapshot: String,
}

/// Documents by node name.
pub type AllDocuments = BTreeMap<String, Documents>;

/// Checks a snapshot's name: as node names, with dots.
///
/// # Errors
/// What is wrong and how to mend it.
pub fn check_name(name: &str) -> Result<(), Flaw> {
    for label in name.split('.') {
        crate::model::name::check_label("a snapshot's name", label, 40)?;
    }
    Ok(())
}
