//! The seam's verbs over a connection to libvirt.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::drivers::provider::libvirt::connection::{Libvirt, failed, readable};
use crate::drivers::provider::libvirt::{
    activity, console, device, observe, snapshot, storage, update,
};
use crate::drivers::provider::{
    Activity, Clones, Console, Consoles, Content, Machines, Networks, Power, Provider,
    ProviderError, Result, Snapshots, Storage,
};
use crate::model::inventory::Inventory;
use crate::model::snapshot::Documents;
use crate::render::{
    DeviceSpec, DiskSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec,
};

impl Provider for Libvirt {
    fn name(&self) -> &str {
        "libvirt"
    }

    fn uri(&self) -> String {
        self.uri.clone()
    }

    fn version(&self) -> Result<String> {
        let library = self.connect.lib_version().map_err(failed("ask libvirt's version"))?;
        let hypervisor = self.connect.hyp_version().map_err(failed("ask QEMU's version"))?;
        Ok(format!("libvirt {}, QEMU {}", readable(library), readable(hypervisor)))
    }

    fn inventory(&self) -> Result<Inventory> {
        observe::inventory(&self.connect)
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
        Ok(self)
    }
}

impl Machines for Libvirt {
    fn define(&self, domain: &DomainSpec) -> Result<()> {
        let name = &domain.name;
        let found = self.connect.lookup_domain_by_name(name).ok();
        let found = found.and_then(|domain| domain.uuid_string().ok());
        self.refuse_foreign("domain", name, found, domain.uuid)?;
        let defined = self
            .connect
            .define_domain_xml_flags(&domain.xml, virt::sys::VIR_DOMAIN_DEFINE_VALIDATE)
            .map_err(failed(format!("define domain '{name}'")))?;
        let doing = failed(format!("have domain '{name}' start with the computer, or not"));
        domain
            .autostart
            .map_or(Ok(()), |wanted| defined.set_autostart(wanted).map(drop))
            .map_err(doing)
    }

    fn remove(&self, uuid: Uuid) -> Result<()> {
        Power::stop(self, uuid)?;
        let Some(domain) = self.domain(uuid) else { return Ok(()) };
        let name = domain.name().unwrap_or_default();
        let flags = virt::sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | virt::sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        domain.undefine_flags(flags).map_err(failed(format!("undefine domain '{name}'")))
    }

    fn grow(&self, uuid: Uuid, disk: &DiskSpec) -> Result<()> {
        // The test driver's disks have no sizes that could change.
        if self.is_test() {
            return Ok(());
        }
        let doing = || failed(format!("make {} larger", disk.volume));
        let running = self.domain(uuid).filter(|domain| domain.is_active().unwrap_or(false));
        match running {
            Some(domain) => domain
                .block_resize(&disk.target, disk.bytes, virt::sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES)
                .map_err(doing()),
            None => storage::volume(self, &disk.pool, &disk.volume)
                .and_then(|volume| volume.resize(disk.bytes, 0).map(drop))
                .map_err(doing()),
        }
    }
}

impl Power for Libvirt {
    fn start(&self, uuid: Uuid) -> Result<()> {
        let Some(domain) = self.domain(uuid) else {
            return Err(ProviderError::new("start a domain", format!("{uuid} is not defined")));
        };
        let name = domain.name().unwrap_or_default();
        if snapshot::is_paused(&domain) {
            return domain.resume().map_err(failed(format!("let domain '{name}' go on")));
        }
        if domain.is_active().unwrap_or(false) {
            return Ok(());
        }
        domain.create().map_err(failed(format!("start domain '{name}'")))
    }

    fn stop(&self, uuid: Uuid) -> Result<()> {
        match self.domain(uuid) {
            Some(domain) if domain.is_active().unwrap_or(false) => {
                domain.destroy().map_err(failed("stop a domain"))
            }
            _ => Ok(()),
        }
    }

    fn shut_down(&self, uuid: Uuid, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        // One that stands still hears nothing.
        if let Some(domain) = self.domain(uuid).filter(|domain| !snapshot::is_paused(domain)) {
            // A guest that cannot hear the request is stopped below.
            let _ = domain.shutdown();
            while domain.is_active().unwrap_or(false) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(250));
            }
        }
        Power::stop(self, uuid)
    }

    fn suspend(&self, uuid: Uuid) -> Result<()> {
        snapshot::suspend(self, uuid)
    }

    fn activity(&self, uuid: Uuid) -> Result<Option<Activity>> {
        Ok(self.domain(uuid).as_ref().and_then(activity::activity))
    }
}

impl Consoles for Libvirt {
    fn open(&self, uuid: Uuid, node: &str) -> Result<Arc<dyn Console>> {
        Ok(Arc::new(console::open(self, uuid, node)?))
    }
}

impl Storage for Libvirt {
    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        let found = self.connect.lookup_storage_pool_by_name(&pool.name).ok();
        let found = found.and_then(|pool| pool.uuid_string().ok());
        self.refuse_foreign("storage pool", &pool.name, found, pool.uuid)?;
        storage::ensure_pool(self, pool)
    }

    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()> {
        storage::ensure_volume(self, volume, content)
    }

    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64> {
        storage::bytes(self, pool, volume)
    }

    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        storage::identity(self, pool, volume)
    }

    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool> {
        storage::changed(self, pool, volume)
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        storage::remove_volume(self, pool, volume)
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        storage::remove_pool(self, uuid)
    }
}

impl Networks for Libvirt {
    fn ensure_network(&self, network: &NetworkSpec) -> Result<()> {
        let name = &network.name;
        let found = self.connect.lookup_network_by_name(name).ok();
        let found = found.and_then(|network| network.uuid_string().ok());
        self.refuse_foreign("network", name, found, network.uuid)?;
        let live = self.find_network(network.uuid).filter(|n| n.is_active().unwrap_or(false));
        let before = live.as_ref().and_then(|network| network.xml_desc(0).ok());
        // The definition carries the new hash, so it comes last: half an update is done again.
        if let (Some(live), Some(before)) = (live, before) {
            update::live(&live, &before, &network.xml)?;
        }
        let defined = self
            .connect
            .define_network_xml(&network.xml)
            .map_err(failed(format!("define network '{name}'")))?;
        if !defined.is_active().unwrap_or(false) {
            defined.create().map_err(|error| {
                failed(format!("start network '{name}'"))(error)
                    .hint("another network may hold these addresses: `ip addr`, `virsh net-list`")
            })?;
        }
        defined.set_autostart(true).map_err(failed(format!("autostart network '{name}'")))
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        let Some(network) = self.find_network(uuid) else { return Ok(()) };
        let name = network.name().unwrap_or_default();
        if network.is_active().unwrap_or(false) {
            network.destroy().map_err(failed(format!("stop network '{name}'")))?;
        }
        network.undefine().map_err(failed(format!("undefine network '{name}'")))
    }
}

impl Snapshots for Libvirt {
    fn save(&self, spec: &SnapshotSpec) -> Result<Documents> {
        snapshot::save(self, spec)
    }

    fn revert(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        snapshot::revert(self, spec, documents)
    }

    fn forget(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        snapshot::forget(self, spec, documents)
    }
}

impl Clones for Libvirt {
    fn copy_volume(&self, volume: &VolumeSpec, from: &Path) -> Result<()> {
        storage::copy_volume(self, volume, from)
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        storage::seal(self, pool, volume)
    }

    fn plug(&self, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
        device::attach(self, uuid, spec)
    }

    fn unplug(&self, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
        device::detach(self, uuid, spec)
    }
}
