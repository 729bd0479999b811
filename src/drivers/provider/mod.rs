//! The seam to whatever runs the guests: a handful of *ensure* verbs, each fine when it is already
//! so. Calls block; the engine runs them on threads of their own.

pub mod libvirt;
pub mod memory;
pub mod private;

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::model::inventory::Inventory;
use crate::model::snapshot::Documents;
use crate::render::{DeviceSpec, DomainSpec, NetworkSpec, PoolSpec, SnapshotSpec, VolumeSpec};

/// A call to the hypervisor failed.
#[derive(Clone, Debug)]
pub struct HypervisorError {
    /// What was being done, as in "failed to …".
    pub doing: String,
    /// What the hypervisor said.
    pub reason: String,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

impl HypervisorError {
    /// An error without a hint.
    pub fn new(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { doing: doing.into(), reason: reason.into(), hint: None }
    }

    /// The same error with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for HypervisorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.reason)
    }
}

impl std::error::Error for HypervisorError {}

/// Result of a hypervisor call.
pub type Result<T> = std::result::Result<T, HypervisorError>;

/// What fills a volume.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing: the definition says it all.
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// That local file.
    File(PathBuf),
    /// The same, where libvirt's volumes are files of this computer: the file system may share blocks.
    /// The volume does not count before it is sealed.
    Copy(PathBuf),
}

/// What a running domain has done since it was started, as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Processor time that it and its emulator used.
    pub cpu: std::time::Duration,
    /// Requests to its disks and packets that it sent.
    pub deeds: u64,
}

/// Where guests run.
pub trait Hypervisor: Send + Sync {
    /// The address it was reached at.
    fn uri(&self) -> String;

    /// False for those in memory: no computer with routes and keys of its own is around them.
    fn has_surroundings(&self) -> bool {
        true
    }

    /// Reads everything there is. Changes nothing.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    fn inventory(&self) -> Result<Inventory>;

    /// Defines and starts a pool, making its directory.
    ///
    /// # Errors
    /// When a pool of that name belongs to somebody else, or libvirt refuses.
    fn ensure_pool(&self, pool: &PoolSpec) -> Result<()>;

    /// Creates a volume and fills it; a half-filled one from an earlier crash is made again.
    ///
    /// # Errors
    /// When libvirt refuses, or `content` cannot be read.
    fn ensure_volume(&self, volume: &VolumeSpec, content: &Content) -> Result<()>;

    /// Has a volume that was filled by [`Content::Copy`] count as complete; fine when it does.
    ///
    /// # Errors
    /// When there is none, or libvirt refuses.
    fn seal_volume(&self, pool: &str, volume: &str) -> Result<()>;

    /// Defines a network and starts it.
    ///
    /// # Errors
    /// When the definition is refused or its addresses are in use.
    fn ensure_network(&self, network: &NetworkSpec) -> Result<()>;

    /// Defines a domain; one of the same id gets the new definition.
    ///
    /// # Errors
    /// When the definition does not validate.
    fn define_domain(&self, domain: &DomainSpec) -> Result<()>;

    /// Starts a domain that is not running; one that stands still goes on.
    ///
    /// # Errors
    /// When the guest cannot be started.
    fn start_domain(&self, uuid: Uuid) -> Result<()>;

    /// Stops a running domain at once.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn stop_domain(&self, uuid: Uuid) -> Result<()>;

    /// Asks a running domain to shut down, and cuts its power when it has not within `patience`.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn shut_down_domain(&self, uuid: Uuid, patience: std::time::Duration) -> Result<()>;

    /// What a domain has done since it was started; `None` where it does not run, or where that
    /// cannot be told. Waits for an emulator that does not answer.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    fn pulse(&self, uuid: Uuid) -> Result<Option<Pulse>>;

    /// Makes a running domain stand still.
    ///
    /// # Errors
    /// When it does not run, or the hypervisor refuses.
    fn suspend_domain(&self, uuid: Uuid) -> Result<()>;

    /// Makes a domain's part of a snapshot, inside its disk. A running domain must stand still.
    ///
    /// # Errors
    /// When the disk is full, or the hypervisor refuses; then there is no part.
    fn save_domain(&self, snapshot: &SnapshotSpec) -> Result<Documents>;

    /// Brings a domain back to its part of a snapshot, defining domain and part from `documents`
    /// when they are no longer known. It then stands still, or, when the part is a disk's alone,
    /// is stopped.
    ///
    /// # Errors
    /// When the part is gone from the disk, or the hypervisor refuses.
    fn revert_domain(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()>;

    /// Deletes a domain's part of a snapshot and gives its space back; fine when it is gone.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn forget_domain(&self, snapshot: &SnapshotSpec, documents: &Documents) -> Result<()>;

    /// Plugs a device into a running domain; fine when it is there. Its definition stays as it is.
    ///
    /// # Errors
    /// When it does not run, has no room, or the hypervisor refuses.
    fn attach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()>;

    /// Takes a device out of a running domain and of its definition; fine when it is gone.
    ///
    /// # Errors
    /// When the guest does not let go of it in time, or the hypervisor refuses.
    fn detach_device(&self, uuid: Uuid, device: &DeviceSpec) -> Result<()>;

    /// Bytes that a volume takes on its disk; 0 when there is none.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    fn volume_bytes(&self, pool: &str, volume: &str) -> Result<u64>;

    /// What tells a completed volume from a later one of the same name; `None` when there is none.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    fn volume_identity(&self, pool: &str, volume: &str) -> Result<Option<String>>;

    /// True when a volume that nothing may write to was written to since it was completed.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    fn volume_changed(&self, pool: &str, volume: &str) -> Result<bool>;

    /// What runs guests, with versions, in words.
    ///
    /// # Errors
    /// When the hypervisor does not answer.
    fn version(&self) -> Result<String>;

    /// Stops and undefines a domain; fine when it is gone.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn remove_domain(&self, uuid: Uuid) -> Result<()>;

    /// Stops and undefines a network; fine when it is gone.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn remove_network(&self, uuid: Uuid) -> Result<()>;

    /// Deletes a volume; fine when it is gone.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn remove_volume(&self, pool: &str, volume: &str) -> Result<()>;

    /// Deletes a pool with its volumes and directory; fine when it is gone.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn remove_pool(&self, uuid: Uuid) -> Result<()>;
}

/// The last few readable lines of a file.
pub fn tail(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let printable = |c: char| !c.is_control() || c == '\n';
    let clean: String = text.chars().filter(|c| printable(*c)).collect();
    let lines: Vec<&str> = clean.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(12);
    Some(lines.get(from..)?.join("\n"))
}
