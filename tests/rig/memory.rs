//! A provider that keeps everything in memory, with a failure at any call.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::drivers::provider::libvirt::parse_document;
use lab::drivers::provider::{
    Activity, Clones, Content, Machines, Networks, Power, Provider, ProviderError, Result,
    Snapshots, Storage,
};
use lab::drivers::state::failpoint::Failpoints;
use lab::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory};
use lab::model::snapshot::Manifest;
use lab::render::{self, DeviceSpec, DiskSpec, DomainSpec, NetworkSpec, PoolSpec, VolumeSpec};
use uuid::Uuid;

use super::memory_guest::MemoryGuest;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) inventory: Inventory,
    calls: Vec<String>,
    fail_at: Option<usize>,
    gate: Failpoints,
    /// What is on the disks, by volume name.
    pub(super) disks: BTreeMap<String, Arc<MemoryGuest>>,
    /// What was on them, by volume name and name of the snapshot.
    pub(super) saved: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// How often a volume of that name was made.
    made: BTreeMap<String, usize>,
    /// Definitions of domains.
    pub(super) documents: BTreeMap<Uuid, String>,
    /// What domains have done.
    activities: BTreeMap<Uuid, Activity>,
    /// Volumes that somebody wrote to.
    spoiled: Vec<String>,
}

/// A hypervisor that remembers what it was told.
#[derive(Debug, Default)]
pub struct MemoryHypervisor(Mutex<State>);

impl MemoryHypervisor {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
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

    pub(super) fn disk(&self, volume: &str) -> Option<Arc<MemoryGuest>> {
        self.state().disks.get(volume).cloned()
    }

    pub(super) fn redefine(&self, uuid: Uuid, name: &str, xml: &str) -> Result<()> {
        let parsed = parse_document(xml)?;
        let shape = render::hardware(xml).ok();
        self.change(format!("define {name}"), |all| {
            let before = all.domains.iter().find(|other| other.uuid == uuid).cloned();
            all.domains.retain(|other| other.uuid != uuid);
            all.domains.push(FoundDomain {
                name: name.into(),
                uuid,
                mark: parsed.mark,
                active: before.as_ref().is_some_and(|domain| domain.active),
                paused: before.as_ref().is_some_and(|domain| domain.paused),
                autostart: before.as_ref().is_some_and(|domain| domain.autostart),
                snapshots: before.map(|domain| domain.snapshots).unwrap_or_default(),
                macs: parsed.macs,
                hardware: shape.clone(),
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
    pub fn act(&self, uuid: Uuid, activity: Activity) {
        self.state().activities.insert(uuid, activity);
    }

    /// Has somebody write to a volume.
    pub fn spoil(&self, volume: &str) {
        self.state().spoiled.push(volume.into());
    }

    /// Says whose files are on a disk, so that snapshots hold them and a new disk is empty.
    pub fn insert_disk(&self, volume: &str, guest: Arc<MemoryGuest>) {
        self.state().disks.insert(volume.into(), guest);
    }

    pub(super) fn change(&self, call: String, change: impl FnOnce(&mut Inventory)) -> Result<()> {
        let mut state = self.state();
        state.gate.hit(&call).map_err(|error| ProviderError::new(&call, error.to_string()))?;
        let number = state.calls.len() + 1;
        if state.fail_at == Some(number) {
            state.fail_at = None;
            return Err(ProviderError::new(call, "planted failure"));
        }
        state.calls.push(call);
        change(&mut state.inventory);
        Ok(())
    }

    /// Makes a volume; true when there was none.
    fn make(&self, volume: &VolumeSpec, complete: bool) -> Result<bool> {
        let has =
            |pool: &FoundPool| pool.name == volume.pool && pool.volumes.contains(&volume.name);
        if self.state().inventory.pools.iter().any(has) {
            return Ok(false);
        }
        self.change(format!("volume {}/{}", volume.pool, volume.name), |all| {
            in_pool(all, &volume.pool, |pool| {
                pool.sizes.insert(volume.name.clone(), volume.capacity);
                pool.volumes.extend(complete.then(|| volume.name.clone()));
            });
        })?;
        *self.state().made.entry(volume.name.clone()).or_default() += 1;
        if let Some(disk) = self.disk(&volume.name) {
            disk.replace_files(BTreeMap::new());
        }
        Ok(true)
    }
}

impl Provider for MemoryHypervisor {
    fn name(&self) -> &str {
        "memory"
    }

    fn uri(&self) -> String {
        "memory:".into()
    }

    fn version(&self) -> Result<String> {
        Ok("memory".into())
    }

    fn inventory(&self) -> Result<Inventory> {
        let state = self.state();
        state.gate.look().map_err(|error| ProviderError::new("look", error.to_string()))?;
        Ok(state.inventory.clone())
    }

    fn machines(&self) -> Result<&dyn Machines> {
        Ok(self)
    }

    fn power(&self) -> Result<&dyn Power> {
        Ok(self)
    }

    fn storage(&self) -> Result<&dyn Storage> {
        Ok(self)
    }

    fn networks(&self) -> Result<&dyn Networks> {
        Ok(self)
    }

    fn snapshots(&self) -> Result<&dyn Snapshots> {
        Ok(self)
    }

    fn clones(&self) -> Result<&dyn Clones> {
        Ok(self)
    }
}

impl Machines for MemoryHypervisor {
    fn define(&self, domain: &DomainSpec) -> Result<()> {
        self.redefine(domain.uuid, &domain.name, &domain.xml)?;
        let mut state = self.state();
        for found in state.inventory.domains.iter_mut().filter(|found| found.uuid == domain.uuid) {
            found.autostart = domain.autostart.unwrap_or(found.autostart);
        }
        Ok(())
    }

    fn remove(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove domain {uuid}"), |all| all.domains.retain(|d| d.uuid != uuid))
    }

    fn grow(&self, _uuid: Uuid, disk: &DiskSpec) -> Result<()> {
        self.change(format!("grow {}/{}", disk.pool, disk.volume), |all| {
            in_pool(all, &disk.pool, |found| {
                found.sizes.insert(disk.volume.clone(), disk.bytes);
            });
        })
    }
}

impl Power for MemoryHypervisor {
    fn start(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("start {uuid}"), |all| set_active(all, uuid, true))
    }

    fn stop(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("stop {uuid}"), |all| set_active(all, uuid, false))
    }

    fn shut_down(&self, uuid: Uuid, _patience: Duration) -> Result<()> {
        self.change(format!("shut down {uuid}"), |all| set_active(all, uuid, false))
    }

    fn suspend(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("suspend {uuid}"), |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == uuid) {
                domain.paused = domain.active;
            }
        })
    }

    fn activity(&self, uuid: Uuid) -> Result<Option<Activity>> {
        Ok(self.state().activities.get(&uuid).copied())
    }
}

impl Storage for MemoryHypervisor {
    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        if self.state().inventory.pools.iter().any(|found| found.uuid == pool.uuid) {
            return Ok(());
        }
        let found = FoundPool {
            name: pool.name.clone(),
            uuid: pool.uuid,
            path: pool.path.clone(),
            active: true,
            volumes: vec![],
            sizes: BTreeMap::new(),
        };
        self.change(format!("pool {}", pool.name), |all| all.pools.push(found))
    }

    fn ensure_volume(&self, volume: &VolumeSpec, _content: &Content) -> Result<()> {
        self.make(volume, true).map(drop)
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

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.change(format!("remove volume {pool}/{volume}"), |all| {
            in_pool(all, pool, |found| {
                found.volumes.retain(|name| name != volume);
                found.sizes.remove(volume);
            });
        })?;
        self.state().saved.retain(|(disk, _), _| disk != volume);
        Ok(())
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove pool {uuid}"), |all| all.pools.retain(|p| p.uuid != uuid))
    }
}

impl Networks for MemoryHypervisor {
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

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove network {uuid}"), |all| all.networks.retain(|n| n.uuid != uuid))
    }
}

impl Clones for MemoryHypervisor {
    fn copy_volume(&self, volume: &VolumeSpec, _from: &Path) -> Result<()> {
        if self.make(volume, false)? {
            // What was frozen in the disk comes with it.
            let frozen = (volume.name.clone(), Manifest::inner(render::golden::BASE_SNAPSHOT));
            self.state().saved.insert(frozen, BTreeMap::new());
        }
        Ok(())
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.change(format!("seal {pool}/{volume}"), |all| {
            in_pool(all, pool, |found| {
                found.volumes.retain(|name| name != volume);
                found.volumes.push(volume.into());
            });
        })
    }

    fn plug(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.change(format!("plug {} into {uuid}", device.name), |_| {})
    }

    fn unplug(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.change(format!("take {} out of {uuid}", device.name), |_| {})
    }
}

/// Changes the pool of that name.
fn in_pool(all: &mut Inventory, name: &str, change: impl FnMut(&mut FoundPool)) {
    all.pools.iter_mut().filter(|found| found.name == name).for_each(change);
}

fn set_active(all: &mut Inventory, uuid: Uuid, active: bool) {
    for domain in all.domains.iter_mut().filter(|domain| domain.uuid == uuid) {
        (domain.active, domain.paused) = (active, false);
    }
}
