//! `list`: what there is of a lab, without asking its nodes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::machines::provision::call;
use crate::engine::task::error::EngineError;
use crate::model::inventory::MachineState;

/// A lab in the list.
#[derive(Clone, Debug, Serialize)]
pub struct LabStatus {
    /// Lab name.
    pub name: String,
    /// What nodes stand on: `system`, `private` or `existing`.
    pub provider: String,
    /// Deprecated: the same as `provider`.
    pub engine: String,
    /// `running`, `stopped`, `partly` when some of its nodes run, or `away` when only its disks are
    /// there.
    pub state: String,
    /// Nodes that run.
    pub running: usize,
    /// Nodes of the topology.
    pub nodes: usize,
    /// Snapshots.
    pub snapshots: usize,
    /// Bytes that it takes on this computer.
    pub bytes: u64,
    /// MiB of memory that its nodes may take.
    pub memory_mib: u64,
    /// Network of the nodes.
    pub cidr: ipnet::Ipv4Net,
}

/// Looks at one lab.
///
/// # Errors
/// When its provider should answer and does not.
pub async fn lab_status(session: &Session) -> Result<LabStatus, EngineError> {
    let lab = &session.lab;
    let mut running = 0;
    let mut bytes = blocks(session.store.root());
    let mut known = false;
    if session.provider.is_running() {
        let provider = session.provider.connect()?;
        let inventory = call(&provider, |h| h.inventory()).await?;
        let own = lab.nodes.iter().filter(|node| inventory.has_own(lab.id, node));
        let states: Vec<MachineState> = own.filter_map(|node| inventory.machine(node)).collect();
        running = states.iter().filter(|state| state.is_active()).count();
        known = !states.is_empty();
        let pool = inventory.pools.iter().find(|pool| pool.uuid == lab.pool_id() && pool.active);
        if let (ProviderKind::System { .. }, Some(pool)) = (&session.provider, pool) {
            for volume in pool.volumes.clone() {
                let pool = pool.name.clone();
                bytes +=
                    call(&provider, move |h| h.storage()?.volume_bytes(&pool, &volume)).await?;
            }
        }
    }
    let state = match running {
        0 if known => "stopped",
        0 => "away",
        all if all == lab.nodes.len() => "running",
        _ => "partly",
    };
    Ok(LabStatus {
        name: lab.name.clone(),
        provider: session.provider.name().into(),
        engine: session.provider.name().into(),
        state: state.into(),
        running,
        nodes: lab.nodes.len(),
        snapshots: SnapshotStore::new(&session.store).names()?.len(),
        bytes,
        memory_mib: lab.nodes.iter().map(|node| node.memory_mib).sum(),
        cidr: lab.network.cidr,
    })
}

/// Bytes that the files below `dir` take; what cannot be read takes none, nor what others have, too, as an image that
/// is also in the cache.
fn blocks(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => blocks(&entry.path()),
        Ok(meta) if meta.nlink() > 1 => 0,
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(size).sum()
}
