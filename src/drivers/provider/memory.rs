//! Fakes that keep everything in memory: for the engine's tests, with a failure at any call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
use crate::drivers::provider::libvirt::parse_document;
use crate::drivers::provider::{Content, Hypervisor, HypervisorError, Pulse, Result};
use crate::drivers::state::failpoint::Failpoints;
use crate::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory};
use crate::model::snapshot::{Documents, Kind, Manifest};
use crate::render::{
    self, DeviceSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec,
};

#[derive(Debug, Default)]
struct State {
    inventory: Inventory,
    calls: Vec<String>,
    fail_at: Option<usize>,
    gate: Failpoints,
    /// What is on the disks, by volume name.
    disks: BTreeMap<String, Arc<MemoryGuest>>,
    /// What was on them, by volume name and name of the snapshot.
    saved: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// How often a volume of that name was made.
    made: BTreeMap<String, usize>,
    /// Definitions of domains.
    documents: BTreeMap<Uuid, String>,
    /// What domains have done.
    pulses: BTreeMap<Uuid, Pulse>,
    /// Volumes that somebody wrote to.
    spoiled: Vec<String>,
}

/// A hypervisor that remembers what it was told.
#[derive(Debug, Default)]
pub struct MemoryHypervisor(Mutex<State>);

impl MemoryHypervisor {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Every mutating call so far, in order.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Forgets the calls, keeps the objects.
    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    /// Makes the n-th mutating call from now fail, once.
    pub fn fail_at(&self, call: usize) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = Some(call);
    }

    fn disk(&self, volume: &str) -> Option<Arc<MemoryGuest>> {
        self.state().disks.get(volume).cloned()
    }

    fn define(&self, uuid: Uuid, name: &str, xml: &str) -> Result<()> {
        let parsed = parse_document(xml)?;
        let shape = render::shape(xml).ok();
        self.change(format!("define {name}"), |all| {
            let before = all.domains.iter().find(|other| other.uuid == uuid).cloned();
            all.domains.retain(|other| other.uuid != uuid);
            all.domains.push(FoundDomain {
                name: name.into(),
                uuid,
                mark: parsed.mark,
                active: before.as_ref().is_some_and(|domain| domain.active),
                paused: before.as_ref().is_some_and(|domain| domain.paused),
                snapshots: before.map(|domain| domain.snapshots).unwrap_or_default(),
                macs: parsed.macs,
                shape: shape.clone(),
            });
        })?;
        self.state().documents.insert(uuid, xml.into());
        Ok(())
    }

    /// Puts an object of somebody else's there.
    pub fn plant(&self, change: impl FnOnce(&mut Inventory)) {
        change(&mut self.state().inventory);
    }

    /// Has every change pass `gate`.
    pub fn stand_behind(&self, gate: Failpoints) {
        self.state().gate = gate;
    }

    /// Has a domain have done that much.
    pub fn beat(&self, uuid: Uuid, pulse: Pulse) {
        self.state().pulses.insert(uuid, pulse);
    }

    /// Has somebody write to a volume.
    pub fn spoil(&self, volume: &str) {
        self.state().spoiled.push(volume.into());
    }

    /// Says whose files are on a disk, so that snapshots hold them and a new disk is empty.
    pub fn insert_disk(&self, volume: &str, guest: Arc<MemoryGuest>) {
        self.state().disks.insert(volume.into(), guest);
    }

    fn change(&self, call: String, change: impl FnOnce(&mut Inventory)) -> Result<()> {
        let mut state = self.state();
        state.gate.hit(&call).map_err(|error| HypervisorError::new(&call, error.to_string()))?;
        let number = state.calls.len() + 1;
        if state.fail_at == Some(number) {
            state.fail_at = None;
            return Err(HypervisorError::new(call, "planted failure"));
        }
        state.calls.push(call);
        change(&mut state.inventory);
        Ok(())
    }
}

impl Hypervisor for MemoryHypervisor {
    fn uri(&self) -> String {
        "memory:".into()
    }

    fn has_surroundings(&self) -> bool {
        false
    }

    fn inventory(&self) -> Result<Inventory> {
        let state = self.state();
        state.gate.look().map_err(|error| HypervisorError::new("look", error.to_string()))?;
        Ok(state.inventory.clone())
    }

    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        if self.state().inventory.pools.iter().any(|found| found.uuid == pool.uuid) {
            return Ok(());
        }
        let found =
            FoundPool { name: pool.name.clone(), uuid: pool.uuid, active: true, volumes: vec![] };
        self.change(format!("pool {}", pool.name), |all| all.pools.push(found))
    }

    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()> {
        let has =
            |pool: &FoundPool| pool.name == volume.pool && pool.volumes.contains(&volume.name);
        if self.state().inventory.pools.iter().any(has) {
            return Ok(());
        }
        let copied = matches!(content, Content::Copy(_));
        self.change(format!("volume {}/{}", volume.pool, volume.name), |all| {
            let mut pools = all.pools.iter_mut().filter(|pool| pool.name == volume.pool);
            if let Some(pool) = pools.next().filter(|_| !copied) {
                pool.volumes.push(volume.name.clone());
            }
        })?;
        if copied {
            // What was frozen in the disk comes with it.
            let frozen = (volume.name.clone(), Manifest::inner(render::golden::FROZEN));
            self.state().saved.insert(frozen, BTreeMap::new());
        }
        *self.state().made.entry(volume.name.clone()).or_default() += 1;
        if let Some(disk) = self.disk(&volume.name) {
            disk.replace_files(BTreeMap::new());
        }
        Ok(())
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.change(format!("seal {pool}/{volume}"), |all| {
            for found in all.pools.iter_mut().filter(|found| found.name == pool) {
                found.volumes.retain(|name| name != volume);
                found.volumes.push(volume.into());
            }
        })
    }

    fn ensure_network(&self, network: &NetworkSpec) -> Result<()> {
        let parsed = parse_document(&network.xml)?;
        let found = FoundNetwork {
            name: network.name.clone(),
            uuid: network.uuid,
            mark: parsed.mark,
            active: true,
            cidrs: parsed.cidrs,
            bridge: None,
        };
        self.change(format!("network {}", network.name), |all| {
            all.networks.retain(|other| other.uuid != found.uuid);
            all.networks.push(found);
        })
    }

    fn define_domain(&self, domain: &DomainSpec) -> Result<()> {
        self.define(domain.uuid, &domain.name, &domain.xml)
    }

    fn start_domain(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("start {uuid}"), |all| set_active(all, uuid, true))
    }

    fn stop_domain(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("stop {uuid}"), |all| set_active(all, uuid, false))
    }

    fn shut_down_domain(&self, uuid: Uuid, _patience: std::time::Duration) -> Result<()> {
        self.change(format!("shut down {uuid}"), |all| set_active(all, uuid, false))
    }

    fn pulse(&self, uuid: Uuid) -> Result<Option<Pulse>> {
        Ok(self.state().pulses.get(&uuid).copied())
    }

    fn remove_domain(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove domain {uuid}"), |all| all.domains.retain(|d| d.uuid != uuid))
    }

    fn suspend_domain(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("suspend {uuid}"), |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == uuid) {
                domain.paused = domain.active;
            }
        })
    }

    fn save_domain(&self, spec: &SnapshotSpec) -> Result<Documents> {
        let files = self.disk(&spec.disk).map(|disk| disk.files()).unwrap_or_default();
        let key = (spec.disk.clone(), spec.name.clone());
        self.change(format!("save {} as {}", spec.domain, spec.name), |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == spec.domain) {
                domain.snapshots.retain(|name| *name != spec.name);
                domain.snapshots.push(spec.name.clone());
                domain.snapshots.sort();
            }
        })?;
        let mut state = self.state();
        state.saved.insert(key, files);
        let domain = state.documents.get(&spec.domain).cloned().unwrap_or_default();
        Ok(Documents { domain, snapshot: spec.xml.clone() })
    }

    fn revert_domain(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        let doing = format!("revert {} to {}", spec.domain, spec.name);
        if !self.inventory()?.domains.iter().any(|domain| domain.uuid == spec.domain) {
            let name = name_in(&documents.domain).unwrap_or_default();
            self.define(spec.domain, &name, &documents.domain)?;
        }
        let files = self.state().saved.get(&(spec.disk.clone(), spec.name.clone())).cloned();
        let files = files.ok_or_else(|| HypervisorError::new(&doing, "there is no such part"))?;
        let memory = spec.kind == Kind::Memory;
        self.change(doing, |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == spec.domain) {
                (domain.active, domain.paused) = (memory, memory);
                if !domain.snapshots.contains(&spec.name) {
                    domain.snapshots.push(spec.name.clone());
                }
            }
        })?;
        if let Some(disk) = self.disk(&spec.disk) {
            disk.replace_files(files);
        }
        Ok(())
    }

    fn forget_domain(&self, spec: &SnapshotSpec, _documents: &Documents) -> Result<()> {
        let key = (spec.disk.clone(), spec.name.clone());
        self.change(format!("forget {} of {}", spec.name, spec.domain), |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == spec.domain) {
                domain.snapshots.retain(|name| *name != spec.name);
            }
        })?;
        self.state().saved.remove(&key);
        Ok(())
    }

    fn attach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.change(format!("plug {} into {uuid}", device.name), |_| {})
    }

    fn detach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.change(format!("take {} out of {uuid}", device.name), |_| {})
    }

    fn volume_bytes(&self, _pool: &str, _volume: &str) -> Result<u64> {
        Ok(0)
    }

    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        let state = self.state();
        let has =
            |found: &FoundPool| found.name == pool && found.volumes.iter().any(|v| v == volume);
        let there = state.inventory.pools.iter().any(has);
        Ok(there.then(|| state.made.get(volume).copied().unwrap_or_default().to_string()))
    }

    fn volume_changed(&self, _pool: &str, volume: &str) -> Result<bool> {
        Ok(self.state().spoiled.iter().any(|spoiled| spoiled == volume))
    }

    fn version(&self) -> Result<String> {
        Ok("memory".into())
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove network {uuid}"), |all| all.networks.retain(|n| n.uuid != uuid))
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.change(format!("remove volume {pool}/{volume}"), |all| {
            for found in all.pools.iter_mut().filter(|found| found.name == pool) {
                found.volumes.retain(|name| name != volume);
            }
        })?;
        self.state().saved.retain(|(disk, _), _| disk != volume);
        Ok(())
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove pool {uuid}"), |all| all.pools.retain(|p| p.uuid != uuid))
    }
}

/// The name in a domain's document.
fn name_in(xml: &str) -> Option<String> {
    let (_, rest) = xml.split_once("<name>")?;
    rest.split_once("</name>").map(|(name, _)| name.to_owned())
}

fn set_active(all: &mut Inventory, uuid: Uuid, active: bool) {
    for domain in all.domains.iter_mut().filter(|domain| domain.uuid == uuid) {
        (domain.active, domain.paused) = (active, false);
    }
}

/// A guest whose file system is a map, and for which every script succeeds.
#[derive(Debug, Default)]
pub struct MemoryGuest(Mutex<GuestState>);

#[derive(Debug, Default)]
struct GuestState {
    files: BTreeMap<String, String>,
    calls: Vec<String>,
    /// Number of the call, and whether it may be made again.
    fail_at: Option<(usize, bool)>,
    gate: Failpoints,
}

impl MemoryGuest {
    fn state(&self) -> std::sync::MutexGuard<'_, GuestState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Has every change pass `gate`.
    pub fn stand_behind(&self, gate: Failpoints) {
        self.state().gate = gate;
    }

    /// Makes `files` everything that is there.
    pub fn replace_files(&self, files: BTreeMap<String, String>) {
        self.state().files = files;
    }

    /// The files that were put.
    pub fn files(&self) -> BTreeMap<String, String> {
        self.state().files.clone()
    }

    /// Every call so far that may have changed something.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Forgets the calls, keeps the files.
    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    /// Makes the n-th changing call from now fail, once.
    pub fn fail_at(&self, call: usize) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = Some((call, false));
    }

    /// Has the n-th changing call from now lose the node, once.
    pub fn lose_at(&self, call: usize) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = Some((call, true));
    }

    fn call(&self, name: String) -> std::result::Result<(), GuestError> {
        let mut state = self.state();
        let out = |error: std::io::Error| GuestError {
            retry: false,
            ..GuestError::new(error.to_string())
        };
        state.gate.hit(&name).map_err(out)?;
        let number = state.calls.len() + 1;
        if let Some((_, retry)) = state.fail_at.take_if(|(at, _)| *at == number) {
            return Err(GuestError { retry, ..GuestError::new("planted failure") });
        }
        state.calls.push(name);
        Ok(())
    }
}

impl Guest for MemoryGuest {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            if let Some((prefix, _)) = script.strip_prefix("cat ").and_then(|s| s.split_once('*')) {
                let state = self.state();
                let markers = state.files.iter().filter(|(path, _)| path.starts_with(prefix));
                let text: String = markers.map(|(_, text)| text.as_str()).collect();
                return Ok(Output { stdout: text.into_bytes(), ..Output::default() });
            }
            // Nothing but files is here: what else there is to ask has no answer.
            if script.starts_with("# lab: ") {
                return Ok(Output::default());
            }
            self.call(script.lines().next().unwrap_or_default().to_owned())?;
            Ok(Output::default())
        })
    }

    /// Nobody is there to ask anything.
    fn talk<'a>(&'a self, script: &'a str, _reply: &'a Reply<'a>) -> Answer<'a, Output> {
        self.run(script)
    }

    fn put<'a>(&'a self, items: &'a [Put]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.call(format!("put {} items", items.len()))?;
            for item in items {
                if let Put::File(file) = item {
                    self.state().files.insert(file.path.clone(), file.content.clone());
                }
            }
            Ok(())
        })
    }
}
