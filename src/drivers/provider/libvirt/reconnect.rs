//! A connection that outlives libvirtd: when the daemon was restarted, the call is made again on a new
//! connection. That is right because every verb of the seam is fine when it is already so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::drivers::provider::libvirt::Libvirt;
use crate::drivers::provider::{Content, Hypervisor, Pulse, Result};
use crate::model::inventory::Inventory;
use crate::model::snapshot::Documents;
use crate::render::{DeviceSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec};

/// How long a libvirtd may be away.
const PATIENCE: Duration = Duration::from_secs(30);
/// libvirtd tells nobody when it is back.
const PAUSE: Duration = Duration::from_millis(200);

/// libvirt at an address, connected again whenever the connection is lost.
pub struct Reconnecting {
    uri: String,
    current: Mutex<Arc<Libvirt>>,
}

impl Reconnecting {
    /// Connects to `uri`.
    ///
    /// # Errors
    /// When libvirt does not answer there now.
    pub fn open(uri: &str) -> Result<Self> {
        let current = Mutex::new(Arc::new(Libvirt::open(uri)?));
        Ok(Self { uri: uri.into(), current })
    }

    fn current(&self) -> Arc<Libvirt> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with<T>(&self, call: impl Fn(&Libvirt) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let libvirt = self.current();
            match call(&libvirt) {
                Err(error) if !libvirt.is_alive() => {
                    if !self.connect_again(&libvirt, deadline) {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    /// True once there is another connection than `lost`.
    fn connect_again(&self, lost: &Arc<Libvirt>, deadline: Instant) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else was here first.
        while Arc::ptr_eq(&current, lost) {
            match Libvirt::open(&self.uri) {
                Ok(new) => *current = Arc::new(new),
                Err(_) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(_) => return false,
            }
        }
        Instant::now() < deadline
    }
}

impl Hypervisor for Reconnecting {
    fn uri(&self) -> String {
        self.uri.clone()
    }

    fn inventory(&self) -> Result<Inventory> {
        self.with(Hypervisor::inventory)
    }

    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        self.with(|libvirt| libvirt.ensure_pool(pool))
    }

    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()> {
        self.with(|libvirt| libvirt.ensure_volume(volume, content))
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.with(|libvirt| libvirt.seal_volume(pool, volume))
    }

    fn ensure_network(&self, network: &NetworkSpec) -> Result<()> {
        self.with(|libvirt| libvirt.ensure_network(network))
    }

    fn define_domain(&self, domain: &DomainSpec) -> Result<()> {
        self.with(|libvirt| libvirt.define_domain(domain))
    }

    fn start_domain(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| libvirt.start_domain(uuid))
    }

    fn stop_domain(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| libvirt.stop_domain(uuid))
    }

    fn shut_down_domain(&self, uuid: Uuid, patience: Duration) -> Result<()> {
        self.with(|libvirt| libvirt.shut_down_domain(uuid, patience))
    }

    fn pulse(&self, uuid: Uuid) -> Result<Option<Pulse>> {
        self.with(|libvirt| libvirt.pulse(uuid))
    }

    fn suspend_domain(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| libvirt.suspend_domain(uuid))
    }

    fn save_domain(&self, snapshot: &SnapshotSpec) -> Result<Documents> {
        self.with(|libvirt| libvirt.save_domain(snapshot))
    }

    fn revert_domain(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.with(|libvirt| libvirt.revert_domain(snapshot, documents))
    }

    fn forget_domain(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.with(|libvirt| libvirt.forget_domain(snapshot, documents))
    }

    fn attach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.with(|libvirt| libvirt.attach_device(uuid, device))
    }

    fn detach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.with(|libvirt| libvirt.detach_device(uuid, device))
    }

    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64> {
        self.with(|libvirt| libvirt.volume_bytes(pool, volume))
    }

    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        self.with(|libvirt| libvirt.volume_identity(pool, volume))
    }

    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool> {
        self.with(|libvirt| libvirt.volume_changed(pool, volume))
    }

    fn version(&self) -> Result<String> {
        self.with(Hypervisor::version)
    }

    fn remove_domain(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| libvirt.remove_domain(uuid))
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| libvirt.remove_network(uuid))
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.with(|libvirt| libvirt.remove_volume(pool, volume))
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| libvirt.remove_pool(uuid))
    }
}
