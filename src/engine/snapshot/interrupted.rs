//! What an earlier run began with snapshots and was cut in.

use std::sync::Arc;

use crate::drivers::provider::Provider;
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::snapshot::parts;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::code;
use crate::model::snapshot::Intent;

/// Finishes what an earlier run began with snapshots and was cut in: half a snapshot is taken back,
/// half a deletion completed. Half a restore only a restore can end.
///
/// # Errors
/// When a restore was cut, or the provider refuses.
pub(crate) async fn recover_interrupted(
    session: &Session,
    provider: &Arc<dyn Provider>,
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
            // Cut between the last file of a deletion and the directory.
            (None, None) => shelf.remove(&name)?,
            _ => {}
        }
    }
    Ok(shelf.tidy()?)
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
