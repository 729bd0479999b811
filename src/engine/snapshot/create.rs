//! `lab snapshot create`: all guests stand still, all are saved side by side, all go on. All or
//! nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::drivers::host;
use crate::drivers::provider::Provider;
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::apply::capacity;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepare::version_here;
use crate::engine::lab::reach::Drivers;
use crate::engine::machines::observe;
use crate::engine::machines::provision::call;
use crate::engine::snapshot::parts::{self, NodePart};
use crate::engine::snapshot::{clock, interrupted};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::engine::task::stop::Stop;
use crate::model::inventory::{Inventory, MachineState};
use crate::model::snapshot::{self, AllDocuments, Intent, Kind, Manifest, Part, SCHEMA_VERSION};
use crate::model::{Lab, Node, Version, code, name};
use crate::render;

/// How long guests are waited for that shall do something for a snapshot, but need not.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct SnapshotRequest {
    /// Snapshot name.
    pub name: String,
    /// Memory, too, or disks alone.
    pub kind: Kind,
}

/// Makes a snapshot of the whole lab; `None` when it was stopped as asked, and nothing is left.
///
/// # Errors
/// When the lab is not as a snapshot needs it, or the provider refuses; nothing is left then.
pub async fn create(
    session: &Session,
    drivers: &Drivers,
    wish: &SnapshotRequest,
    stop: &Stop,
    events: &Events,
) -> Result<Option<Manifest>, EngineError> {
    snapshot::check_name(&wish.name).map_err(|flaw| {
        EngineError::of(&code::SNAPSHOT, format!("name the snapshot: {}", flaw.message))
            .hint(flaw.help)
            .preflight()
    })?;
    let provider = &drivers.provider;
    provider.snapshots()?;
    let shelf = SnapshotStore::new(&session.store);
    // Cut between the manifest and the end: there was nothing left to do.
    let cut = shelf.intent(&wish.name)? == Some(Intent::Create);
    interrupted::recover_interrupted(session, provider, &drivers.reach, events).await?;
    if let Some(manifest) = shelf.manifest(&wish.name)? {
        if cut {
            return Ok(Some(manifest));
        }
        return Err(EngineError::of(
            &code::SNAPSHOT,
            format!("make the snapshot '{}': there is one of that name", wish.name),
        )
        .hint(format!("`lab snapshot delete {}` first, or choose another name", wish.name))
        .preflight());
    }
    let before = session.before()?;
    let lab = before.as_ref().unwrap_or(&session.lab);
    let inventory = call(provider, |h| h.inventory()).await?;
    let running = ready(lab, &inventory, wish)?;
    if wish.kind == Kind::Memory {
        capacity::admit_memory(session, lab)?;
    }
    let stages = reached(session, lab, &inventory, drivers, running).await;
    if running && wish.kind == Kind::Disk {
        flush(lab, drivers).await;
    }
    if stop.requested() {
        return Ok(None);
    }
    // What refuses this refuses it before a guest stands still.
    let kubernetes = version_here(session)?;
    let work = Creation { session, lab, drivers, events, wish, running, kubernetes };
    shelf.begin(&wish.name, &Intent::Create)?;
    let made = events.timed(None, "snapshot", work.all(stages, stop)).await;
    match made {
        Ok(Some(manifest)) => Ok(Some(manifest)),
        other => {
            // What matters is the first error; what cannot be taken back now is taken back next time.
            let undone = parts::rollback(session, provider, &wish.name).await;
            other.and_then(|none| undone.map(|()| none))
        }
    }
}

/// True where a node's domain does not have the disks that would be saved.
fn has_other_disks(node: &Node, inventory: &Inventory) -> bool {
    let mut domains = inventory.domains.iter().filter(|domain| domain.uuid == node.uuid);
    let Some(found) = domains.next().and_then(|domain| domain.hardware.as_ref()) else {
        return false;
    };
    let name = |file: &String| file.rsplit('/').next().unwrap_or_default().to_owned();
    let disks = found.disks.values().map(name).filter(|file| render::disk_of(file).is_some());
    let wanted = render::disks_of(node).into_iter().skip(1);
    disks.collect::<BTreeSet<_>>() != wanted.collect()
}

/// Checks that all nodes are in one state; true when they run.
fn ready(lab: &Lab, inventory: &Inventory, wish: &SnapshotRequest) -> Result<bool, EngineError> {
    let doing =
        |why: String| EngineError::of(&code::SNAPSHOT, format!("save the lab: {why}")).preflight();
    let names = |wanted: Option<MachineState>| {
        let nodes = lab.nodes.iter().filter(|node| inventory.machine(node) == wanted);
        nodes.map(|node| node.name.as_str()).collect::<Vec<_>>()
    };
    let absent = names(None);
    if !absent.is_empty() {
        return Err(doing(format!("{} not there", are(&absent))).hint("`lab up` first"));
    }
    let stopped = names(Some(MachineState::Stopped));
    let still = names(Some(MachineState::Paused));
    if !still.is_empty() {
        return Err(doing(format!("{} standing still", are(&still)))
            .hint("`lab up` lets guests that stand still go on"));
    }
    if let Some(other) = lab.guests().find(|node| has_other_disks(node, inventory)) {
        let why = format!("{} has other disks than its topology says", other.name);
        return Err(doing(why).hint("`lab up` first"));
    }
    match (stopped.len(), wish.kind) {
        (0, _) => Ok(true),
        (all, Kind::Disk) if all == lab.nodes.len() => Ok(false),
        (all, Kind::Memory) if all == lab.nodes.len() => Err(doing("no guest runs".into())
            .hint("`--disk-only` saves the disks of a stopped lab; `lab up` starts it")),
        _ => Err(doing(format!("{} stopped while others run", are(&stopped)))
            .hint("`lab up` starts them")),
    }
}

fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Stages that all their nodes have gone through, read from running guests.
async fn reached(
    session: &Session,
    lab: &Lab,
    inventory: &Inventory,
    drivers: &Drivers,
    running: bool,
) -> Vec<String> {
    if !running {
        return Vec::new();
    }
    let markers = observe::markers(session, inventory, &drivers.reach).await;
    observe::reached(lab, &markers)
}

/// Has the guests write what they hold back. A guest that does not is as after a loss of power.
async fn flush(lab: &Lab, drivers: &Drivers) {
    let mut asked = tokio::task::JoinSet::new();
    for node in &lab.nodes {
        let guest = (drivers.reach)(node);
        asked.spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, guest.run("sync")).await;
        });
    }
    while asked.join_next().await.is_some() {}
}

/// Guests that stood still are behind. The snapshot is whole without that: what fails is told.
async fn on_time(session: &Session, lab: &Lab, drivers: &Drivers, events: &Events) {
    let nodes: Vec<_> = lab.nodes.iter().collect();
    let set =
        tokio::time::timeout(PATIENCE, clock::set(&nodes, &drivers.reach, &session.templates));
    let why = match set.await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    events.note(format!("the guests' clocks are behind by the pause: {why}"));
}

struct Creation<'s> {
    session: &'s Session,
    lab: &'s Lab,
    drivers: &'s Drivers,
    events: &'s Events,
    wish: &'s SnapshotRequest,
    running: bool,
    /// The release that the lab's binaries are of.
    kubernetes: Version,
}

impl Creation<'_> {
    /// Everything from the first effect to the last; `None` when it was stopped on the way.
    async fn all(&self, stages: Vec<String>, stop: &Stop) -> Result<Option<Manifest>, EngineError> {
        let (name, shelf) = (&self.wish.name, SnapshotStore::new(&self.session.store));
        shelf.keep_files(name)?;
        let node_parts = parts::node_parts(self.session, self.lab, name, self.wish.kind)?;
        let sizes = self.sizes(&node_parts).await?;
        let start = Instant::now();
        if self.running {
            let still = |h: &dyn Provider, _: &str, spec: &crate::render::SnapshotSpec| {
                h.power()?.suspend(spec.domain)
            };
            parts::for_all(&self.drivers.provider, &node_parts, still).await?;
        }
        if stop.requested() {
            return Ok(None);
        }
        let save = |h: &dyn Provider, _: &str, spec: &crate::render::SnapshotSpec| {
            h.snapshots()?.save(spec)
        };
        let saved = parts::for_all(&self.drivers.provider, &node_parts, save).await?;
        let mut pause = 0.0;
        if self.running {
            let go_on = |h: &dyn Provider, _: &str, spec: &crate::render::SnapshotSpec| {
                h.power()?.start(spec.domain)
            };
            parts::for_all(&self.drivers.provider, &node_parts, go_on).await?;
            pause = start.elapsed().as_secs_f64();
            on_time(self.session, self.lab, self.drivers, self.events).await;
        }
        let saved: AllDocuments = saved.into_iter().collect();
        for (node, documents) in &saved {
            shelf.save_documents(name, node, documents)?;
        }
        let after = self.sizes(&node_parts).await?;
        let grown: Vec<u64> =
            sizes.iter().zip(&after).map(|(old, new)| new.saturating_sub(*old)).collect();
        let manifest = self.manifest(stages, pause, &grown).await?;
        shelf.save_manifest(&manifest)?;
        shelf.finish(name)?;
        Ok(Some(manifest))
    }

    /// Bytes that the nodes' disks take.
    async fn sizes(&self, node_parts: &[NodePart]) -> Result<Vec<u64>, EngineError> {
        let measure = |h: &dyn Provider, _: &str, spec: &crate::render::SnapshotSpec| {
            let storage = h.storage()?;
            spec.disks().map(|disk| storage.volume_bytes(&spec.pool, disk)).sum()
        };
        let all = parts::for_all(&self.drivers.provider, node_parts, measure).await?;
        Ok(all.into_iter().map(|(_, bytes)| bytes).collect())
    }

    async fn manifest(
        &self,
        stages: Vec<String>,
        pause_seconds: f64,
        grown: &[u64],
    ) -> Result<Manifest, EngineError> {
        let bundle = self.session.store.bundle()?;
        let first = bundle.entries.iter().min_by_key(|(_, entry)| entry.made.not_after);
        let text = self.session.store.read("topology.yaml")?;
        let text = text.as_ref().unwrap_or(&self.session.source);
        let disks = parts::disks(self.session, &self.drivers.provider, self.lab).await?;
        let part = |(node, bytes): (&crate::model::Node, &u64)| Part {
            node: node.name.clone(),
            domain: node.uuid,
            disk: disks.get(&node.name).cloned().unwrap_or_default(),
            bytes: *bytes,
        };
        Ok(Manifest {
            schema_version: SCHEMA_VERSION,
            name: self.wish.name.clone(),
            lab: self.lab.id,
            created: host::timestamp(),
            created_unix: OffsetDateTime::now_utc().unix_timestamp(),
            kind: self.wish.kind,
            topology: name::hex(&Sha256::digest(text.as_bytes())),
            kubernetes: self.kubernetes.to_string(),
            made_by: env!("CARGO_PKG_VERSION").into(),
            hypervisor: call(&self.drivers.provider, |h| h.version()).await?,
            first_certificate: first.map(|(name, entry)| (name.clone(), entry.made.not_after)),
            pause_seconds,
            stages,
            nodes: self.lab.nodes.iter().zip(grown).map(part).collect(),
        })
    }
}
