//! A connection that outlives libvirtd: when the daemon was restarted, the call is made again on a new
//! connection. That is right because every verb of the seam is fine when it is already so.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::drivers::provider::libvirt::connection::Libvirt;
use crate::drivers::provider::{
    Activity, Capability, Clones, Console, Consoles, Content, Machines, Networks, Power, Provider,
    ProviderError, Result, Snapshots, Storage, Surroundings,
};
use crate::model::inventory::Inventory;
use crate::model::snapshot::Documents;
use crate::render::{
    DeviceSpec, DiskSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec,
};

/// How long a libvirtd may be away.
const PATIENCE: Duration = Duration::from_secs(30);
/// libvirtd tells nobody when it is back.
const PAUSE: Duration = Duration::from_millis(200);

/// libvirt at an address, connected again whenever the connection is lost.
pub struct Reconnecting {
    /// What kind of provider it is.
    name: &'static str,
    uri: String,
    surroundings: Arc<dyn Surroundings>,
    /// True where libvirt's volumes are files of ours.
    copies: bool,
    current: Mutex<Arc<Libvirt>>,
}

impl Reconnecting {
    /// Connects to the computer's libvirt, or another's, at `uri`.
    ///
    /// # Errors
    /// When libvirt does not answer there now.
    pub fn system(uri: &str, surroundings: Arc<dyn Surroundings>) -> Result<Self> {
        let current = Mutex::new(Arc::new(Libvirt::open(uri)?));
        Ok(Self { name: "system", uri: uri.into(), surroundings, copies: false, current })
    }

    /// Connects to a libvirt of the lab's own, whose volumes are files of ours.
    ///
    /// # Errors
    /// As [`Reconnecting::system`].
    pub fn private(uri: &str, surroundings: Arc<dyn Surroundings>) -> Result<Self> {
        Ok(Self { name: "private", copies: true, ..Self::system(uri, surroundings)? })
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

impl Provider for Reconnecting {
    fn name(&self) -> &str {
        self.name
    }

    fn uri(&self) -> String {
        self.uri.clone()
    }

    fn version(&self) -> Result<String> {
        self.with(Provider::version)
    }

    fn inventory(&self) -> Result<Inventory> {
        self.with(Provider::inventory)
    }

    fn machines(&self) -> Result<&dyn Machines> {
        Ok(self)
    }

    fn power(&self) -> Result<&dyn Power> {
        Ok(self)
    }

    fn consoles(&self) -> Result<&dyn Consoles> {
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
        match self.copies {
            true => Ok(self),
            false => Err(ProviderError::lacks(self.name, Capability::Clones)),
        }
    }

    fn surroundings(&self) -> Result<&dyn Surroundings> {
        Ok(&*self.surroundings)
    }
}

impl Machines for Reconnecting {
    fn define(&self, domain: &DomainSpec) -> Result<()> {
        self.with(|libvirt| Machines::define(libvirt, domain))
    }

    fn remove(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| Machines::remove(libvirt, uuid))
    }

    fn grow(&self, uuid: Uuid, disk: &DiskSpec) -> Result<()> {
        self.with(|libvirt| Machines::grow(libvirt, uuid, disk))
    }
}

impl Power for Reconnecting {
    fn start(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| Power::start(libvirt, uuid))
    }

    fn stop(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| Power::stop(libvirt, uuid))
    }

    fn shut_down(&self, uuid: Uuid, patience: Duration) -> Result<()> {
        self.with(|libvirt| Power::shut_down(libvirt, uuid, patience))
    }

    fn suspend(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| Power::suspend(libvirt, uuid))
    }

    fn activity(&self, uuid: Uuid) -> Result<Option<Activity>> {
        self.with(|libvirt| Power::activity(libvirt, uuid))
    }
}

impl Consoles for Reconnecting {
    fn open(&self, uuid: Uuid, node: &str) -> Result<Arc<dyn Console>> {
        self.with(|libvirt| Consoles::open(libvirt, uuid, node))
    }
}

impl Storage for Reconnecting {
    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        self.with(|libvirt| Storage::ensure_pool(libvirt, pool))
    }

    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()> {
        self.with(|libvirt| Storage::ensure_volume(libvirt, volume, content))
    }

    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64> {
        self.with(|libvirt| Storage::volume_bytes(libvirt, pool, volume))
    }

    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        self.with(|libvirt| Storage::volume_identity(libvirt, pool, volume))
    }

    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool> {
        self.with(|libvirt| Storage::volume_changed(libvirt, pool, volume))
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.with(|libvirt| Storage::remove_volume(libvirt, pool, volume))
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| Storage::remove_pool(libvirt, uuid))
    }
}

impl Networks for Reconnecting {
    fn ensure_network(&self, network: &NetworkSpec) -> Result<()> {
        self.with(|libvirt| Networks::ensure_network(libvirt, network))
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.with(|libvirt| Networks::remove_network(libvirt, uuid))
    }
}

impl Snapshots for Reconnecting {
    fn save(&self, spec: &SnapshotSpec) -> Result<Documents> {
        self.with(|libvirt| Snapshots::save(libvirt, spec))
    }

    fn revert(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.with(|libvirt| Snapshots::revert(libvirt, spec, documents))
    }

    fn forget(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.with(|libvirt| Snapshots::forget(libvirt, spec, documents))
    }
}

impl Clones for Reconnecting {
    fn copy_volume(&self, volume: &VolumeSpec, from: &Path) -> Result<()> {
        self.with(|libvirt| Clones::copy_volume(libvirt, volume, from))
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.with(|libvirt| Clones::seal_volume(libvirt, pool, volume))
    }

    fn plug(&self, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
        self.with(|libvirt| Clones::plug(libvirt, uuid, spec))
    }

    fn unplug(&self, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
        self.with(|libvirt| Clones::unplug(libvirt, uuid, spec))
    }
}
