//! libvirt's own test driver behind a gate: every call that changes something is a place to be cut at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lab::drivers::provider::libvirt::Libvirt;
use lab::drivers::provider::{
    Activity, Clones, Content, Machines, Networks, Power, Provider, ProviderError, Result,
    Snapshots, Storage,
};
use lab::drivers::state::failpoint::Failpoints;
use lab::model::inventory::Inventory;
use lab::model::snapshot::Documents;
use lab::render::{
    DeviceSpec, DiskSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec,
};
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
            Err(error) => Err(ProviderError::new(call, error.to_string())),
        }
    }

    fn look(&self) -> Result<&Libvirt> {
        match self.gate.look() {
            Ok(()) => Ok(&self.libvirt),
            Err(error) => Err(ProviderError::new("look", error.to_string())),
        }
    }
}

/// The test driver runs domains of its own type only.
pub fn of_its_type(xml: &str) -> String {
    xml.replace("<domain type=\"qemu\">", "<domain type=\"test\">")
}

impl Provider for TestDriver {
    fn name(&self) -> &str {
        "test"
    }

    fn uri(&self) -> String {
        self.libvirt.uri()
    }

    fn version(&self) -> Result<String> {
        self.look()?.version()
    }

    fn inventory(&self) -> Result<Inventory> {
        self.look()?.inventory()
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

impl Machines for TestDriver {
    fn define(&self, domain: &DomainSpec) -> Result<()> {
        let domain = DomainSpec { xml: of_its_type(&domain.xml), ..domain.clone() };
        self.pass(&format!("define {}", domain.name))?.define(&domain)
    }

    fn remove(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("remove domain {uuid}"))?.remove(uuid)
    }

    fn grow(&self, uuid: Uuid, disk: &DiskSpec) -> Result<()> {
        self.pass(&format!("grow {}", disk.volume))?.grow(uuid, disk)
    }
}

impl Power for TestDriver {
    fn start(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("start {uuid}"))?.start(uuid)
    }

    fn stop(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("stop {uuid}"))?.stop(uuid)
    }

    fn shut_down(&self, uuid: Uuid, patience: Duration) -> Result<()> {
        self.pass(&format!("shut down {uuid}"))?.shut_down(uuid, patience)
    }

    fn suspend(&self, uuid: Uuid) -> Result<()> {
        self.pass(&format!("suspend {uuid}"))?.suspend(uuid)
    }

    fn activity(&self, uuid: Uuid) -> Result<Option<Activity>> {
        self.look()?.activity(uuid)
    }
}

impl Storage for TestDriver {
    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()> {
        self.pass("pool")?.ensure_pool(pool)
    }

    fn ensure_volume(&self, volume: &VolumeSpec, _content: &Content) -> Result<()> {
        self.pass(&format!("volume {}", volume.name))?.ensure_volume(volume, &Content::Nothing)
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

    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.pass(&format!("remove volume {volume}"))?.remove_volume(pool, volume)
    }

    fn remove_pool(&self, uuid: Uuid) -> Result<()> {
        self.pass("remove pool")?.remove_pool(uuid)
    }
}

impl Networks for TestDriver {
    fn ensure_network(&self, network: &NetworkSpec) -> Result<()> {
        self.pass("network")?.ensure_network(network)
    }

    fn remove_network(&self, uuid: Uuid) -> Result<()> {
        self.pass("remove network")?.remove_network(uuid)
    }
}

impl Snapshots for TestDriver {
    fn save(&self, snapshot: &SnapshotSpec) -> Result<Documents> {
        self.pass(&format!("save {}", snapshot.domain))?.save(snapshot)
    }

    fn revert(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.pass(&format!("revert {}", snapshot.domain))?.revert(snapshot, documents)
    }

    fn forget(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()> {
        self.pass(&format!("forget {}", snapshot.domain))?.forget(snapshot, documents)
    }
}

impl Clones for TestDriver {
    fn copy_volume(&self, volume: &VolumeSpec, from: &Path) -> Result<()> {
        self.pass(&format!("volume {}", volume.name))?.copy_volume(volume, from)
    }

    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()> {
        self.pass(&format!("seal {volume}"))?.seal_volume(pool, volume)
    }

    fn plug(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.pass(&format!("plug into {uuid}"))?.plug(uuid, device)
    }

    fn unplug(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()> {
        self.pass(&format!("take out of {uuid}"))?.unplug(uuid, device)
    }
}
