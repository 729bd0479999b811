//! Kubernetes goes to another release while the cluster serves: one node after the other, controllers
//! before workers, because a kubelet must not be newer than the API servers it talks to. A worker is
//! emptied before it stops, and takes pods again once it is ready.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::stages::steps;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::{Events, Failure};
use crate::kubernetes::stage::Duty;
use crate::model::{Node, Role, Version, code};
use crate::plan::Observed;

/// An upgrade in progress.
pub(crate) struct Upgrade {
    from: Version,
    to: Version,
    /// Nodes that serve with another release.
    nodes: BTreeSet<String>,
    /// Controllers that serve, whom to ask about the workers.
    peers: Vec<Node>,
    /// Pods have another place to go to, and shall go there.
    moves_pods: bool,
    /// Controllers that are still to come; `None` once one of them failed.
    to_come: watch::Sender<Option<usize>>,
}

impl Upgrade {
    /// `None` where every node that could be asked has the wanted release. Without `moves_pods` workers
    /// stop as they are.
    pub fn of(
        session: &Session,
        observed: &Observed,
        to: Version,
        moves_pods: bool,
    ) -> Option<Self> {
        let (lab, flavour) = (&session.lab, session.flavour());
        let other = |node: &Node| {
            Some((node.name.clone(), observed.other_release(&node.name, flavour, to)?))
        };
        let (nodes, releases): (BTreeSet<_>, Vec<_>) = lab.nodes.iter().filter_map(other).unzip();
        let from = releases.into_iter().min()?;
        let serves = |node: &&Node| {
            let markers = observed.markers.get(&node.name);
            markers.is_some_and(|markers| flavour.has(markers.keys(), Duty::Api))
        };
        let peers: Vec<Node> = lab.with_role(Role::ControlPlane).filter(serves).cloned().collect();
        let to_come = peers.iter().filter(|node| nodes.contains(&node.name)).count();
        Some(Self {
            from,
            to,
            nodes,
            peers,
            moves_pods: moves_pods && lab.with_role(Role::Worker).count() > 1,
            to_come: watch::channel(Some(to_come)).0,
        })
    }

    /// What is told before it begins.
    pub fn told(&self) -> String {
        let (from, to) = (self.from, self.to);
        format!(
            "Kubernetes goes from {from} to {to}: one node after the other, controllers before workers"
        )
    }

    /// Waits until it is the node's kind that may change; false when it will not come to that.
    pub async fn may_begin(&self, node: &Node) -> bool {
        if node.is(Role::ControlPlane) || !node.is(Role::Worker) {
            return true;
        }
        let mut to_come = self.to_come.subscribe();
        // The sender lives in us, so the wait cannot end for lack of one.
        let settled = to_come.wait_for(|left| left.is_none_or(|left| left == 0)).await;
        settled.is_ok_and(|left| left.is_some())
    }

    /// The node's turn is over.
    pub fn ended(&self, node: &Node, well: bool) {
        if node.is(Role::ControlPlane) && self.nodes.contains(&node.name) {
            self.to_come.send_modify(|left| {
                *left = left.filter(|_| well).map(|left| left.saturating_sub(1));
            });
        }
    }

    /// A controller to ask about `node`: another one, where there is one.
    fn witness(&self, node: &Node) -> Option<&Node> {
        let other = self.peers.iter().find(|witness| witness.name != node.name);
        other.or_else(|| self.peers.first())
    }

    fn moves_pods_of(&self, node: &Node) -> bool {
        self.moves_pods && node.is(Role::Worker) && self.nodes.contains(&node.name)
    }

    /// Has the node's pods go elsewhere, and none come.
    ///
    /// # Errors
    /// When they do not go.
    pub async fn empty(
        &self,
        session: &Session,
        node: &Node,
        reach: &Reach,
        events: &Events,
    ) -> Result<(), Box<Failure>> {
        let Some(witness) = self.witness(node).filter(|_| self.moves_pods_of(node)) else {
            return Ok(());
        };
        let guest = reach(witness);
        let asked = async {
            let close = session.flavour().operations.close;
            let script = close(&session.templates, &node.name)?;
            guest.run(&script).await.map_err(EngineError::from)
        };
        let done = events.timed(Some(&node.name), "drain", asked).await;
        let (code, message, tail) = match done {
            Ok(output) if output.status == 0 => return Ok(()),
            Ok(output) => (
                &code::STEP,
                format!("its pods do not go, says {}", witness.name),
                Some(output.text()),
            ),
            Err(error) => (error.code, error.message, None),
        };
        Err(Box::new(Failure {
            code: code.id,
            node: Some(node.name.clone()),
            task: "drain".into(),
            step: None,
            message,
            tail,
            hint: Some(
                "mend what is said there, and `lab up` goes on from here; `lab up --force` leaves pods \
                 where they are"
                    .into(),
            ),
            lost: false,
        }))
    }

    /// What is asked of a controller before the stage that makes the node a place for pods counts as done.
    ///
    /// # Errors
    /// When the question cannot be put into words.
    pub fn admission(
        &self,
        session: &Session,
        node: &Node,
        reach: &Reach,
    ) -> Result<Option<steps::Elsewhere>, EngineError> {
        let witness = self.witness(node).filter(|_| self.nodes.contains(&node.name));
        let Some(witness) = witness else { return Ok(None) };
        let open = session.flavour().operations.open;
        Ok(Some(steps::Elsewhere {
            title: format!("{} takes pods again, says {}", node.name, witness.name),
            guest: reach(witness),
            script: open(&session.templates, &node.name)?,
        }))
    }
}
