//! Brings a lab up, for whichever command asks, and tells how that went.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::cli::args::Up;
use crate::cli::failure::{self, FAILED, Failure, INTERRUPTED};
use crate::cli::global::Global;
use crate::cli::output::{agrees, counted, info, say};
use crate::cli::progress::{Progress, signals};
use crate::cli::runtime::runtime;
use crate::cli::session::acquaint::acquaint;
use crate::cli::session::lesson;
use crate::cli::session::lookup::{known, limit, lock, stages};
use crate::cli::session::saved_plan::SavedPlan;
use crate::engine::{self, EngineError, Events, Outcome, Session, Stop, UpOptions, rotate};
use crate::pki::Root;

pub(crate) fn bring_up(global: &Global, up: &Up, session: Session) -> Result<ExitCode, Failure> {
    let session = Arc::new(acquaint(session)?);
    let changes = brought_up(global, up, &session)?;
    told(global, up, &session, changes);
    Ok(ExitCode::SUCCESS)
}

/// Says how many changes were made, and what people do next.
pub(crate) fn told(global: &Global, up: &Up, session: &Session, changes: Option<usize>) {
    let lab = &session.lab;
    for (root, phase) in rotate::phases(session, &Root::ALL).unwrap_or_default() {
        let (name, phase) = (root.name(), phase.told());
        info(&format!(
            "note: {name} is being rotated ({phase}): `lab certs rotate {name}` goes on"
        ));
    }
    match changes {
        None if !up.limit.is_empty() => {
            say(global, &format!("nothing to do on {}", up.limit.join(", ")));
        }
        None => say(
            global,
            &format!(
                "nothing to do: the lab '{}' is as its topology says ({})",
                lab.name,
                counted(lab.nodes.len(), "node")
            ),
        ),
        Some(changes) => {
            let made = counted(changes, "change");
            say(global, &format!("the lab '{}' is up: {made} made", lab.name));
            say(global, &next_steps(global, up, session));
        }
    }
}

/// Brings it up and says what happened on the way; how many changes were made, or `None` where it was as its
/// topology says.
pub(crate) fn brought_up(
    global: &Global,
    up: &Up,
    session: &Arc<Session>,
) -> Result<Option<usize>, Failure> {
    let saved = up.plan.as_deref().map(|path| SavedPlan::load(path, &session.lab)).transpose()?;
    let until = saved.as_ref().map_or(&up.until, |plan| &plan.until);
    let stages = Some(stages(session.flavour(), until.as_deref())?);
    let from = up.from.as_deref().map(|name| known(session.flavour(), name)).transpose()?;
    let _lock = lock(session, "up")?;
    lesson::refuse_healing(session, up.yes)?;
    let (path, log) = session.store.run_log("up")?;
    let options = UpOptions {
        stages,
        yes: up.yes,
        concurrency: up.concurrency,
        force: up.force,
        from,
        overcommit: up.overcommit,
        limit: limit(&session.lab, &up.limit)?,
        agreed: saved.map(|plan| plan.changes),
    };
    let late = up.timeout.map(|time| Instant::now() + time);
    let runtime = runtime()?;
    let attempt = |options: UpOptions, log| {
        runtime.block_on(async {
            let (events, receiver) = Events::channel();
            let reader = tokio::spawn(Progress::new(global, Some(log)).read(receiver));
            let stop = Stop::default();
            let signals = tokio::spawn(signals::listen(stop.clone(), "lab up"));
            let clock = tokio::spawn(stop_at(late, stop.clone()));
            let session = Arc::clone(session);
            let outcome = match up.checkpoint {
                true => engine::up_by_checkpoints(session, options, stop, events).await,
                false => engine::up(session, options, stop, events).await,
            };
            signals.abort();
            clock.abort();
            (outcome, reader.await.ok())
        })
    };
    let again = log.try_clone();
    let (mut outcome, mut progress) = attempt(options.clone(), log);
    if let (Err(error), Ok(log)) = (&outcome, again)
        && error.asks
        && agrees(&error.message)
    {
        (outcome, progress) = attempt(UpOptions { yes: true, ..options }, log);
    }
    if let Some(progress) = &mut progress {
        progress.ended(how(&outcome), outcome.as_ref().err());
    }
    let outcome = outcome?;
    match outcome {
        Outcome::Unchanged => Ok(None),
        Outcome::Done(changes) => {
            if let Some(progress) = progress {
                say(global, &format!("\n{}", progress.timings()));
            }
            Ok(Some(changes.len()))
        }
        Outcome::Stopped if late.is_some_and(|late| Instant::now() >= late) => {
            info("the time is up; what was done stays, and `lab up` goes on from here");
            Err(Failure::silent(FAILED))
        }
        Outcome::Stopped => {
            info("stopped as asked; `lab up` goes on from here");
            Err(Failure::silent(INTERRUPTED))
        }
        Outcome::Failed(failures) => {
            info(&format!(
                "\n{} failed; what was done stays, and `lab up` goes on from here\nthe whole story: {}",
                counted(failures.len(), "task"),
                path.display()
            ));
            Err(Failure::silent(FAILED))
        }
    }
}

/// Asks to stop when the time is up.
async fn stop_at(late: Option<Instant>, stop: Stop) {
    let Some(late) = late else { return };
    tokio::time::sleep_until(late.into()).await;
    info("the time is up: stopping after the current steps");
    stop.request();
}

/// How the run ended, in a word.
fn how(outcome: &Result<Outcome, EngineError>) -> &'static str {
    match outcome {
        Ok(Outcome::Unchanged) => "unchanged",
        Ok(Outcome::Done(_)) => "done",
        Ok(Outcome::Stopped) => "stopped",
        Ok(Outcome::Failed(_)) => "failed",
        Err(error) => failure::outcome(error),
    }
}

fn next_steps(global: &Global, up: &Up, session: &Session) -> String {
    let option = match (&global.lab, &global.file) {
        (None, None) => String::new(),
        _ => format!(" --lab {}", session.lab.name),
    };
    let node = session.lab.nodes.first().map_or("NODE", |node| node.name.as_str());
    if up.until.is_some() {
        return format!("next:\n  lab status{option}\n  lab ssh{option} {node}\n  lab up{option}");
    }
    if !session.flavour().is_a_cluster() {
        return format!(
            "next:\n  lab status{option}\n  lab ssh{option} {node}\n  lab down{option}"
        );
    }
    format!(
        "next:\n  lab kubectl{option} get nodes\n  lab ssh{option} {node}\n  lab verify{option}\n  lab down{option}"
    )
}
