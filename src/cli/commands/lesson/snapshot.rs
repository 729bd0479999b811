//! The snapshot that a lesson begins with, where guests can be frozen; and work of the engine with a person beside it.

use crate::cli::failure::{Failure, INTERRUPTED};
use crate::cli::global::{Format, Global};
use crate::cli::output::{agrees, info};
use crate::cli::progress::{signals, telling};
use crate::cli::runtime::runtime;
use crate::cli::session::lesson::Course;
use crate::cli::session::load;
use crate::engine::snapshot::{self, RestoreOptions, SnapshotInfo, SnapshotRequest};
use crate::engine::{EngineError, Events, Session, Stop};
use crate::model::code;
use crate::model::snapshot::Kind;

/// Its name.
const NAME: &str = "lesson-start";

/// Standard output is for the result alone.
pub(super) fn beside(global: &Global) -> Global {
    Global { output: Format::Table, ..global.clone() }
}

/// Has the engine work, with what it says beside the result, until it is done or somebody stops it; `after` is what is
/// typed then.
pub(super) fn working<T>(
    global: &Global,
    after: &'static str,
    work: impl AsyncFnOnce(Stop, &Events) -> Result<T, EngineError>,
) -> Result<T, Failure> {
    let beside = beside(global);
    let done = runtime()?.block_on(async {
        let stop = Stop::default();
        let signals = tokio::spawn(signals::listen(stop.clone(), after));
        let done = telling(&beside, async |events| work(stop, events).await).await;
        signals.abort();
        done
    });
    Ok(done?)
}

/// Makes it. That the lesson has one is written down first.
pub(super) fn keep(global: &Global, session: &Session, course: &mut Course) -> Result<(), Failure> {
    if !session.lab.nodes.iter().all(|node| node.machine.is_guest()) {
        return Ok(());
    }
    course.progress.has_snapshot = true;
    course.save(session)?;
    let wish = SnapshotRequest { name: NAME.into(), kind: Kind::Memory };
    let made = working(global, "lab lesson start", async |stop, events| {
        let drivers = snapshot::drivers(session)?;
        match snapshot::create(session, &drivers, &wish, &stop, events).await {
            // A lesson can be done without: its steps are then put right by what solves them.
            Err(error) if *error.code == code::LACKS => Ok(Some(false)),
            made => made.map(|made| made.map(|_| true)),
        }
    });
    match made {
        Ok(Some(is_there)) => course.progress.has_snapshot = is_there,
        Ok(None) => {
            course.forget(session)?;
            return Err(stopped());
        }
        Err(failure) => {
            course.forget(session)?;
            return Err(failure);
        }
    }
    Ok(())
}

fn stopped() -> Failure {
    info("stopped as asked");
    Failure::silent(INTERRUPTED)
}

/// Removes it, where the lesson made it. One whose making or removal was cut goes when it is looked at.
pub(super) fn forget(global: &Global, session: &Session, course: &Course) -> Result<(), Failure> {
    if !course.progress.has_snapshot || found(session)?.is_none() {
        return Ok(());
    }
    let removed = working(global, "lab lesson stop", async |_, events| {
        let drivers = snapshot::drivers(session)?;
        snapshot::delete(session, &drivers, NAME, events).await
    });
    match removed {
        Err(_) if found(session)?.is_none() => Ok(()),
        removed => removed.map(drop),
    }
}

/// True where there is one to go back to.
pub(super) fn is_whole(session: &Session, course: &Course) -> Result<bool, Failure> {
    Ok(course.progress.has_snapshot && found(session)?.is_some_and(|one| one.restorable))
}

fn found(session: &Session) -> Result<Option<SnapshotInfo>, Failure> {
    let all = runtime()?.block_on(snapshot::list(session))?;
    Ok(all.into_iter().find(|one| one.name == NAME))
}

/// Goes back to it; what would be lost besides is asked for.
pub(super) fn restore(global: &Global, session: &Session) -> Result<(), Failure> {
    let lab = Some(session.lab.name.clone());
    let attempt = |yes: bool| {
        let again = load::existing(&Global { lab: lab.clone(), file: None, ..global.clone() })?;
        let options = RestoreOptions { yes, node: None };
        working(global, "lab lesson reset", async |stop, events| {
            let drivers = snapshot::drivers(&again)?;
            match snapshot::restore(again, &drivers, NAME, &options, &stop, events).await {
                Err(error) if error.asks => Ok(Err(error)),
                done => done.map(|restored| Ok(restored.is_some())),
            }
        })
    };
    let mut done = attempt(false)?;
    if let Err(error) = &done
        && agrees(&error.message)
    {
        done = attempt(true)?;
    }
    if done? { Ok(()) } else { Err(stopped()) }
}
