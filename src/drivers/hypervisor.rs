//! The seam to whatever runs the guests: a handful of *ensure* verbs, each fine when it is already
//! so. Calls block; the engine runs them on threads of their own.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::render::{DomainSpec, NetworkSpec, PoolSpec, VolumeSpec};

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

/// Who made an object, from its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Lab id.
    pub lab: Uuid,
    /// Node name, on domains.
    pub node: Option<String>,
    /// Hash of the definition it was made from.
    pub hash: String,
}

/// A domain as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDomain {
    /// Libvirt name.
    pub name: String,
    /// Libvirt id.
    pub uuid: Uuid,
    /// Whose it is; `None` for objects that `lab` did not make.
    pub mark: Option<Mark>,
    /// True while it runs.
    pub active: bool,
    /// MAC addresses of its cards, lower case.
    pub macs: Vec<String>,
}

/// A network as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNetwork {
    /// Libvirt name.
    pub name: String,
    /// Libvirt id.
    pub uuid: Uuid,
    /// Whose it is.
    pub mark: Option<Mark>,
    /// True while it is up.
    pub active: bool,
    /// Its IPv4 networks.
    pub cidrs: Vec<ipnet::Ipv4Net>,
    /// Its bridge.
    pub bridge: Option<String>,
}

/// A storage pool as found. Pools carry no metadata: ours are known by their stable id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPool {
    /// Libvirt name.
    pub name: String,
    /// Libvirt id.
    pub uuid: Uuid,
    /// True while it is started.
    pub active: bool,
    /// Names of its volumes; empty while it is not started.
    pub volumes: Vec<String>,
    /// Directory of its volumes.
    pub path: Option<String>,
}

/// Everything a hypervisor holds, ours and others'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Domains.
    pub domains: Vec<FoundDomain>,
    /// Networks.
    pub networks: Vec<FoundNetwork>,
    /// Storage pools.
    pub pools: Vec<FoundPool>,
}

/// What fills a volume.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing: the definition says it all.
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// That local file.
    File(PathBuf),
}

/// Where guests run.
pub trait Hypervisor: Send + Sync {
    /// The address it was reached at.
    fn uri(&self) -> String;

    /// Directory, on the hypervisor's host, for the volumes of the pool `name`.
    fn pool_path(&self, name: &str) -> String;

    /// File, on the hypervisor's host, that a domain's console is logged to.
    fn console_path(&self, domain: &str) -> String;

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

    /// Host path of a volume.
    ///
    /// # Errors
    /// When there is no such volume.
    fn volume_path(&self, pool: &str, volume: &str) -> Result<String>;

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

    /// Starts a domain that is not running.
    ///
    /// # Errors
    /// When the guest cannot be started.
    fn start_domain(&self, uuid: Uuid) -> Result<()>;

    /// Stops a running domain at once.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn stop_domain(&self, uuid: Uuid) -> Result<()>;

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

    /// The last lines of a guest's console, when they can be read.
    fn console_tail(&self, domain: &str) -> Option<String> {
        tail(Path::new(&self.console_path(domain)))
    }
}

/// The last few readable lines of a file.
pub(super) fn tail(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let printable = |c: char| !c.is_control() || c == '\n';
    let clean: String = text.chars().filter(|c| printable(*c)).collect();
    let lines: Vec<&str> = clean.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(12);
    Some(lines.get(from..)?.join("\n"))
}
