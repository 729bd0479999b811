//! `lab snapshot delete`: the parts go, and their space comes back.

use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Drivers;
use crate::engine::machines::provision::call;
use crate::engine::snapshot::{interrupted, list, open, parts};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::Lab;
use crate::model::snapshot::Intent;
use crate::render;

/// Deletes a snapshot; the bytes that the disks take less.
///
/// # Errors
/// When there is none of that name, or the provider refuses.
pub async fn delete(
    session: &Session,
    drivers: &Drivers,
    name: &str,
    events: &Events,
) -> Result<u64, EngineError> {
    drivers.provider.snapshots()?;
    let shelf = SnapshotStore::new(&session.store);
    // A restore that was cut needs its snapshot.
    interrupted::recover_interrupted(session, &drivers.provider, &drivers.reach, events).await?;
    let manifest = open::manifest(session, name)?;
    let lab = list::lab_of(session, name)?;
    let before = taken(drivers, &lab).await?;
    shelf.begin(name, &Intent::Delete)?;
    let work = async {
        parts::remove(session, &drivers.provider, &lab, name, manifest.kind).await?;
        shelf.remove(name).map_err(EngineError::from)
    };
    events.timed(None, &format!("delete {name}"), work).await?;
    Ok(before.saturating_sub(taken(drivers, &lab).await?))
}

/// Bytes that the disks of a lab's nodes take.
async fn taken(drivers: &Drivers, lab: &Lab) -> Result<u64, EngineError> {
    let pool = lab.pool();
    let volumes: Vec<String> = lab.guests().flat_map(render::disks_of).collect();
    call(&drivers.provider, move |h| {
        let storage = h.storage()?;
        volumes.iter().map(|volume| storage.volume_bytes(&pool, volume)).sum()
    })
    .await
}
