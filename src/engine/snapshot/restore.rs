//! `lab snapshot restore`: all guests back to one moment, side by side; then their clocks, then the
//! proof that they found together again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::drivers::provider::Provider;
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::bases::refuse_other_bases;
use crate::engine::lab::kubeconfig;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::{Drivers, Reach};
use crate::engine::machines::boot::Boot;
use crate::engine::machines::observe;
use crate::engine::machines::provision::{self, call};
use crate::engine::snapshot::parts::{self, NodePart};
use crate::engine::snapshot::{clock, interrupted, list, open};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::engine::task::stop::Stop;
use crate::engine::verify::wait;
use crate::kubernetes::recovery;
use crate::model::inventory::{FoundNetwork, Inventory};
use crate::model::router_id;
use crate::model::snapshot::{Intent, Kind, Manifest};
use crate::model::{Lab, Node, Role, code};
use crate::render::{self, NetworkSpec, SnapshotSpec};

/// How `restore` behaves.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Nodes that came after the snapshot may be removed, and expired certificates brought back.
    pub yes: bool,
    /// Only this node.
    pub node: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The snapshot.
    pub manifest: Manifest,
    /// Seconds by which the slowest clock was behind.
    pub behind: f64,
    /// Seconds until all guests ran again.
    pub running: f64,
    /// Seconds until the lab was whole.
    pub whole: f64,
}

/// Patience until a restored lab is whole again.
const PATIENCE: Duration = Duration::from_secs(600);

/// Brings the lab back to a snapshot; `None` when it was stopped as asked before anything changed.
///
/// # Errors
/// When it cannot be restored, which is found out before anything is touched; or when the lab does
/// not become whole. A restore that was cut half way is ended by the next.
pub async fn restore(
    mut session: Session,
    drivers: &Drivers,
    name: &str,
    options: &RestoreOptions,
    stop: &Stop,
    events: &Events,
) -> Result<Option<Restored>, EngineError> {
    let start = Instant::now();
    drivers.provider.snapshots()?;
    let manifest = open::manifest(&session, name)?;
    adopt_saved_lab(&mut session, name)?;
    refuse_other_bases(&session.lab, &session.dirs.state, &session.images)?;
    let inventory = call(&drivers.provider, |h| h.inventory()).await?;
    let disks = parts::disks(&session, &drivers.provider, &session.lab).await?;
    if let Some(lost) = manifest.lost(&disks) {
        return Err(EngineError::of(&code::SNAPSHOT, format!("restore '{name}': {lost}"))
            .hint("`lab snapshot list` shows which can be restored")
            .preflight());
    }
    refuse(&session, &manifest, &inventory, options, events)?;
    if stop.requested() {
        return Ok(None);
    }
    let work = Restore { session: &session, drivers, manifest: &manifest, options, events };
    let shelf = SnapshotStore::new(&session.store);
    let nodes = options.node.iter().cloned().collect();
    let older = interrupted::cut_restore(&session)?.filter(|older| older != name);
    shelf.begin(name, &Intent::Restore { nodes })?;
    if let Some(older) = older {
        shelf.finish(&older)?;
    }
    events.timed(None, &format!("restore {name}"), work.guests(&inventory)).await?;
    // Whatever comes of the questions below: what was brought back is where it should be, and `up` goes on.
    shelf.begin(name, &Intent::Reverted)?;
    let running = start.elapsed().as_secs_f64();
    let behind = work.wait_until_ready().await?;
    shelf.finish(name)?;
    let whole = start.elapsed().as_secs_f64();
    Ok(Some(Restored { manifest, behind, running, whole }))
}

/// From here on the lab is what it was when the snapshot was made.
fn adopt_saved_lab(session: &mut Session, name: &str) -> Result<(), EngineError> {
    let shelf = SnapshotStore::new(&session.store);
    let Some(text) = shelf.file(name, "topology.yaml")? else { return Ok(()) };
    let mut lab = list::lab_of(session, name).map_err(EngineError::preflight)?;
    let record = shelf.file(name, "lab.json")?.unwrap_or_default();
    let ids: BTreeMap<String, u8> = serde_json::from_str::<serde_json::Value>(&record)
        .ok()
        .and_then(|record| serde_json::from_value(record["router_ids"].clone()).ok())
        .unwrap_or_default();
    router_id::assign(lab.id, &mut lab.vips, &ids, &Default::default());
    session.templates = session.templates.clone().with_api_at(lab.kubernetes.api_port);
    session.lab = lab;
    session.source = text;
    Ok(())
}

/// Everything that is refused before anything is touched.
fn refuse(
    session: &Session,
    manifest: &Manifest,
    inventory: &Inventory,
    options: &RestoreOptions,
    events: &Events,
) -> Result<(), EngineError> {
    let name = &manifest.name;
    let cannot = |why: String| {
        EngineError::of(&code::SNAPSHOT, format!("restore '{name}': {why}")).preflight()
    };
    if let Some(node) = &options.node {
        refuse_alone(&session.lab, node).map_err(|error| EngineError {
            message: format!("restore '{name}': {}", error.message),
            ..error
        })?;
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    if let Some(remark) = list::certificates(manifest, now) {
        if list::has_ended(manifest, now) && !options.yes {
            return Err(cannot(format!("{remark}, so its cluster will not find together"))
                .hint("`--yes` restores it all the same; then `lab up` renews what ended")
                .asks());
        }
        events.warn(remark);
    }
    let extra_nodes = manifest.extra_nodes(inventory);
    if !extra_nodes.is_empty() && !options.yes && options.node.is_none() {
        let names: Vec<&str> = extra_nodes.iter().map(|(node, _)| *node).collect();
        return Err(cannot(format!(
            "{} came after it and would be removed with {}",
            names.join(", "),
            if names.len() == 1 { "its disk" } else { "their disks" }
        ))
        .hint("`--yes` agrees to that")
        .asks());
    }
    Ok(())
}

/// One node alone may go back in time when nobody counts on what it knew.
fn refuse_alone(lab: &Lab, name: &str) -> Result<(), EngineError> {
    let Some(node) = lab.node(name) else {
        return Err(EngineError::of(&code::NO_SUCH, format!("it has no node {name}")).preflight());
    };
    if !node.is(Role::Etcd) || lab.nodes.len() == 1 {
        return Ok(());
    }
    Err(EngineError::of(&code::SNAPSHOT, format!(
        "{name} is a member of etcd: alone in the past, it would have forgotten what it acknowledged, \
         and the others would lose it without a word"
    ))
    .hint("restore the whole lab: leave --node away")
    .preflight())
}

struct Restore<'s> {
    session: &'s Session,
    drivers: &'s Drivers,
    manifest: &'s Manifest,
    options: &'s RestoreOptions,
    events: &'s Events,
}

impl Restore<'_> {
    /// All guests run again, at the moment of the snapshot.
    async fn guests(&self, inventory: &Inventory) -> Result<(), EngineError> {
        let (session, provider) = (self.session, &self.drivers.provider);
        let shelf = SnapshotStore::new(&session.store);
        if self.options.node.is_none() {
            // Keys that are damaged keep nobody from a restore.
            let people = kubeconfig::still_there(&session.lab, &session.store).unwrap_or_default();
            shelf.put_files_back(&self.manifest.name)?;
            // They may hold an authority that was rotated since.
            if let Err(error) = kubeconfig::refresh_these(session, &people) {
                self.events.warn(error.message);
            }
            self.surroundings(inventory).await?;
        }
        let mut node_parts =
            parts::node_parts(session, &session.lab, &self.manifest.name, self.manifest.kind)?;
        if let Some(only) = &self.options.node {
            node_parts.retain(|(node, _)| node == only);
        }
        let nodes: Vec<String> = node_parts.iter().map(|(node, _)| node.clone()).collect();
        let documents = Arc::new(shelf.documents(&self.manifest.name, &nodes)?);
        let revert = move |h: &dyn Provider, node: &str, spec: &SnapshotSpec| {
            h.snapshots()?.revert(spec, &documents.get(node).cloned().unwrap_or_default())
        };
        if let Err(error) = parts::for_all(provider, &node_parts, revert).await {
            // Nodes at different moments must not meet.
            self.stop(&node_parts).await;
            return Err(error);
        }
        let go_on = |h: &dyn Provider, _: &str, spec: &SnapshotSpec| h.power()?.start(spec.domain);
        parts::for_all(provider, &node_parts, go_on).await.map(drop)
    }

    async fn stop(&self, node_parts: &[NodePart]) {
        let stop = |h: &dyn Provider, _: &str, spec: &SnapshotSpec| h.power()?.stop(spec.domain);
        // The error that matters is the one that brought us here.
        let _ = parts::for_all(&self.drivers.provider, node_parts, stop).await;
    }

    /// Pool, network and routes are there; nodes that came later are not.
    async fn surroundings(&self, inventory: &Inventory) -> Result<(), EngineError> {
        let (session, provider) = (self.session, &self.drivers.provider);
        let lab = &session.lab;
        for (node, uuid) in self.manifest.extra_nodes(inventory) {
            provision::remove_left(session, provider, node, uuid).await?;
        }
        let path = session.provider.layout(&session.lab).pool(&lab.pool());
        let pool = render::pool(&session.templates, &lab.pool(), lab.pool_id(), &path)?;
        let own = lab.network.is_own().then(|| render::network(&session.templates, lab));
        let network = own.transpose()?;
        let there = |all: &Inventory| {
            let is_it = |network: &NetworkSpec, found: &FoundNetwork| {
                found.uuid == network.uuid
                    && found.active
                    && found.mark.as_ref().is_some_and(|mark| mark.hash == network.hash)
            };
            let is_there = |network| all.networks.iter().any(|found| is_it(network, found));
            network.as_ref().is_none_or(is_there)
                && all.pools.iter().any(|found| found.uuid == pool.uuid && found.active)
        };
        if !there(inventory) {
            call(provider, move |h| {
                h.storage()?.ensure_pool(&pool)?;
                network.iter().try_for_each(|network| h.networks()?.ensure_network(network))
            })
            .await?;
        }
        if let Ok(around) = provider.surroundings() {
            around.set_routes(&lab.network.bridge, &lab.host_routes())?;
            if session.provider.uplink(lab).is_some()
                && !around.has_uplink(lab.network.uplink.spares_the_computer())
            {
                // A lab without a way out is a lab all the same.
                if let Err(error) = around.start_uplink(lab.network.uplink.spares_the_computer()) {
                    self.events.warn(error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Clocks first, then everything that trusts them. Seconds that the slowest clock was behind.
    async fn wait_until_ready(&self) -> Result<f64, EngineError> {
        let lab = &self.session.lab;
        // Files may have come back: the keys that the nodes know now.
        let reach = match self.drivers.again {
            Some(again) => again(self.session)?,
            None => self.drivers.reach.clone(),
        };
        let nodes: Vec<_> = match &self.options.node {
            Some(only) => lab.nodes.iter().filter(|node| node.name == *only).collect(),
            None => lab.nodes.iter().collect(),
        };
        let since = OffsetDateTime::now_utc().unix_timestamp();
        if self.manifest.kind == Kind::Disk {
            self.events.timed(None, "boot", self.booted(&nodes, &reach)).await?;
        }
        let behind = self
            .events
            .timed(None, "clocks", clock::set(&nodes, &reach, &self.session.templates))
            .await?;
        self.announce(&reach).await?;
        if list::has_ended(self.manifest, since) {
            // Nobody trusts anybody before `up` has renewed them: there is nothing to wait for.
            let why =
                "its certificates have ended: `lab up` renews them, and the cluster finds together";
            self.events.warn(why);
            return Ok(behind);
        }
        let stages = self.reached(&reach).await?;
        // Memory goes on where it was; of disks alone, guests start anew.
        let restarted: Vec<&str> = match self.manifest.kind {
            Kind::Disk => nodes.iter().map(|node| node.name.as_str()).collect(),
            Kind::Memory => Vec::new(),
        };
        let reached = |stage: &str| stages.iter().any(|reached| reached == stage);
        let (flavour, templates) = (self.session.flavour(), &self.session.templates);
        let checks = flavour.restored(lab, templates, &reached, &restarted)?;
        let whole = wait::wait(lab, &reach, checks, Some(since), PATIENCE);
        self.events.timed(None, "whole again", whole).await?;
        // Guests that booted did not stand still: what theirs were off is how they read the time.
        Ok(if self.manifest.kind == Kind::Memory { behind } else { 0.0 })
    }

    /// Guests of which only the disks came back start anew.
    async fn booted(&self, nodes: &[&Node], reach: &Reach) -> Result<(), EngineError> {
        let mut booting = tokio::task::JoinSet::new();
        for node in nodes {
            let boot = Boot::of(&self.drivers.provider, self.events, &self.session.lab, node);
            let guest = reach(node);
            booting.spawn(async move { boot.run(&*guest, "true").await });
        }
        while let Some(booted) = booting.join_next().await {
            booted.map_err(|error| EngineError::internal(error.to_string()))??;
        }
        Ok(())
    }

    /// Holders of floating addresses make themselves known. What it misses keepalived repeats.
    async fn announce(&self, reach: &Reach) -> Result<(), EngineError> {
        let lab = &self.session.lab;
        let mut asked = tokio::task::JoinSet::new();
        for node in &lab.nodes {
            if let Some(script) = recovery::announce(&self.session.templates, lab, node)? {
                let guest = reach(node);
                asked.spawn(async move { guest.run(&script).await.is_ok() });
            }
        }
        while asked.join_next().await.is_some() {}
        Ok(())
    }

    /// Stages that were gone through everywhere when the snapshot was made.
    async fn reached(&self, reach: &Reach) -> Result<Vec<String>, EngineError> {
        if !self.manifest.stages.is_empty() {
            return Ok(self.manifest.stages.clone());
        }
        // Made of a stopped lab: now its nodes can be asked.
        let inventory = call(&self.drivers.provider, |h| h.inventory()).await?;
        let markers = observe::markers(self.session, &inventory, reach).await;
        Ok(observe::reached(&self.session.lab, &markers))
    }
}
