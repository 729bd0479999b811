//! `plan` and `up`: observe, compare, change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::error::EngineError;
use super::event::{Event, Events, Failure};
use super::lanes::Board;
use super::place::Place;
use super::prepared::Prepared;
use super::run::{Run, shared_changes};
use super::session::{Reach, Session};
use super::{observe, preflight, provision};
use crate::drivers::hypervisor::Hypervisor;
use crate::plan::{Change, Observed, diff};
use crate::stages::Stage;

/// A request to stop, shared with the signal handler.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Stop {
    /// Asks every lane to stop at its next step.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// True once asked.
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until asked.
    pub async fn wait(&self) {
        // The sender lives in us, so the wait cannot end for lack of one.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
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
        preflight::refuse_conflicts(session, &desired, &observed.inventory)?;
        if let Some(reach) = session.glance()? {
            observed.markers = observe::markers(session, &observed.inventory, &reach).await;
        }
    }
    Ok(diff(&desired, &observed))
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
    preflight::early_conflicts(&session).await?;
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
    session.store.save_record(&preflight::record(session))?;
    let (engine, hide) = (engine.clone(), session.hides_kvm());
    events
        .timed(None, "engine", async {
            let started = tokio::task::spawn_blocking(move || engine.ensure(hide)).await;
            started.map_err(|error| EngineError::new(error.to_string()))?.map_err(EngineError::from)
        })
        .await
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
    preflight::refuse_conflicts(&session, &desired, &observed.inventory)?;
    observed.markers = observe::markers(&session, &observed.inventory, &reach).await;
    preflight::refuse_new_members(&session, &observed)?;
    let changes = diff(&desired, &observed);
    if changes.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    preflight::refuse_loss(&changes, options.yes)?;
    if changes.iter().any(|change| change.object == "domain") {
        events.note(format!("guests run with {}", prepared.acceleration));
    }
    events.send(Event::Planned { changes: changes.clone() });
    session.store.save_record(&preflight::record(&session))?;
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
        known: observed.markers.into_keys().collect(),
    });
    run.lanes().await
}
