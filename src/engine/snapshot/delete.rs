//! `lab snapshot delete`: the parts go, and their space comes back.

use crate::drivers::state::snapshots::Shelf;
use crate::engine::lab::drivers::Drivers;
use crate::engine::lab::open::Session;
use crate::engine::machines::provision::call;
use crate::engine::snapshot::parts;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::snapshot::Intent;

/// Deletes a snapshot; the bytes that the disks take less.
///
/// # Errors
/// When there is none of that name, or the hypervisor refuses.
pub async fn delete(
    session: &Session,
    drivers: &Drivers,
    name: &str,
    events: &Events,
) -> Result<u64, EngineError> {
    let shelf = Shelf::new(&session.store);
    // A restore that was cut needs its snapshot.
    crate::engine::snapshot::settle(session, &drivers.hypervisor, events).await?;
    let manifest = crate::engine::snapshot::manifest(session, name)?;
    let nodes: Vec<String> = manifest.nodes.iter().map(|part| part.node.clone()).collect();
    let before = taken(session, drivers, &nodes).await?;
    shelf.begin(name, &Intent::Delete)?;
    let work = async {
        let lab = crate::engine::snapshot::list::lab_of(session, name)?;
        parts::remove(session, &drivers.hypervisor, &lab, name, manifest.kind).await?;
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
        all += call(&drivers.hypervisor, move |h| h.volume_bytes(&pool, &volume)).await?;
    }
    Ok(all)
}
