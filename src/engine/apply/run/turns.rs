//! Nodes of a cluster that serves, changed one at a time.

use std::collections::BTreeMap;

use crate::engine::apply::run::Run;
use crate::engine::apply::run::one_at_a_time::Turn;
use crate::engine::cluster::upgrade::Upgrade;
use crate::engine::stages::lanes::Job;
use crate::engine::task::event::{Event, Failure};
use crate::kubernetes::stage::Duty;
use crate::model::Node;
use crate::plan::ChangeKind;

impl Run {
    /// True when the node serves, is made anew, and the cluster goes on meanwhile.
    pub(crate) fn is_made_anew_beside_others(&self, node: &Node) -> bool {
        let anew = |name: &str| {
            self.changes.iter().any(|change| {
                change.kind == ChangeKind::Replace && change.node.as_deref() == Some(name)
            })
        };
        let flavour = self.session.flavour();
        let is_member =
            |markers: &BTreeMap<String, String>| flavour.has(markers.keys(), Duty::Member);
        let mut members = self.markers.iter().filter(|(_, markers)| is_member(markers));
        self.serves(node) && anew(&node.name) && members.any(|(member, _)| !anew(member))
    }

    /// One node of a serving cluster that goes to another release, or is made anew: until it serves
    /// again, no other changes.
    pub(crate) async fn in_turn(
        &self,
        upgrade: Option<&Upgrade>,
        node: &Node,
        jobs: Vec<Job>,
    ) -> Vec<Failure> {
        // What needs the workers needs them of the new release.
        let needs_workers = |job: &Job| {
            let needs = self.session.flavour().with_needs(job.stage);
            !job.stage.has(Duty::Pods) && needs.iter().any(|stage| stage.has(Duty::Pods))
        };
        let (later, own): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(needs_workers);
        let mut failures = Vec::new();
        if !own.is_empty() || self.changes_of(node).next().is_some() {
            let Some(turn) = self.turn_of(node).await else {
                self.board.give_up(&own, &self.events);
                self.board.give_up(&later, &self.events);
                upgrade.inspect(|upgrade| upgrade.ended(node, false));
                return Vec::new();
            };
            failures = match self.stop.requested() {
                true => Vec::new(),
                false => self.change_alone(upgrade, node, own).await,
            };
            if !failures.is_empty() && self.serves(node) {
                turn.failed(&node.name);
            }
        }
        let well = failures.is_empty() && !self.stop.requested();
        upgrade.inspect(|upgrade| upgrade.ended(node, well));
        match well {
            true => self.walk(node, later, false).await,
            false => {
                self.board.give_up(&later, &self.events);
                failures
            }
        }
    }

    async fn turn_of(&self, node: &Node) -> Option<Turn<'_>> {
        match self.serves(node) {
            true => self.one_at_a_time.serving().await,
            false => Some(self.one_at_a_time.joining().await),
        }
    }

    async fn change_alone(
        &self,
        upgrade: Option<&Upgrade>,
        node: &Node,
        jobs: Vec<Job>,
    ) -> Vec<Failure> {
        let emptied = match upgrade {
            Some(upgrade) => upgrade.empty(&self.session, node, &self.reach, &self.events).await,
            // Whoever is made anew was drained before anything began.
            None => Ok(()),
        };
        if let Err(failure) = emptied {
            self.board.give_up(&jobs, &self.events);
            self.events.send(Event::Failed((*failure).clone()));
            return vec![*failure];
        }
        let failures = self.pass(node, jobs, true).await;
        if failures.is_empty() && self.serves(node) {
            match self.settle(node).await {
                Ok(()) => {}
                Err(error) => return vec![self.not_ready(node, "settle", &error)],
            }
        }
        failures
    }
}
