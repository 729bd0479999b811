//! How `up` behaves, and how it ends.

use std::collections::BTreeSet;

use crate::engine::task::event::Failure;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::Stage;
use crate::plan::{Change, ChangeKind, Object};

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

/// The changes that nodes of `limit` have, or that no single node has; and how many others there are. Where a node of
/// `limit` comes, those that are there let it in.
pub fn within(
    flavour: &Flavour,
    changes: Vec<Change>,
    limit: Option<&BTreeSet<String>>,
) -> (Vec<Change>, usize) {
    let Some(limit) = limit else { return (changes, 0) };
    let is_of_limit =
        |change: &Change| change.node.as_ref().is_none_or(|node| limit.contains(node));
    let first = flavour.beginning().map(|stage| stage.name);
    let comes = |change: &Change| match change.object {
        Object::Domain => change.kind == ChangeKind::Create,
        Object::Stage => Some(&*change.name) == first && change.is_for_the_first_time(),
        _ => false,
    };
    let somebody_comes = changes.iter().any(|change| is_of_limit(change) && comes(change));
    let lets_in = |change: &Change| {
        let stage = flavour.stage(&change.name).filter(|_| change.object == Object::Stage);
        somebody_comes && change.is_of_another_topology() && stage.is_some_and(|it| it.for_others)
    };
    let all = changes.len();
    let is_within = |change: &Change| is_of_limit(change) || lets_in(change);
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
