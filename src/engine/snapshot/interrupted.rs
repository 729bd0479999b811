//! What an earlier run began with snapshots and was cut in.

use std::sync::Arc;
use std::time::Duration;

use crate::drivers::provider::Provider;
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::snapshot::{clock, parts};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::snapshot::Intent;
use crate::model::{Node, code};

/// How long clocks are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Finishes what an earlier run began with snapshots and was cut in: half a snapshot is taken back,
/// half a deletion completed. Half a restore only a restore can end; after a whole one, clocks are set right.
///
/// # Errors
/// When a restore was cut, or the provider refuses.
pub(crate) async fn recover_interrupted(
    session: &Session,
    provider: &Arc<dyn Provider>,
    reach: &Reach,
    events: &Events,
) -> Result<(), EngineError> {
    if let Some(name) = cut_restore(session)? {
        return Err(EngineError::of(&code::HALF_RESTORED, format!(
            "go on: restoring the snapshot '{name}' was cut, so the nodes are at different moments"
        ))
        .hint(format!("`lab snapshot restore {name}` once more, or `lab down`"))
        .preflight());
    }
    let shelf = SnapshotStore::new(&session.store);
    for name in shelf.names()? {
        match (shelf.intent(&name)?, shelf.manifest(&name)?) {
            (Some(Intent::Create), Some(_)) => shelf.finish(&name)?,
            (Some(Intent::Create | Intent::Delete), _) => {
                events.note(format!("taking back the snapshot '{name}', which was cut"));
                parts::rollback(session, provider, &name).await?;
            }
            (Some(Intent::Reverted), _) => {
                set_clocks(session, reach, events).await;
                shelf.finish(&name)?;
            }
            // Cut between the last file of a deletion and the directory.
            (None, None) => shelf.remove(&name)?,
            _ => {}
        }
    }
    Ok(shelf.tidy()?)
}

/// Guests that went on where they were believe that no time went by. Those that do not answer yet are looked
/// after by their own time service.
async fn set_clocks(session: &Session, reach: &Reach, events: &Events) {
    let nodes: Vec<&Node> = session.lab.nodes.iter().collect();
    let set = tokio::time::timeout(PATIENCE, clock::set(&nodes, reach, &session.templates));
    match set.await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => events.warn(format!("clocks after the restore: {error}")),
        Err(_) => events.warn("clocks after the restore: not all nodes answered in time; `lab verify` says whose is wrong"),
    }
}

/// The snapshot whose restore was cut, if there is one.
///
/// # Errors
/// When the lab's directory cannot be read.
pub(crate) fn cut_restore(session: &Session) -> Result<Option<String>, EngineError> {
    let shelf = SnapshotStore::new(&session.store);
    for name in shelf.names()? {
        if matches!(shelf.intent(&name)?, Some(Intent::Restore { .. })) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
