//! Fakes that keep everything in memory: for the engine's tests, with a failure at any call.

use std::collections::BTreeMap;
use std::sync::Mutex;

use uuid::Uuid;

use super::guest::{Answer, Guest, GuestError, Output, Put};
use super::hypervisor::{Content, Hypervisor, HypervisorError, Result};
use super::libvirt::parse_document;
use crate::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory};
use crate::render::{DomainSpec, NetworkSpec, PoolSpec, VolumeSpec};
use crate::stages::marker;

#[derive(Debug, Default)]
struct State {
    inventory: Inventory,
    calls: Vec<String>,
    fail_at: Option<usize>,
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

    /// Puts an object of somebody else's there.
    pub fn plant(&self, change: impl FnOnce(&mut Inventory)) {
        change(&mut self.state().inventory);
    }

    fn change(&self, call: String, change: impl FnOnce(&mut Inventory)) -> Result<()> {
        let mut state = self.state();
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

    fn inventory(&self) -> Result<Inventory> {
        Ok(self.state().inventory.clone())
    }

    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        if self.state().inventory.pools.iter().any(|found| found.uuid == pool.uuid) {
            return Ok(());
        }
        let found =
            FoundPool { name: pool.name.clone(), uuid: pool.uuid, active: true, volumes: vec![] };
        self.change(format!("pool {}", pool.name), |all| all.pools.push(found))
    }

    fn ensure_volume(&self, volume: &VolumeSpec, _content: &Content) -> Result<()> {
        let has =
            |pool: &FoundPool| pool.name == volume.pool && pool.volumes.contains(&volume.name);
        if self.state().inventory.pools.iter().any(has) {
            return Ok(());
        }
        self.change(format!("volume {}/{}", volume.pool, volume.name), |all| {
            for pool in all.pools.iter_mut().filter(|pool| pool.name == volume.pool) {
                pool.volumes.push(volume.name.clone());
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
        let parsed = parse_document(&domain.xml)?;
        self.change(format!("define {}", domain.name), |all| {
            let active = all.domains.iter().any(|other| other.uuid == domain.uuid && other.active);
            all.domains.retain(|other| other.uuid != domain.uuid);
            all.domains.push(FoundDomain {
                name: domain.name.clone(),
                uuid: domain.uuid,
                mark: parsed.mark,
                active,
                macs: parsed.macs,
            });
        })
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

    fn remove_domain(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove domain {uuid}"), |all| all.domains.retain(|d| d.uuid != uuid))
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove network {uuid}"), |all| all.networks.retain(|n| n.uuid != uuid))
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.change(format!("remove volume {pool}/{volume}"), |all| {
            for found in all.pools.iter_mut().filter(|found| found.name == pool) {
                found.volumes.retain(|name| name != volume);
            }
        })
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.change(format!("remove pool {uuid}"), |all| all.pools.retain(|p| p.uuid != uuid))
    }
}

fn set_active(all: &mut Inventory, uuid: Uuid, active: bool) {
    for domain in all.domains.iter_mut().filter(|domain| domain.uuid == uuid) {
        domain.active = active;
    }
}

/// A guest whose file system is a map, and for which every script succeeds.
#[derive(Debug, Default)]
pub struct MemoryGuest(Mutex<GuestState>);

#[derive(Debug, Default)]
struct GuestState {
    files: BTreeMap<String, String>,
    calls: Vec<String>,
    fail_at: Option<usize>,
}

impl MemoryGuest {
    fn state(&self) -> std::sync::MutexGuard<'_, GuestState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
        state.fail_at = Some(call);
    }

    fn call(&self, name: String) -> std::result::Result<(), GuestError> {
        let mut state = self.state();
        let number = state.calls.len() + 1;
        if state.fail_at == Some(number) {
            state.fail_at = None;
            return Err(GuestError { retry: false, ..GuestError::new("planted failure") });
        }
        state.calls.push(name);
        Ok(())
    }
}

impl Guest for MemoryGuest {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            if script == marker::READ {
                let prefix = marker::DIRECTORY;
                let state = self.state();
                let markers = state.files.iter().filter(|(path, _)| path.starts_with(prefix));
                let text: String = markers.map(|(_, text)| text.as_str()).collect();
                return Ok(Output { stdout: text.into_bytes(), ..Output::default() });
            }
            self.call(script.lines().next().unwrap_or_default().to_owned())?;
            Ok(Output::default())
        })
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
