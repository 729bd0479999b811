//! Carrying out one stage on one node: what the kinds of its steps say is to be done, batch by batch; the
//! marker comes last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::drivers::guest::{Guest, GuestError, Output, Put};
use crate::engine::task::event::{Event, Events, Failure};
use crate::kubernetes::marker::Marker;
use crate::kubernetes::step::{Batch, Wait, Work, batches, wait};
use crate::kubernetes::{Step, fingerprint};
use crate::model::Version;
use crate::model::code::{self, Code};
use crate::render::Templates;

/// Where a stage runs, for events and failures.
pub(crate) struct StageRun<'a> {
    pub node: &'a str,
    pub stage: &'a str,
    /// The Kubernetes of this run.
    pub kubernetes: Version,
    pub guest: &'a dyn Guest,
    /// Of the kinds of steps.
    pub templates: &'a Templates,
    pub events: &'a Events,
    pub stopped: &'a (dyn Fn() -> bool + Sync),
    /// Asked of another node before the stage counts as done.
    pub last: Option<Elsewhere>,
}

/// A script for another node.
pub(crate) struct Elsewhere {
    pub title: String,
    pub guest: Arc<dyn Guest>,
    pub script: String,
}

const POLL: Duration = Duration::from_millis(500);
/// How long a script that waits asks before it lets itself be stopped.
const SPELL: Duration = Duration::from_secs(wait::SPELL);
/// The longest rest between two spells.
const REST: Duration = Duration::from_secs(30);

/// How often a stage is begun again after its node was lost on the way.
const AGAIN: u32 = 2;

/// Runs all steps and leaves the marker. When the node is lost on the way, as by a restart of the
/// guest, the stage begins again once it is back: what a restart takes away a single step may miss.
///
/// # Errors
/// The first step that fails, with what explains it.
pub(crate) async fn run(place: &StageRun<'_>, steps: &[Step]) -> Result<(), Box<Failure>> {
    for _ in 0..AGAIN {
        match once(place, steps).await {
            Err(failure) if failure.lost && !(place.stopped)() => {
                let (node, stage, why) = (place.node, place.stage, &failure.message);
                place.events.warn(format!("{node}: {why}; {stage} begins again"));
            }
            ended => return ended,
        }
    }
    once(place, steps).await
}

async fn once(place: &StageRun<'_>, steps: &[Step]) -> Result<(), Box<Failure>> {
    let batches = batches(steps, place.templates)
        .map_err(|error| place.failure(&code::TEMPLATE, "begin", &error.to_string(), None))?;
    for Batch { title, work, .. } in &batches {
        if (place.stopped)() {
            return Err(place.failure(
                &code::STOPPED,
                "stop",
                "the run was stopped before this step",
                None,
            ));
        }
        place.say(title);
        match work {
            Work::Put(items) => put(place, title, items).await?,
            Work::PutUnless(condition, item) => {
                let asked = format!("if {condition}; then exit 0; else exit 1; fi");
                if place.run(title, &asked).await?.status != 0 {
                    put(place, title, std::slice::from_ref(item)).await?;
                }
            }
            Work::Script(text, hint) => script(place, title, text, hint).await?,
            Work::Wait(text, asked) => wait(place, title, text, asked).await?,
        }
    }
    if let Some(last) = &place.last {
        place.say(&last.title);
        let answer = last.guest.run(&last.script).await;
        let output = answer.map_err(|error| place.unreachable(&last.title, &error))?;
        if output.status != 0 {
            let message = format!("the command ended with status {}", output.status);
            return Err(place.failure(&code::STEP, &last.title, &message, Some(output.text())));
        }
    }
    // A marker must not outlive, in a loss of power, what it vouches for.
    let flushed = place.guest.run("sync").await;
    flushed.map_err(|error| place.unreachable("flush what was written", &error))?;
    match Marker::step(place.stage, &fingerprint(steps), place.kubernetes) {
        Step::File(file) => {
            let title = Step::File(file.clone()).title();
            place.say(&title);
            put(place, &title, &[Put::File(file)]).await
        }
        _ => Ok(()),
    }
}

async fn put(place: &StageRun<'_>, step: &str, items: &[Put]) -> Result<(), Box<Failure>> {
    place.guest.put(items).await.map_err(|error| place.unreachable(step, &error))
}

/// Runs a script; when it fails, `hint` is run for its output.
async fn script(
    place: &StageRun<'_>,
    step: &str,
    text: &str,
    hint: &str,
) -> Result<(), Box<Failure>> {
    let output = place.run(step, text).await?;
    if output.status == 0 {
        return Ok(());
    }
    let mut tail = output.text();
    if !hint.is_empty()
        && let Ok(more) = place.guest.run(hint).await
    {
        tail.push_str(&more.text());
    }
    let message = format!("the command ended with status {}", output.status);
    Err(place.failure(&code::STEP, step, &message, Some(tail)))
}

/// Waits until the condition comes true; for a step that may be done without, a warning is enough.
async fn wait(
    place: &StageRun<'_>,
    step: &str,
    script: &str,
    asked: &Wait,
) -> Result<(), Box<Failure>> {
    match came_true(place, step, script, asked).await? {
        Some(late) if asked.optional => {
            let tail = late.tail.as_deref().unwrap_or_default().trim_end();
            let text = format!("going on without: {step}: {}\n{tail}", late.message);
            place.events.warn(format!("{}: {text}", place.node));
            Ok(())
        }
        Some(late) => Err(late),
        None => Ok(()),
    }
}

/// Waits inside the guest, so that the condition is noticed when it comes true and not when a
/// packet has crossed the network. What explains it when it did not come true in time.
async fn came_true(
    place: &StageRun<'_>,
    step: &str,
    script: &str,
    Wait { timeout, hint, .. }: &Wait,
) -> Result<Option<Box<Failure>>, Box<Failure>> {
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        let output = place.run(step, script).await?;
        if output.status == 0 {
            return Ok(None);
        }
        // A question that outlasts its spell has not rested inside the guest.
        let rest = (asked.elapsed().saturating_sub(SPELL) * 2).clamp(POLL, REST);
        let rested = Instant::now() + rest;
        while Instant::now() < rested && !(place.stopped)() {
            tokio::time::sleep(POLL).await;
        }
        if (place.stopped)() {
            return Err(place.failure(
                &code::STOPPED,
                step,
                "the run was stopped while waiting",
                None,
            ));
        }
        if start.elapsed() > Duration::from_secs(*timeout) {
            let tail = place.guest.run(hint).await.map(|output| output.text()).unwrap_or_default();
            let message = format!("it did not come true within {timeout} s");
            return Ok(Some(place.failure(&code::PATIENCE, step, &message, Some(tail))));
        }
    }
}

impl StageRun<'_> {
    fn say(&self, step: &str) {
        let (node, task) = (self.node.to_owned(), self.stage.to_owned());
        self.events.send(Event::Step { node, task, step: step.to_owned() });
    }

    async fn run(&self, step: &str, text: &str) -> Result<Output, Box<Failure>> {
        self.guest.run(text).await.map_err(|error| self.unreachable(step, &error))
    }

    fn unreachable(&self, step: &str, error: &GuestError) -> Box<Failure> {
        Box::new(Failure {
            node: Some(self.node.into()),
            code: error.code.id,
            task: self.stage.into(),
            step: Some(step.into()),
            message: error.message.clone(),
            tail: None,
            hint: error.hint.clone(),
            lost: error.retry,
        })
    }

    fn failure(
        &self,
        code: &'static Code,
        step: &str,
        message: &str,
        tail: Option<String>,
    ) -> Box<Failure> {
        Box::new(Failure {
            code: code.id,
            node: Some(self.node.into()),
            task: self.stage.into(),
            step: Some(step.into()),
            message: message.into(),
            tail: tail.filter(|tail| !tail.trim().is_empty()),
            hint: Some(format!("lab stage show {} {}", self.node, self.stage)),
            lost: false,
        })
    }
}
