//! Carrying a plan out: what the lab shares in order, then one lane per node.

pub(crate) mod at_rest;
mod leave;
mod make;
pub(crate) mod one_at_a_time;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Semaphore;

use crate::drivers::assets::goldens::Golden;
use crate::drivers::guest::Guest;
use crate::drivers::provider::Provider;
use crate::engine::apply::outcome::Outcome;
use crate::engine::apply::run::one_at_a_time::OneAtATime;
use crate::engine::cluster::upgrade::Upgrade;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::reach::Reach;
use crate::engine::machines::{observe, provision};
use crate::engine::stages::lanes::{self, Board, Broken, Job};
use crate::engine::stages::steps;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::{Event, Events, Failure};
use crate::engine::task::stop::Stop;
use crate::kubernetes::fingerprint;
use crate::kubernetes::stage::{Duty, Stage, Turns};
use crate::model::Node;
use crate::model::code::{self, Code};
use crate::plan::{Change, ChangeKind, Desired, Object};

/// Makes what is the whole lab's, in order.
///
/// # Errors
/// The first change that cannot be made.
pub(crate) async fn shared_changes(
    session: &Session,
    prepared: &Prepared,
    desired: &Desired,
    provider: &Arc<dyn Provider>,
    changes: &[Change],
    events: &Events,
) -> Result<(), EngineError> {
    // The disk is made on this computer, also where libvirt reads it from here.
    let guests = session.lab.guests().next().is_some();
    if guests && prepared.platform.artifact_volume().is_some() && prepared.found.is_some() {
        provision::artifact_disk(session, prepared)?;
    }
    // A new node may have the address of one that leaves: then that one goes first.
    let first = makes_nodes(changes);
    // Certificates were made, and the provider was started, before there was a plan to carry out.
    let done = |change: &Change| [Object::Provider, Object::Certificate].contains(&change.object);
    let now = |change: &&Change| {
        !done(change) && (change.node.is_none() || (first && change.leaving().is_some()))
    };
    for change in changes.iter().filter(now) {
        let task = format!("{} {}", change.object, change.name);
        let work = provision::shared(session, prepared, desired, provider, change);
        match events.timed(None, &task, work).await {
            // A lab without a way out is a lab all the same.
            Err(error) if change.object == Object::Uplink => events.warn(error.message),
            made => made?,
        }
    }
    Ok(())
}

fn is_removal(change: &Change) -> bool {
    change.kind == ChangeKind::Remove
}

fn makes_nodes(changes: &[Change]) -> bool {
    let made = [ChangeKind::Create, ChangeKind::Replace];
    changes.iter().any(|change| change.object == Object::Domain && made.contains(&change.kind))
}

/// A run in progress.
pub(crate) struct Run {
    pub(crate) session: Arc<Session>,
    pub(crate) prepared: Prepared,
    pub(crate) desired: Desired,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) reach: Reach,
    pub(crate) stop: Stop,
    pub(crate) events: Events,
    pub(crate) changes: Vec<Change>,
    /// Fingerprints by node and stage, of the nodes that could be asked when the plan was made.
    pub(crate) markers: BTreeMap<String, BTreeMap<String, String>>,
    /// Held by the one node that restarts something the whole cluster relies on, or joins it.
    pub(crate) one_at_a_time: OneAtATime,
    pub(crate) upgrade: Option<Upgrade>,
    /// Stages of which no node serves: there is nobody to take turns for.
    pub(crate) at_rest: BTreeSet<&'static str>,
    /// What new nodes are copied from, by node.
    pub(crate) goldens: BTreeMap<String, Golden>,
    pub(crate) boots: Semaphore,
    pub(crate) board: Arc<Board>,
}

impl Run {
    /// Walks all lanes to their ends.
    pub(crate) async fn lanes(mut self: Arc<Self>) -> Result<Outcome, EngineError> {
        let jobs = self.jobs()?;
        if let Some(run) = Arc::get_mut(&mut self) {
            run.board = Board::new(&jobs);
        }
        let mut nodes: Vec<&Node> = self.session.lab.nodes.iter().collect();
        nodes.sort_by_key(|node| self.session.flavour().first_awaited(&self.session.lab, node));
        let mut failures = Vec::new();
        let mut lanes = tokio::task::JoinSet::new();
        for node in nodes {
            let own: Vec<Job> = jobs.iter().filter(|job| job.node == node.name).cloned().collect();
            let (run, node) = (Arc::clone(&self), node.clone());
            let mut lane = Box::pin(async move { run.lane(&node, own).await });
            // Gone here as far as its first wait: where few may boot at once, they are let in as they came.
            match poll_fn(|context| Poll::Ready(lane.as_mut().poll(context))).await {
                Poll::Ready(found) => failures.extend(found),
                Poll::Pending => drop(lanes.spawn(lane)),
            }
        }
        while let Some(lane) = lanes.join_next().await {
            match lane {
                Ok(found) => failures.extend(found),
                Err(error) => return Err(EngineError::internal(format!("run a lane: {error}"))),
            }
        }
        if failures.is_empty() && !self.stop.requested() {
            self.retire_and_remove().await?;
        }
        Ok(match (self.stop.requested(), failures.is_empty()) {
            (true, _) => Outcome::Stopped,
            (false, true) => Outcome::Done(self.changes.clone()),
            (false, false) => Outcome::Failed(failures),
        })
    }

    fn jobs(&self) -> Result<Vec<Job>, EngineError> {
        let mut jobs = Vec::new();
        for change in self.changes.iter().filter(|change| change.kind == ChangeKind::RunStage) {
            let node = change.node.as_deref().and_then(|name| self.session.lab.node(name));
            if let (Some(stage), Some(node)) = (self.stage(&change.name), node) {
                let steps = self.prepared.steps(&self.session, stage, node)?;
                jobs.push(Job { stage, node: node.name.clone(), steps });
            }
        }
        Ok(jobs)
    }

    async fn lane(&self, node: &Node, jobs: Vec<Job>) -> Vec<Failure> {
        let Some(upgrade) = &self.upgrade else {
            return match self.is_made_anew_beside_others(node) {
                true => self.in_turn(None, node, jobs).await,
                false => self.pass(node, jobs, false).await,
            };
        };
        if !upgrade.may_begin(node).await {
            self.board.give_up(&jobs, &self.events);
            return Vec::new();
        }
        match self.markers.contains_key(&node.name) {
            true => self.in_turn(Some(upgrade), node, jobs).await,
            false => self.pass(node, jobs, false).await,
        }
    }

    /// Changes of the node itself that come before its stages.
    fn changes_of<'s>(&'s self, node: &'s Node) -> impl Iterator<Item = &'s Change> {
        self.changes.iter().filter(|change| {
            change.node.as_ref() == Some(&node.name)
                && change.object != Object::Stage
                && !is_removal(change)
        })
    }

    fn not_ready(&self, node: &Node, task: &str, error: &EngineError) -> Failure {
        let failure = Failure {
            code: of_boot(task, error.code).id,
            node: Some(node.name.clone()),
            task: task.into(),
            step: None,
            message: error.message.clone(),
            tail: self.console(node).filter(|_| task == "boot"),
            hint: error.hint.clone().or_else(|| Some(self.advice(node))),
            lost: false,
        };
        self.events.send(Event::Failed(failure.clone()));
        failure
    }

    /// Boots the node where that is needed, and walks through its stages. One that changes `alone` has
    /// its turn already, and waits for no other node.
    async fn pass(&self, node: &Node, jobs: Vec<Job>, alone: bool) -> Vec<Failure> {
        // What serves the cluster is stopped on one node at a time.
        let turn = match !alone && self.stops(node) && self.serves(node) {
            true => match self.one_at_a_time.serving().await {
                Some(turn) => Some(turn),
                None => {
                    self.board.give_up(&jobs, &self.events);
                    return Vec::new();
                }
            },
            false => None,
        };
        if let Err((task, error)) = self.boot(node, !jobs.is_empty(), alone).await {
            self.board.give_up(&jobs, &self.events);
            if let Some(turn) = turn {
                turn.failed(&node.name);
            }
            return vec![self.not_ready(node, task, &error)];
        }
        drop(turn);
        self.walk(node, jobs, alone).await
    }

    /// True when the node stops for a while.
    fn stops(&self, node: &Node) -> bool {
        let stops = [ChangeKind::Restart, ChangeKind::Replace];
        self.changes_of(node).any(|change| stops.contains(&change.kind))
    }

    async fn walk(&self, node: &Node, jobs: Vec<Job>, alone: bool) -> Vec<Failure> {
        let guest = (self.reach)(node);
        let jobs = self.still_to_do(node, &*guest, jobs).await;
        let stopped = || self.stop.requested();
        let work = |job: Job| {
            let guest = Arc::clone(&guest);
            async move {
                let last = self.admission(node, job.stage);
                let last = last.map_err(|error| of_job(&job, error))?;
                let place = steps::StageRun {
                    node: &job.node,
                    stage: job.stage.name,
                    kubernetes: self.prepared.platform.version,
                    guest: &*guest,
                    templates: &self.session.templates,
                    events: &self.events,
                    stopped: &stopped,
                    last,
                };
                let serving = self.is_served(job.stage);
                let turn = match !alone && self.takes_turns(job.stage) {
                    true if serving => {
                        Some(self.one_at_a_time.serving().await.ok_or(Broken::Skipped)?)
                    }
                    true => Some(self.one_at_a_time.joining().await),
                    false => None,
                };
                if job.stage.has(Duty::Member) {
                    self.remember_founders(&job)?;
                }
                let done = steps::run(&place, &job.steps).await;
                if let Some(turn) = turn.filter(|_| serving && done.is_err()) {
                    turn.failed(&job.node);
                }
                done.map_err(Broken::Failed)
            }
        };
        lanes::walk(&self.board, &jobs, alone, &self.events, work).await
    }

    fn stage(&self, name: &str) -> Option<&'static Stage> {
        self.session.flavour().stage(name)
    }

    fn admission(
        &self,
        node: &Node,
        stage: &Stage,
    ) -> Result<Option<steps::Elsewhere>, EngineError> {
        match self.upgrade.as_ref().filter(|_| stage.has(Duty::Pods)) {
            Some(upgrade) => upgrade.admission(&self.session, node, &self.reach),
            None => Ok(None),
        }
    }

    /// True when the node carries a part of the cluster that others rely on.
    fn serves(&self, node: &Node) -> bool {
        let rolling =
            |name: &String| self.stage(name).is_some_and(|stage| stage.turns == Turns::Rolling);
        self.markers.get(&node.name).is_some_and(|markers| markers.keys().any(rolling))
    }

    /// True when only one node at a time may be in the stage.
    fn takes_turns(&self, stage: &Stage) -> bool {
        match stage.turns {
            Turns::Together => false,
            Turns::Rolling => self.is_served(stage),
            Turns::Joining => self.prepared.platform.acceleration.is_emulated(),
        }
    }

    /// True when the cluster relies on nodes that went through the stage.
    fn is_served(&self, stage: &Stage) -> bool {
        let rolling = stage.turns == Turns::Rolling && !self.at_rest.contains(stage.name);
        rolling && self.markers.values().any(|markers| markers.contains_key(stage.name))
    }

    /// Writes down who founds the cluster, before the first of them does: until then it may be others.
    fn remember_founders(&self, job: &Job) -> Result<(), Broken> {
        let done = self.session.remember_founders(&self.prepared.etcd_founders);
        done.map_err(|error| of_job(job, error))
    }

    /// A node that was stopped when the plan was made may have done its stages long ago.
    async fn still_to_do(&self, node: &Node, guest: &dyn Guest, jobs: Vec<Job>) -> Vec<Job> {
        if self.markers.contains_key(&node.name) {
            return jobs;
        }
        let Ok(markers) = observe::read_markers(guest).await else { return jobs };
        let (done, rest) = jobs.into_iter().partition::<Vec<_>, _>(|job| {
            markers.get(job.stage.name) == Some(&fingerprint(&job.steps))
        });
        for job in done {
            self.board.already_done(&job);
        }
        rest
    }

    fn advice(&self, node: &Node) -> String {
        if !node.machine.is_guest() {
            return format!("`lab ssh {}`; then `lab up` goes on from here", node.name);
        }
        let console = self.prepared.layout.console(&node.domain);
        format!("look at the console, {console}; then `lab up` goes on from here")
    }

    fn console(&self, node: &Node) -> Option<String> {
        let path = self.prepared.layout.console(&node.domain);
        crate::drivers::provider::tail(std::path::Path::new(&path))
    }
}

/// A stage that could not begin.
fn of_job(job: &Job, error: EngineError) -> Broken {
    Broken::Failed(Box::new(Failure {
        code: error.code.id,
        node: Some(job.node.clone()),
        task: job.stage.name.into(),
        step: None,
        message: error.message,
        tail: None,
        hint: error.hint,
        lost: false,
    }))
}

/// A guest that never answered did not come up; one that shows a wrong key did, as somebody else.
fn of_boot(task: &str, code: &'static Code) -> &'static Code {
    if task == "boot" && *code == code::UNREACHABLE { &code::BOOT } else { code }
}
