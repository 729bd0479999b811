//! Lanes: each node is one, and walks through its stages in order; a stage that needs other nodes
//! waits for them and for nothing else. A failure stops what depends on it, the rest goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::task::event::{Event, Events, Failure};
use crate::kubernetes::Step;
use crate::kubernetes::stage::{After, Stage};

/// A stage on a node with everything needed to carry it out.
#[derive(Clone)]
pub(crate) struct Job {
    pub stage: &'static Stage,
    pub node: String,
    pub steps: Vec<Step>,
}

/// How a stage on a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Pending,
    Done,
    Broken,
}

/// Why a stage was not carried out to its end.
pub(crate) enum Broken {
    /// It failed.
    Failed(Box<Failure>),
    /// Another node failed in its turn, so that this one is left alone.
    Skipped,
}

/// Who needs what: one signal per (stage, node).
pub(crate) struct Board {
    signals: BTreeMap<(&'static str, String), watch::Sender<Mark>>,
}

impl Board {
    /// A board of all `jobs`. Stages that are not among them count as done.
    pub fn new(jobs: &[Job]) -> Arc<Self> {
        let signal =
            |job: &Job| ((job.stage.name, job.node.clone()), watch::channel(Mark::Pending).0);
        Arc::new(Self { signals: jobs.iter().map(signal).collect() })
    }

    fn set(&self, job: &Job, mark: Mark) {
        if let Some(signal) = self.signals.get(&(job.stage.name, job.node.clone())) {
            signal.send_replace(mark);
        }
    }

    /// Marks a job that turned out to be done.
    pub fn already_done(&self, job: &Job) {
        self.set(job, Mark::Done);
    }

    /// Waits for everything `job` comes after; false when some of it broke. A node that changes `alone`,
    /// in a cluster that serves, waits for no other.
    async fn ready(&self, job: &Job, alone: bool) -> bool {
        for ((stage, node), signal) in &self.signals {
            let needed = job.stage.after.iter().any(|after| match after {
                After::SameNode(name) => name == stage && *node == job.node,
                After::AllNodes(name) => name == stage && (!alone || *node == job.node),
            });
            if !needed {
                continue;
            }
            let mut receiver = signal.subscribe();
            let settled = receiver.wait_for(|mark| *mark != Mark::Pending).await;
            if settled.map_or(Mark::Broken, |mark| *mark) == Mark::Broken {
                return false;
            }
        }
        true
    }

    /// Marks all jobs of a lane as broken, so that nobody waits for them.
    pub fn give_up(&self, jobs: &[Job], events: &Events) {
        for job in jobs {
            self.set(job, Mark::Broken);
            events.send(Event::Skipped { node: job.node.clone(), task: job.stage.name.into() });
        }
    }
}

/// Walks one node's jobs in order, `alone` or minding those of others. `work` carries one out.
pub(crate) async fn walk<F, W>(
    board: &Board,
    jobs: &[Job],
    alone: bool,
    events: &Events,
    mut work: W,
) -> Vec<Failure>
where
    W: FnMut(Job) -> F,
    F: Future<Output = Result<(), Broken>>,
{
    let mut failures = Vec::new();
    for job in jobs {
        if !board.ready(job, alone).await {
            board.give_up(std::slice::from_ref(job), events);
            continue;
        }
        let node = Some(job.node.as_str());
        match events.timed(node, job.stage.name, work(job.clone())).await {
            Ok(()) => board.set(job, Mark::Done),
            Err(Broken::Skipped) => board.give_up(std::slice::from_ref(job), events),
            Err(Broken::Failed(failure)) => {
                board.set(job, Mark::Broken);
                events.send(Event::Failed((*failure).clone()));
                failures.push(*failure);
            }
        }
    }
    failures
}
