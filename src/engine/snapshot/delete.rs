//! `lab snapshot delete`: the parts go, and their space comes back.

use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Drivers;
use crate::engine::machines::provision::call;
use crate::engine::snapshot::{interrupted, list, open, parts};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::snapshot::Intent;

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
    let nodes: Vec<String> = manifest.nodes.iter().map(|part| part.node.clone()).collect();
    let before = taken(session, drivers, &nodes).await?;
    shelf.begin(name, &Intent::Delete)?;
    let work = async {
        let lab = list::lab_of(session, name)?;
        parts::remove(session, &drivers.provider, &lab, name, manifest.kind).await?;
        shelf.remove(name).map_err(EngineError::from)
    };
    events.timed(None, &format!("delete {name}"), work).await?;
    Ok(before.saturating_sub(taken(session, drivers, &nodes).await?))
}

/// Bytes that the disks of `nodes` take.
async fn taken(session: &Session, drivers: &Drivers, nodes: &[String]) -> Result<u64, EngineError> {
    let mut all = 0;
    for node in nodes {
        let (pool, volume) = (session.lab.pool(), format!("{node}.qcow2"));
        all += call(&drivers.provider, move |h| h.storage()?.volume_bytes(&pool, &volume)).await?;
    }
    Ok(all)
}
