//! `up --checkpoint`: one stage after the other, and a snapshot after each. Between two stages all
//! lanes stand still, so that a snapshot is a moment between chapters.

use std::sync::Arc;

use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::apply::outcome::{Outcome, UpOptions};
use crate::engine::apply::up::up;
use crate::engine::lab::open::Session;
use crate::engine::snapshot;
use crate::engine::snapshot::create::SnapshotRequest;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::engine::task::stop::Stop;
use crate::model::snapshot::Kind;

/// Name of the snapshot made after a stage.
pub fn name_after(stage: &str) -> String {
    format!("after-{stage}")
}

/// `up`, with a snapshot after each stage that did something.
///
/// # Errors
/// As [`up`] and [`snapshot::create`].
pub async fn up_by_checkpoints(
    session: Arc<Session>,
    options: UpOptions,
    stop: Stop,
    events: Events,
) -> Result<Outcome, EngineError> {
    let all_stages = session.flavour().stages;
    let from = options.from.and_then(|from| all_stages.iter().position(|s| s.name == from.name));
    let stages = options.stages(session.flavour());
    let mut all = Vec::new();
    for (at, stage) in stages.iter().enumerate() {
        if (stage.nodes)(&session.lab).is_empty() {
            continue;
        }
        let place = all_stages.iter().position(|one| one.name == stage.name);
        let again = from.is_some_and(|from| place.is_some_and(|place| place >= from));
        let step = UpOptions {
            stages: Some(stages.iter().take(at + 1).copied().collect()),
            from: again.then_some(*stage),
            ..options.clone()
        };
        match up(Arc::clone(&session), step, stop.clone(), events.clone()).await? {
            Outcome::Unchanged => continue,
            Outcome::Done(changes) => all.extend(changes),
            other => return Ok(other),
        }
        let wish = SnapshotRequest { name: name_after(stage.name), kind: Kind::Memory };
        if save(&session, &wish, &stop, &events).await?.is_none() {
            return Ok(Outcome::Stopped);
        }
    }
    Ok(if all.is_empty() { Outcome::Unchanged } else { Outcome::Done(all) })
}

/// Makes the snapshot in place of an older one of that name.
async fn save(
    session: &Session,
    wish: &SnapshotRequest,
    stop: &Stop,
    events: &Events,
) -> Result<Option<()>, EngineError> {
    let drivers = snapshot::drivers(session)?;
    if SnapshotStore::new(&session.store).manifest(&wish.name)?.is_some() {
        snapshot::delete(session, &drivers, &wish.name, events).await?;
    }
    Ok(snapshot::create(session, &drivers, wish, stop, events).await?.map(drop))
}
