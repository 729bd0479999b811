//! The seam to whatever nodes stand on. A provider says what is there, and has capabilities: each is a
//! trait of a few verbs, and a provider without one says so before anything begins.
//!
//! Contract of all verbs: they block (the engine calls them on threads of their own), and each is fine
//! when it is already so, so that a call may be made again after a crash of either side. What is not
//! fine is an object of somebody else's under our name: it is refused and left alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use uuid::Uuid;

use crate::drivers::provider::error::{Capability, ProviderError, Result};
use crate::model::inventory::Inventory;
use crate::model::snapshot::Documents;
use crate::render::{
    DeviceSpec, DiskSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec,
};

/// What nodes stand on: guests that it makes, or machines that are there.
///
/// A capability that is not overridden is not there: asking for it is an error that says so.
pub trait Provider: Send + Sync {
    /// Its kind: `system`, `private`, …
    fn name(&self) -> &str;

    /// The address it was reached at.
    fn uri(&self) -> String;

    /// What runs machines, with versions, in words.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn version(&self) -> Result<String>;

    /// Reads everything there is, ours and others'. Changes nothing.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn inventory(&self) -> Result<Inventory>;

    /// Guests are made and removed.
    ///
    /// # Errors
    /// Without this capability.
    fn machines(&self) -> Result<&dyn Machines> {
        Err(ProviderError::lacks(self.name(), Capability::Machines))
    }

    /// Machines are started, stopped and watched.
    ///
    /// # Errors
    /// Without this capability.
    fn power(&self) -> Result<&dyn Power> {
        Err(ProviderError::lacks(self.name(), Capability::Power))
    }

    /// Serial consoles.
    ///
    /// # Errors
    /// Without this capability.
    fn consoles(&self) -> Result<&dyn Consoles> {
        Err(ProviderError::lacks(self.name(), Capability::Consoles))
    }

    /// Pools and volumes.
    ///
    /// # Errors
    /// Without this capability.
    fn storage(&self) -> Result<&dyn Storage> {
        Err(ProviderError::lacks(self.name(), Capability::Storage))
    }

    /// Networks.
    ///
    /// # Errors
    /// Without this capability.
    fn networks(&self) -> Result<&dyn Networks> {
        Err(ProviderError::lacks(self.name(), Capability::Networks))
    }

    /// Moments of machines are kept and brought back.
    ///
    /// # Errors
    /// Without this capability.
    fn snapshots(&self) -> Result<&dyn Snapshots> {
        Err(ProviderError::lacks(self.name(), Capability::Snapshots))
    }

    /// Guests become copies of one that was frozen.
    ///
    /// # Errors
    /// Without this capability.
    fn clones(&self) -> Result<&dyn Clones> {
        Err(ProviderError::lacks(self.name(), Capability::Clones))
    }

    /// What the computer around offers: routes to pods, a way out.
    ///
    /// # Errors
    /// Without this capability.
    fn surroundings(&self) -> Result<&dyn Surroundings> {
        Err(ProviderError::lacks(self.name(), Capability::Surroundings))
    }

    /// Binaries are brought to machines that have no disk of ours.
    ///
    /// # Errors
    /// Without this capability.
    fn deliveries(&self) -> Result<&dyn Deliveries> {
        Err(ProviderError::lacks(self.name(), Capability::Deliveries))
    }
}

/// Guests, made from documents.
pub trait Machines: Send + Sync {
    /// Defines a domain; one of the same id gets the new definition.
    ///
    /// # Errors
    /// When the definition does not validate, or the name is somebody else's.
    fn define(&self, domain: &DomainSpec) -> Result<()>;

    /// Stops and undefines a domain; fine when it is gone.
    ///
    /// # Errors
    /// When the provider refuses.
    fn remove(&self, uuid: Uuid) -> Result<()>;

    /// Makes a disk of a domain as large as it should be, while the domain runs where it does; fine when it is.
    ///
    /// # Errors
    /// When the provider refuses.
    fn grow(&self, uuid: Uuid, disk: &DiskSpec) -> Result<()>;
}

/// Starting, stopping and watching.
pub trait Power: Send + Sync {
    /// Starts a domain that is not running; one that stands still goes on.
    ///
    /// # Errors
    /// When the guest cannot be started.
    fn start(&self, uuid: Uuid) -> Result<()>;

    /// Stops a running domain at once.
    ///
    /// # Errors
    /// When the provider refuses.
    fn stop(&self, uuid: Uuid) -> Result<()>;

    /// Asks a running domain to shut down, and cuts its power when it has not within `patience`.
    ///
    /// # Errors
    /// When the provider refuses.
    fn shut_down(&self, uuid: Uuid, patience: Duration) -> Result<()>;

    /// Makes a running domain stand still.
    ///
    /// # Errors
    /// When it does not run, or the provider refuses.
    fn suspend(&self, uuid: Uuid) -> Result<()>;

    /// What a domain has done since it was started; `None` where it does not run, or where that
    /// cannot be told. Waits for an emulator that does not answer.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn activity(&self, uuid: Uuid) -> Result<Option<Activity>>;
}

/// What a running domain has done since it was started, as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Processor time that it and its emulator used.
    pub cpu: Duration,
    /// Requests to its disks and packets that it sent.
    pub io: u64,
}

/// Serial consoles.
pub trait Consoles: Send + Sync {
    /// Opens the console of a running domain; `node` is its name in messages.
    ///
    /// # Errors
    /// When it does not run, or somebody else has its console.
    fn open(&self, uuid: Uuid, node: &str) -> Result<Arc<dyn Console>>;
}

/// An open console.
pub trait Console: Send + Sync {
    /// Waits for output; empty at its end, as when the guest stops.
    ///
    /// # Errors
    /// When the connection breaks.
    fn receive(&self) -> Result<Vec<u8>>;

    /// Types.
    ///
    /// # Errors
    /// When the connection breaks.
    fn send(&self, bytes: &[u8]) -> Result<()>;

    /// Closes it; whoever waits for output is told of its end.
    fn hang_up(&self);
}

/// What fills a volume.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing: the definition says it all.
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// That file of this computer.
    File(PathBuf),
}

/// Pools and volumes.
pub trait Storage: Send + Sync {
    /// Defines and starts a pool, making its directory.
    ///
    /// # Errors
    /// When a pool of that name belongs to somebody else, or the provider refuses.
    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()>;

    /// Creates a volume and fills it; a half-filled one from an earlier crash is made again.
    ///
    /// # Errors
    /// When the provider refuses, or `content` cannot be read.
    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()>;

    /// Bytes that a volume takes on its disk; 0 when there is none.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64>;

    /// What tells a completed volume from a later one of the same name; `None` when there is none.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>>;

    /// True when a volume that nothing may write to was written to since it was completed.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool>;

    /// Deletes a volume; fine when it is gone.
    ///
    /// # Errors
    /// When the provider refuses.
    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()>;

    /// Deletes a pool with its volumes and directory; fine when it is gone.
    ///
    /// # Errors
    /// When the provider refuses, or the pool holds what `lab` did not make.
    fn remove_pool(&self, uuid: Uuid) -> Result<()>;
}

/// Networks.
pub trait Networks: Send + Sync {
    /// Defines a network and starts it; guests of a running one stay connected.
    ///
    /// # Errors
    /// When the definition is refused, its addresses are in use, or what changed needs a restart.
    fn ensure_network(&self, network: &NetworkSpec) -> Result<()>;

    /// Stops and undefines a network; fine when it is gone.
    ///
    /// # Errors
    /// When the provider refuses.
    fn remove_network(&self, uuid: Uuid) -> Result<()>;
}

/// Each domain's part of a snapshot, inside its disk.
pub trait Snapshots: Send + Sync {
    /// Makes a domain's part. A running domain must stand still.
    ///
    /// # Errors
    /// When the disk is full, or the provider refuses; then there is no part.
    fn save(&self, snapshot: &SnapshotSpec) -> Result<Documents>;

    /// Brings a domain back to its part, defining domain and part from `documents` when they are no
    /// longer known. It then stands still, or, when the part is a disk's alone, is stopped.
    ///
    /// # Errors
    /// When the part is gone from the disk, or the provider refuses.
    fn revert(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()>;

    /// Deletes a domain's part and gives its space back; fine when it is gone.
    ///
    /// # Errors
    /// When the provider refuses.
    fn forget(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()>;
}

/// What copies of a frozen guest need: volumes that share blocks with a file, and devices that come and
/// go while a guest runs.
pub trait Clones: Send + Sync {
    /// Creates a volume with the content of a file of this computer, whose blocks it may share. It does
    /// not count before it is sealed: one that was cut is made again.
    ///
    /// # Errors
    /// When the provider refuses, or the file cannot be read.
    fn copy_volume(&self, volume: &VolumeSpec, from: &Path) -> Result<()>;

    /// Has a copied volume count as complete; fine when it does.
    ///
    /// # Errors
    /// When there is none, or the provider refuses.
    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()>;

    /// Plugs a device into a running domain; fine when it is there. Its definition stays as it is.
    ///
    /// # Errors
    /// When it does not run, has no room, or the provider refuses.
    fn plug(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()>;

    /// Takes a device out of a running domain and of its definition; fine when it is gone.
    ///
    /// # Errors
    /// When the guest does not let go of it in time, or the provider refuses.
    fn unplug(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()>;
}

/// What the computer around the guests offers them.
pub trait Surroundings: Send + Sync {
    /// Its routes to pods through a bridge.
    ///
    /// # Errors
    /// When they cannot be read.
    fn routes(&self, bridge: &str) -> Result<BTreeMap<Ipv4Net, Ipv4Addr>>;

    /// Makes `wanted` its routes to pods through a bridge, and leaves all others alone.
    ///
    /// # Errors
    /// When they cannot be set.
    fn set_routes(&self, bridge: &str, wanted: &BTreeMap<Ipv4Net, Ipv4Addr>) -> Result<()>;

    /// True while it runs a program by which guests reach the outside; false where they need none.
    /// `internet_only` guests are kept from the networks around the computer.
    fn has_uplink(&self, internet_only: bool) -> bool;

    /// Starts that program; fine when it runs, and where guests need none.
    ///
    /// # Errors
    /// When no program makes the way, with what it said.
    fn start_uplink(&self, internet_only: bool) -> Result<()>;
}

/// Binaries on their way to machines.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Digest of all of them together: a machine that has it needs nothing.
    pub digest: String,
    /// Files of this computer, by their path below the folder of binaries; none while they are only
    /// expected.
    pub files: BTreeMap<String, Delivered>,
}

/// A file that is brought.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Folder that it must be in.
    pub root: PathBuf,
    /// Where it is.
    pub path: PathBuf,
    /// Hex digest of its content.
    pub sha256: String,
}

/// Binaries brought to machines that have no disk of ours.
pub trait Deliveries: Send + Sync {
    /// Has a node hold the binaries; fine when it does.
    ///
    /// # Errors
    /// When the node does not answer, or has no room.
    fn deliver(&self, node: &str, delivery: &Delivery) -> Result<()>;
}
