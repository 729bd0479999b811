//! What Kubernetes is told of nodes, taints among it: what keeps pods off, as kubectl writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

/// What a taint does.
pub const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// One taint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Taint {
    /// Its key, with or without a prefix.
    pub key: String,
    /// Its value; empty where it has none.
    pub value: String,
    /// One of [`EFFECTS`].
    pub effect: &'static str,
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equals = if self.value.is_empty() { "" } else { "=" };
        write!(f, "{}{equals}{}:{}", self.key, self.value, self.effect)
    }
}

/// What Kubernetes is told of a node, besides what its kubelet says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Labels, by key.
    pub labels: BTreeMap<String, String>,
    /// Annotations, by key.
    pub annotations: BTreeMap<String, String>,
    /// Taints.
    pub taints: BTreeSet<Taint>,
}

impl Told {
    /// True where nothing is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
