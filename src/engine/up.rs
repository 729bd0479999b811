//! `plan` and `up`: observe, compare, change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::EngineError;
use super::event::{Event, Events, Failure};
use super::lanes::{self, Board, Job};
use super::place::Place;
use super::prepared::Prepared;
use super::session::{Reach, Session};
use super::{provision, steps};
use crate::drivers::guest::Guest;
use crate::drivers::host;
use crate::drivers::hypervisor::Hypervisor;
use crate::drivers::store::Record;
use crate::model::Node;
use crate::model::inventory::Inventory;
use crate::plan::{Change, Desired, HostNetwork, Observed, conflicts, diff};
use crate::stages::{Stage, marker, stage};

/// A request to stop, shared with the signal handler.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks every lane to stop at its next step.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// True once asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// How `up` behaves.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Stages to go through; see [`crate::stages::with_needs`].
    pub stages: Vec<&'static Stage>,
    /// Removals were agreed to.
    pub yes: bool,
    /// Nodes that boot at the same time.
    pub concurrency: usize,
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

/// Reads the markers of all nodes that run, side by side. Nodes that do not answer are left out.
pub(super) async fn markers(
    session: &Session,
    inventory: &Inventory,
    reach: &Reach,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut asked = tokio::task::JoinSet::new();
    for node in &session.lab.nodes {
        if inventory.domains.iter().any(|domain| domain.uuid == node.uuid && domain.active) {
            let (name, guest) = (node.name.clone(), reach(node));
            asked.spawn(async move { (name, read_markers(&*guest).await.ok()) });
        }
    }
    let mut found = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((name, Some(markers))) = answer {
            found.insert(name, markers);
        }
    }
    found
}

async fn read_markers(guest: &dyn Guest) -> Result<BTreeMap<String, String>, EngineError> {
    let output = guest.run(marker::READ).await.map_err(|error| EngineError {
        hint: error.hint.clone(),
        ..EngineError::new(error.to_string())
    })?;
    Ok(marker::parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Patience with nodes when only looking.
const GLANCE: Duration = Duration::from_secs(8);

/// What `up` would do. Changes nothing.
///
/// # Errors
/// When something cannot be read, or stands in the lab's way.
pub async fn plan(
    session: &Session,
    stages: &[&'static Stage],
) -> Result<Vec<Change>, EngineError> {
    let prepared = session.preview()?;
    let desired = prepared.desired(session, stages)?;
    let mut observed =
        Observed { engine_running: session.place.is_running(), ..Observed::default() };
    if observed.engine_running {
        let hypervisor = session.place.connect()?;
        observed.inventory = provision::call(&hypervisor, |h| h.inventory()).await?;
        refuse_conflicts(session, &desired, &observed.inventory)?;
        let keys = session.load_keys()?;
        if session.lab.nodes.iter().all(|node| keys.hosts.contains_key(&node.name)) {
            let reach = session.reach(&keys, GLANCE)?;
            observed.markers = markers(session, &observed.inventory, &reach).await;
        }
    }
    Ok(diff(&desired, &observed))
}

fn refuse_conflicts(
    session: &Session,
    desired: &Desired,
    inventory: &Inventory,
) -> Result<(), EngineError> {
    let host = match session.place {
        // A private engine has a network namespace of its own: nothing there can collide.
        Place::Private(_) => Vec::new(),
        Place::System { .. } => host::used_networks()
            .into_iter()
            .map(|used| HostNetwork { net: used.net, device: used.device })
            .collect(),
    };
    let found = conflicts(&session.lab, desired, inventory, &host);
    let Some(first) = found.first() else { return Ok(()) };
    let text: Vec<&str> = found.iter().map(|conflict| conflict.message.as_str()).collect();
    Err(EngineError::new(format!("make room for the lab: {}", text.join("; ")))
        .hint(first.help.clone())
        .preflight())
}

/// Makes the lab what its topology says.
///
/// # Errors
/// When nothing could be begun; failures of single nodes are in the outcome.
pub async fn up(
    session: Arc<Session>,
    options: UpOptions,
    stop: Stop,
    events: Events,
) -> Result<Outcome, EngineError> {
    let preparing = {
        let (session, events) = (Arc::clone(&session), events.clone());
        tokio::task::spawn_blocking(move || session.prepare(&events))
    };
    let prepared = preparing.await.map_err(|e| EngineError::new(e.to_string()))??;
    start_engine(&session, &events).await?;
    let hypervisor = session.place.connect()?;
    let patience = Duration::from_secs(session.lab.options.boot_timeout);
    let reach = session.reach(&prepared.keys, patience)?;
    up_with(session, prepared, Drivers { hypervisor, reach }, options, stop, events).await
}

/// The hands that `up` works with.
#[derive(Clone)]
pub struct Drivers {
    /// Where guests run.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// How nodes are reached.
    pub reach: Reach,
}

impl std::fmt::Debug for Drivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Drivers({})", self.hypervisor.uri())
    }
}

async fn start_engine(session: &Session, events: &Events) -> Result<bool, EngineError> {
    let Place::Private(engine) = &session.place else { return Ok(false) };
    if engine.is_running() {
        return Ok(false);
    }
    // Recorded before it exists: whoever comes after a crash knows where to look.
    session.store.save_record(&record(session))?;
    let (engine, hide) = (engine.clone(), session.hides_kvm());
    events
        .timed(None, "engine", async {
            let started = tokio::task::spawn_blocking(move || engine.ensure(hide)).await;
            started.map_err(|error| EngineError::new(error.to_string()))?.map_err(EngineError::from)
        })
        .await
}

fn record(session: &Session) -> Record {
    let (lab, place) = (&session.lab, &session.place);
    let mut record = Record::new(&lab.name, lab.id, place.name(), &place.uri());
    record.artifacts = session.chosen_artifacts();
    record.base.clone_from(&session.base);
    record
}

/// `up` on given drivers: what tests call with fakes.
///
/// # Errors
/// As [`up`].
pub async fn up_with(
    session: Arc<Session>,
    prepared: Prepared,
    drivers: Drivers,
    options: UpOptions,
    stop: Stop,
    events: Events,
) -> Result<Outcome, EngineError> {
    let Drivers { hypervisor, reach } = drivers;
    let desired = prepared.desired(&session, &options.stages)?;
    let mut observed = Observed { engine_running: true, ..Observed::default() };
    observed.inventory = provision::call(&hypervisor, |h| h.inventory()).await?;
    refuse_conflicts(&session, &desired, &observed.inventory)?;
    observed.markers = markers(&session, &observed.inventory, &reach).await;
    let changes = diff(&desired, &observed);
    if changes.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    refuse_loss(&changes, options.yes)?;
    if changes.iter().any(|change| change.object == "domain") {
        events.note(format!("guests run with {}", prepared.acceleration));
    }
    events.send(Event::Planned { changes: changes.clone() });
    session.store.save_record(&record(&session))?;
    session.store.write("topology.yaml", &session.source)?;
    shared_changes(&session, &prepared, &desired, &hypervisor, &changes, &events).await?;

    let run = Arc::new(Run {
        boots: Semaphore::new(options.concurrency.max(1)),
        board: Board::new(&[]),
        session,
        prepared,
        desired,
        hypervisor,
        reach,
        stop,
        events,
        changes,
    });
    run.lanes().await
}

fn refuse_loss(changes: &[Change], yes: bool) -> Result<(), EngineError> {
    let lost: Vec<String> =
        changes.iter().filter(|change| change.is_destructive()).map(|c| c.name.clone()).collect();
    if lost.is_empty() || yes {
        return Ok(());
    }
    Err(EngineError::new(format!(
        "change the lab: {} would be removed with their disks",
        lost.join(", ")
    ))
    .hint("look at `lab plan`, then `lab up --yes`")
    .preflight())
}

async fn shared_changes(
    session: &Session,
    prepared: &Prepared,
    desired: &Desired,
    hypervisor: &Arc<dyn Hypervisor>,
    changes: &[Change],
    events: &Events,
) -> Result<(), EngineError> {
    // The disk is made on this computer, also where libvirt reads it from here.
    if prepared.platform.artifact_volume().is_some() && prepared.found.is_some() {
        provision::artifact_disk(session, prepared)?;
    }
    let of_lab = |change: &&Change| change.node.is_none() || change.is_destructive();
    for change in changes.iter().filter(of_lab) {
        let task = format!("{} {}", change.object, change.name);
        let work = provision::shared(session, prepared, desired, hypervisor, change);
        events.timed(None, &task, work).await?;
    }
    Ok(())
}

struct Run {
    session: Arc<Session>,
    prepared: Prepared,
    desired: Desired,
    hypervisor: Arc<dyn Hypervisor>,
    reach: Reach,
    stop: Stop,
    events: Events,
    changes: Vec<Change>,
    boots: Semaphore,
    board: Arc<Board>,
}

impl Run {
    async fn lanes(mut self: Arc<Self>) -> Result<Outcome, EngineError> {
        let jobs = self.jobs()?;
        if let Some(run) = Arc::get_mut(&mut self) {
            run.board = Board::new(&jobs);
        }
        let mut lanes = tokio::task::JoinSet::new();
        for node in &self.session.lab.nodes {
            let own: Vec<Job> = jobs.iter().filter(|job| job.node == node.name).cloned().collect();
            let (run, node) = (Arc::clone(&self), node.clone());
            lanes.spawn(async move { run.lane(&node, own).await });
        }
        let mut failures = Vec::new();
        while let Some(lane) = lanes.join_next().await {
            match lane {
                Ok(found) => failures.extend(found),
                Err(error) => return Err(EngineError::new(format!("run a lane: {error}"))),
            }
        }
        Ok(match (self.stop.requested(), failures.is_empty()) {
            (true, _) => Outcome::Stopped,
            (false, true) => Outcome::Done(self.changes.clone()),
            (false, false) => Outcome::Failed(failures),
        })
    }

    fn jobs(&self) -> Result<Vec<Job>, EngineError> {
        let mut jobs = Vec::new();
        for change in self.changes.iter().filter(|change| change.object == "stage") {
            let node = change.node.as_deref().and_then(|name| self.session.lab.node(name));
            if let (Some(stage), Some(node)) = (stage(&change.name), node) {
                let steps = self.prepared.steps(&self.session, stage, node)?;
                jobs.push(Job { stage: stage.name, node: node.name.clone(), steps });
            }
        }
        Ok(jobs)
    }

    async fn lane(&self, node: &Node, jobs: Vec<Job>) -> Vec<Failure> {
        let (task, ready) = match self.boot(node, !jobs.is_empty()).await {
            Ok(()) => ("", Ok(())),
            Err((task, error)) => (task, Err(error)),
        };
        if let Err(error) = ready {
            self.board.give_up(&jobs, &self.events);
            let failure = Failure {
                node: Some(node.name.clone()),
                task: task.into(),
                step: None,
                message: error.message.clone(),
                tail: self.console(node).filter(|_| task == "boot"),
                hint: error.hint.clone(),
            };
            self.events.send(Event::Failed(failure.clone()));
            return vec![failure];
        }
        let guest = (self.reach)(node);
        let stopped = || self.stop.requested();
        let work = |job: Job| {
            let guest = Arc::clone(&guest);
            async move {
                let place = steps::Place {
                    node: &job.node,
                    stage: job.stage,
                    guest: &*guest,
                    events: &self.events,
                    stopped: &stopped,
                };
                steps::run(&place, &job.steps).await
            }
        };
        lanes::walk(&self.board, &jobs, &self.events, work).await
    }

    /// Makes the node's volumes and domain, starts it and waits until it lets us in.
    async fn boot(&self, node: &Node, needed: bool) -> Result<(), (&'static str, EngineError)> {
        let of_node = |change: &&Change| {
            change.node.as_ref() == Some(&node.name)
                && change.object != "stage"
                && !change.is_destructive()
        };
        let own: Vec<Change> = self.changes.iter().filter(of_node).cloned().collect();
        let domain = self.desired.domains.iter().find(|domain| domain.node == node.name);
        let name = Some(node.name.as_str());
        if let Some(domain) = domain.filter(|_| !own.is_empty()) {
            if self.stop.requested() {
                return Err(("domain", EngineError::new("the run was stopped before this node")));
            }
            // Only the start is bounded: what costs the host is many guests booting at once.
            let _permit = self.boots.acquire().await;
            let work = provision::node(
                &self.session,
                &self.prepared,
                &self.hypervisor,
                node,
                domain,
                &own,
            );
            self.events.timed(name, "domain", work).await.map_err(|error| ("domain", error))?;
            let login = async {
                let output = (self.reach)(node).run(WAIT_CLOUD_INIT).await;
                output.map_err(|e| EngineError {
                    hint: e.hint.clone(),
                    ..EngineError::new(e.to_string())
                })
            };
            let output = self.events.timed(name, "boot", login).await.map_err(|e| ("boot", e))?;
            if output.status != 0 {
                self.events.warn(format!(
                    "{}: cloud-init reports problems: {}",
                    node.name,
                    output.text().trim()
                ));
            }
        } else if needed {
            (self.reach)(node).run("true").await.map_err(|e| {
                ("boot", EngineError { hint: e.hint.clone(), ..EngineError::new(e.to_string()) })
            })?;
        }
        Ok(())
    }

    fn console(&self, node: &Node) -> Option<String> {
        let path = self.prepared.layout.console(&node.domain);
        crate::drivers::hypervisor::tail(std::path::Path::new(&path))
    }
}

/// Packages and commands of a person's own user-data come after sshd: stages wait for them.
const WAIT_CLOUD_INIT: &str = "command -v cloud-init >/dev/null || exit 0
status=$(cloud-init status --wait 2>/dev/null | tr -d '.\\n')
case $status in *error*) cloud-init status --long; exit 1;; esac";
