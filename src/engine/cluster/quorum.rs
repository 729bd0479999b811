//! What a plan does to etcd's members: everything Kubernetes knows is with the majority of them.

use crate::engine::lab::open::Session;
use crate::engine::task::error::EngineError;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::{Duty, Stage};
use crate::model::{Lab, Node, Role, code};
use crate::plan::{Change, ChangeKind, Observed};

/// How the members of etcd fare by a plan.
struct Members<'a> {
    flavour: &'a Flavour,
    observed: &'a Observed,
    changes: &'a [Change],
}

impl Members<'_> {
    fn is_made_anew(&self, name: &str) -> bool {
        let mut own = self.changes.iter().filter(|change| change.node.as_deref() == Some(name));
        own.any(|change| change.kind == ChangeKind::Replace)
    }

    /// True when a node that stays is a member no more.
    fn is_retirement(&self, change: &Change) -> bool {
        let is_member = |stage: &Stage| stage.has(Duty::Member);
        change.kind == ChangeKind::Retire && self.flavour.stage(&change.name).is_some_and(is_member)
    }

    fn retires(&self, name: &str) -> bool {
        let mut own = self.changes.iter().filter(|change| change.node.as_deref() == Some(name));
        own.any(|change| self.is_retirement(change))
    }

    fn votes(&self, node: &Node) -> bool {
        let markers = self.observed.markers.get(&node.name);
        markers.is_some_and(|markers| self.flavour.has(markers.keys(), Duty::Member))
            && !self.retires(&node.name)
    }

    /// True when the member is there and goes on. Of one that does not answer nobody knows better.
    fn stays(&self, node: &Node) -> bool {
        let is_there = self.observed.inventory.machine(node).is_some();
        let markers = self.observed.markers.get(&node.name);
        let was_one = markers.is_none_or(|markers| self.flavour.has(markers.keys(), Duty::Member));
        is_there && was_one && !self.is_made_anew(&node.name)
    }

    /// Nodes that are members no more, `before` being the lab as it was.
    fn leaving(&self, before: Option<&Lab>) -> Vec<&str> {
        let was_one = |name: &str| {
            before.and_then(|lab| lab.node(name)).is_some_and(|node| node.is(Role::Etcd))
        };
        let named =
            self.changes.iter().filter_map(|change| Some((change, change.node.as_deref()?)));
        let gone = named.filter(|(change, name)| match change.kind {
            ChangeKind::Remove => change.leaving().is_some() && was_one(name),
            ChangeKind::Retire => self.is_retirement(change),
            _ => false,
        });
        gone.map(|(_, name)| name).collect()
    }
}

/// Refuses to take so many etcd members away, or to make them anew, that the others have no majority, or
/// that nobody is left who knows what Kubernetes knew. All made anew at once are a new cluster, which is
/// what was asked for.
pub(crate) fn refuse_loss(
    session: &Session,
    observed: &Observed,
    changes: &[Change],
) -> Result<(), EngineError> {
    let members = Members { flavour: session.flavour(), observed, changes };
    let refused =
        |text: String, hint: &str| Err(EngineError::of(&code::QUORUM, text).hint(hint).preflight());
    let votes = session.lab.nodes.iter().filter(|node| members.votes(node));
    let (lost, kept): (Vec<&Node>, Vec<&Node>) =
        votes.partition(|node| members.is_made_anew(&node.name));
    let (lost, all) = (lost.len(), lost.len() + kept.len());
    if lost < all && lost * 2 >= all {
        return refused(
            format!(
                "make {lost} of {all} etcd members anew at once: those that stay would have no majority"
            ),
            "change fewer than half of the etcd nodes in one run, or `lab down` and `lab up`",
        );
    }
    let leaving = members.leaving(session.before()?.as_ref());
    let founded = session.store.record()?.is_some_and(|record| !record.etcd.is_empty());
    let stays = session.lab.with_role(Role::Etcd).any(|node| members.stays(node));
    if founded && !leaving.is_empty() && !stays {
        return refused(
            format!(
                "take etcd from {}: no member would stay, and all that Kubernetes knows would be lost",
                leaving.join(", ")
            ),
            "first add the new members and `lab up`, then take the old ones away; or `lab down` and `lab up`",
        );
    }
    Ok(())
}

/// True when no member of etcd stays: those of the topology then found a cluster of their own.
pub(crate) fn is_founded_anew(session: &Session, observed: &Observed, changes: &[Change]) -> bool {
    let members = Members { flavour: session.flavour(), observed, changes };
    session.lab.with_role(Role::Etcd).all(|node| {
        let is_there = observed.inventory.machine(node).is_some();
        !is_there || members.is_made_anew(&node.name)
    })
}
