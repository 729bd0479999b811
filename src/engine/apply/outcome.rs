//! How `up` behaves, and how it ends.

use std::collections::BTreeSet;

use crate::engine::task::event::Failure;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::Stage;
use crate::plan::{Change, Object};

/// How `up` behaves.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// Stages to go through, all when not said; see [`Flavour::with_needs`].
    pub stages: Option<Vec<&'static Stage>>,
    /// Removals were agreed to.
    pub yes: bool,
    /// Nodes that boot at the same time; as many as the computer is good for when not said.
    pub concurrency: Option<usize>,
    /// Nodes leave without their pods being moved away first.
    pub force: bool,
    /// This stage, and those after it, run again where they were done.
    pub from: Option<&'static Stage>,
    /// Nodes start though this computer has no room for them.
    pub overcommit: bool,
    /// Nodes that are changed, all when not said; what all nodes share is made in any case.
    pub limit: Option<BTreeSet<String>>,
    /// What a saved plan says: other changes are refused. See [`crate::engine::as_agreed`].
    pub agreed: Option<serde_json::Value>,
}

/// The changes that nodes of `limit` have, or that no single node has; and how many others there are. Of nodes that
/// are there already, what they do for others belongs to it.
pub fn within(
    flavour: &Flavour,
    changes: Vec<Change>,
    limit: Option<&BTreeSet<String>>,
) -> (Vec<Change>, usize) {
    let all = changes.len();
    let machines = changes.iter().filter(|change| change.object == Object::Domain);
    let machines: BTreeSet<String> = machines.filter_map(|change| change.node.clone()).collect();
    let for_others = |change: &Change| {
        let stage = Some(change).filter(|change| change.object == Object::Stage);
        stage.and_then(|change| flavour.stage(&change.name)).is_some_and(|stage| stage.for_others)
    };
    let is_within = |change: &Change| match (&change.node, limit) {
        (Some(node), Some(limit)) if for_others(change) && !machines.contains(node) => {
            !limit.is_empty()
        }
        (Some(node), Some(limit)) => limit.contains(node),
        _ => true,
    };
    let within: Vec<Change> = changes.into_iter().filter(is_within).collect();
    let others = all - within.len();
    (within, others)
}

impl UpOptions {
    /// The stages to go through.
    pub(crate) fn stages(&self, flavour: &Flavour) -> Vec<&'static Stage> {
        self.stages.clone().unwrap_or_else(|| flavour.stages.iter().collect())
    }
}

/// How `up` ended.
#[derive(Debug)]
pub enum Outcome {
    /// There was nothing to do.
    Unchanged,
    /// All changes were made.
    Done(Vec<Change>),
    /// Stopped as asked; the next `up` goes on.
    Stopped,
    /// Some changes could not be made.
    Failed(Vec<Failure>),
}
