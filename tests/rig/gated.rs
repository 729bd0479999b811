//! libvirt's own test driver behind a gate: every call that changes something is a place to be cut at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lab::drivers::provider::libvirt::Libvirt;
use lab::drivers::provider::{Content, Hypervisor, HypervisorError, Pulse, Result};
use lab::drivers::state::failpoint::Failpoints;
use lab::model::inventory::Inventory;
use lab::model::snapshot::Documents;
use lab::render::{DeviceSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec};
use uuid::Uuid;

/// A test driver of its own, which starts with nothing.
pub struct TestDriver {
    libvirt: Libvirt,
    gate: Failpoints,
}

impl TestDriver {
    pub fn new(home: &Path, gate: Failpoints) -> Arc<Self> {
        let file = home.join("node.xml");
        std::fs::write(&file, "<node/>").unwrap();
        let libvirt = Libvirt::open(&format!("test://{}", file.display())).unwrap();
        Arc::new(Self { libvirt, gate })
    }

    fn pass(&self, call: &str) -> Result<&Libvirt> {
        match self.gate.hit(call) {
            Ok(()) => Ok(&self.libvirt),
            Err(error) => Err(HypervisorError::new(call, error.to_string())),
        }
    }

    fn look(&self) -> Result<&Libvirt> {
        match self.gate.look() {
            Ok(()) => Ok(&self.libvirt),
            Err(error) => Err(HypervisorError::new("look", error.to_string())),
        }
    }
}

/// The test driver runs domains of its own type only.
fn of_its_type(xml: &str) -> String {
    xml.replace("<domain type=\"qemu\">", "<domain type=\"test\">")
}

impl Hypervisor for TestDriver {
    fn uri(&self) -> String {
        self.libvirt.uri()
    }

    fn has_surroundings(&self) -> bool {
        false
    }

    fn inventory(&self) -> Result<Inventory> {
        self.look()?.inventory()
    }

    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        self.pass("pool")?.ensure_pool(pool)
    }

    fn ensure_volume(&self, volume: &VolumeSpec, _content: &Content) -> Result<()> {
        self.pass(&format!("volume {}", volume.name))?.ensure_volume(volume, &Content::Nothing)
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.pass(&format!("seal {volume}"))?.seal_volume(pool, volume)
    }

    fn ensure_network(&self, network: &NetworkSpec) -> Result<()> {
        self.pass("network")?.ensure_network(network)
    }

    fn define_domain(&self, domain: &DomainSpec) -> Result<()> {
        let domain = DomainSpec { xml: of_its_type(&domain.xml), ..domain.clone() };
        self.pass(&format!("define {}", domain.name))?.define_domain(&domain)
    }

    fn start_domain(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("start {uuid}"))?.start_domain(uuid)
    }

    fn stop_domain(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("stop {uuid}"))?.stop_domain(uuid)
    }

    fn shut_down_domain(&self, uuid: Uuid, patience: Duration) -> Result<()> {
        self.pass(&format!("shut down {uuid}"))?.shut_down_domain(uuid, patience)
    }

    fn pulse(&self, uuid: Uuid) -> Result<Option<Pulse>> {
        self.look()?.pulse(uuid)
    }

    fn suspend_domain(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("suspend {uuid}"))?.suspend_domain(uuid)
    }

    fn save_domain(&self, snapshot: &SnapshotSpec) -> Result<Documents> {
        self.pass(&format!("save {}", snapshot.domain))?.save_domain(snapshot)
    }

    fn revert_domain(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.pass(&format!("revert {}", snapshot.domain))?.revert_domain(snapshot, documents)
    }

    fn forget_domain(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.pass(&format!("forget {}", snapshot.domain))?.forget_domain(snapshot, documents)
    }

    fn attach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.pass(&format!("plug into {uuid}"))?.attach_device(uuid, device)
    }

    fn detach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.pass(&format!("take out of {uuid}"))?.detach_device(uuid, device)
    }

    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64> {
        self.look()?.volume_bytes(pool, volume)
    }

    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        self.look()?.volume_identity(pool, volume)
    }

    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool> {
        self.look()?.volume_changed(pool, volume)
    }

    fn version(&self) -> Result<String> {
        self.look()?.version()
    }

    fn remove_domain(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("remove domain {uuid}"))?.remove_domain(uuid)
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.pass("remove network")?.remove_network(uuid)
    }

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.pass(&format!("remove volume {volume}"))?.remove_volume(pool, volume)
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.pass("remove pool")?.remove_pool(uuid)
    }
}
