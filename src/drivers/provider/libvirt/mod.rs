//! The hypervisor seam over libvirt: system, remote, private and libvirt's own test driver.

mod console;
mod device;
mod observe;
mod pulse;
mod reconnect;
mod snapshot;
mod storage;
mod update;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::network::Network;

pub use observe::parse as parse_document;
pub use reconnect::Reconnecting;

use crate::drivers::provider::{Content, Hypervisor, HypervisorError, Pulse, Result};
use crate::model::inventory::Inventory;
use crate::model::snapshot::Documents;
use crate::render::{DeviceSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec};

/// The first libvirt that makes overlays with subclusters; as it writes versions.
const OLDEST: u32 = 8_000_000;

/// A version of libvirt or QEMU as people write it.
fn readable(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

/// A connection to libvirt.
pub struct Libvirt {
    connect: Connect,
    uri: String,
    /// libvirt refuses other pool operations while one of a pool's volumes is being made.
    pools: Mutex<()>,
}

/// An error with what was being done.
fn failed(doing: impl Into<String>) -> impl FnOnce(virt::error::Error) -> HypervisorError {
    let doing = doing.into();
    move |error| HypervisorError::new(doing, error.message().trim().to_owned())
}

impl Libvirt {
    /// Connects to `uri`.
    ///
    /// # Errors
    /// When libvirt does not answer there, with what usually helps.
    pub fn open(uri: &str) -> Result<Self> {
        // libvirt's own complaints on standard error would stand beside ours.
        virt::error::clear_error_callback();
        let connect = Connect::open(Some(uri)).map_err(|error| {
            let known = if error.message().contains("ermission denied") {
                "sudo usermod -aG libvirt $USER, then log in again (that group equals root here)"
            } else {
                "is libvirtd running? `--engine private` brings one of its own"
            };
            failed(format!("connect to libvirt at {uri}"))(error).hint(known)
        })?;
        let version = connect.lib_version().map_err(failed("ask libvirt's version"))?;
        if version < OLDEST {
            let found = format!("it is version {}", readable(version));
            return Err(HypervisorError::new(format!("use libvirt at {uri}"), found)
                .hint(format!("lab needs libvirt {} or newer", readable(OLDEST))));
        }
        Ok(Self { connect, uri: uri.into(), pools: Mutex::new(()) })
    }

    /// True when guests of this libvirt can use KVM.
    pub fn offers_kvm(&self) -> bool {
        let found =
            self.connect.domain_capabilities(None, Some("x86_64"), Some("q35"), Some("kvm"), 0);
        found.is_ok()
    }

    /// Forgets that a volume was completed; it is then made again.
    ///
    /// # Errors
    /// When libvirt refuses.
    pub fn remove_volume_mark(&self, pool: &str, volume: &str) -> Result<()> {
        storage::remove_mark(self, pool, volume)
    }

    /// False once the connection was lost.
    fn is_alive(&self) -> bool {
        self.connect.is_alive().unwrap_or(false)
    }

    fn is_test(&self) -> bool {
        self.uri.starts_with("test:")
    }

    fn domain(&self, uuid: Uuid) -> Option<Domain> {
        self.connect.lookup_domain_by_uuid_string(&uuid.to_string()).ok()
    }

    fn find_network(&self, uuid: Uuid) -> Option<Network> {
        self.connect.lookup_network_by_uuid_string(&uuid.to_string()).ok()
    }

    /// Refuses a name that somebody else's object has.
    fn refuse_foreign(
        &self,
        kind: &str,
        name: &str,
        found: Option<String>,
        ours: Uuid,
    ) -> Result<()> {
        match found {
            Some(uuid) if uuid != ours.to_string() => Err(HypervisorError::new(
                format!("make {kind} '{name}'"),
                format!("a {kind} of that name exists and was not made by this lab ({uuid})"),
            )
            .hint("rename the lab in its topology file, or remove the other one yourself")),
            _ => Ok(()),
        }
    }
}

impl Hypervisor for Libvirt {
    fn uri(&self) -> String {
        self.uri.clone()
    }

    fn inventory(&self) -> Result<Inventory> {
        observe::inventory(&self.connect)
    }

    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        let found = self.connect.lookup_storage_pool_by_name(&pool.name).ok();
        let found = found.and_then(|pool| pool.uuid_string().ok());
        self.refuse_foreign("storage pool", &pool.name, found, pool.uuid)?;
        storage::ensure_pool(self, pool)
    }

    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()> {
        storage::ensure_volume(self, volume, content)
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        storage::seal(self, pool, volume)
    }

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

    fn define_domain(&self, domain: &DomainSpec) -> Result<()> {
        let name = &domain.name;
        let found = self.connect.lookup_domain_by_name(name).ok();
        let found = found.and_then(|domain| domain.uuid_string().ok());
        self.refuse_foreign("domain", name, found, domain.uuid)?;
        self.connect
            .define_domain_xml_flags(&domain.xml, virt::sys::VIR_DOMAIN_DEFINE_VALIDATE)
            .map(drop)
            .map_err(failed(format!("define domain '{name}'")))
    }

    fn start_domain(&self, uuid: Uuid) -> Result<()> {
        let Some(domain) = self.domain(uuid) else {
            return Err(HypervisorError::new("start a domain", format!("{uuid} is not defined")));
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

    fn stop_domain(&self, uuid: Uuid) -> Result<()> {
        match self.domain(uuid) {
            Some(domain) if domain.is_active().unwrap_or(false) => {
                domain.destroy().map_err(failed("stop a domain"))
            }
            _ => Ok(()),
        }
    }

    fn shut_down_domain(&self, uuid: Uuid, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        // One that stands still hears nothing.
        if let Some(domain) = self.domain(uuid).filter(|domain| !snapshot::is_paused(domain)) {
            // A guest that cannot hear the request is stopped below.
            let _ = domain.shutdown();
            while domain.is_active().unwrap_or(false) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(250));
            }
        }
        self.stop_domain(uuid)
    }

    fn pulse(&self, uuid: Uuid) -> Result<Option<Pulse>> {
        Ok(self.domain(uuid).as_ref().and_then(pulse::pulse))
    }

    fn suspend_domain(&self, uuid: Uuid) -> Result<()> {
        snapshot::suspend(self, uuid)
    }

    fn save_domain(&self, spec: &SnapshotSpec) -> Result<Documents> {
        snapshot::save(self, spec)
    }

    fn revert_domain(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        snapshot::revert(self, spec, documents)
    }

    fn forget_domain(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        snapshot::forget(self, spec, documents)
    }

    fn attach_device(&self, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
        device::attach(self, uuid, spec)
    }

    fn detach_device(&self, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
        device::detach(self, uuid, spec)
    }

    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64> {
        let Ok(volume) = storage::volume(self, pool, volume) else { return Ok(0) };
        volume.info().map(|info| info.allocation).map_err(failed("measure a volume"))
    }

    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        storage::identity(self, pool, volume)
    }

    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool> {
        storage::changed(self, pool, volume)
    }

    fn version(&self) -> Result<String> {
        let library = self.connect.lib_version().map_err(failed("ask libvirt's version"))?;
        let hypervisor = self.connect.hyp_version().map_err(failed("ask QEMU's version"))?;
        Ok(format!("libvirt {}, QEMU {}", readable(library), readable(hypervisor)))
    }

    fn remove_domain(&self, uuid: Uuid) -> Result<()> {
        self.stop_domain(uuid)?;
        let Some(domain) = self.domain(uuid) else { return Ok(()) };
        let name = domain.name().unwrap_or_default();
        let flags = virt::sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | virt::sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        domain.undefine_flags(flags).map_err(failed(format!("undefine domain '{name}'")))
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        let Some(network) = self.find_network(uuid) else { return Ok(()) };
        let name = network.name().unwrap_or_default();
        if network.is_active().unwrap_or(false) {
            network.destroy().map_err(failed(format!("stop network '{name}'")))?;
        }
        network.undefine().map_err(failed(format!("undefine network '{name}'")))
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        storage::remove_volume(self, pool, volume)
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        storage::remove_pool(self, uuid)
    }
}
