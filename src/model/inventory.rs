//! What a hypervisor holds, as found: ours and others'.

use ipnet::Ipv4Net;
use std::collections::BTreeMap;

use uuid::Uuid;

/// Who made an object, from its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Lab id.
    pub lab: Uuid,
    /// Node name, on domains.
    pub node: Option<String>,
    /// Hash of the definition it was made from.
    pub hash: String,
    /// Hash of what its disk was made from, on domains.
    pub disk: String,
}

/// What makes a domain the guest it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Memory, in KiB.
    pub memory_kib: u64,
    /// Virtual processors.
    pub cpus: String,
    /// Kernel of a direct boot.
    pub kernel: Option<String>,
    /// Its command line.
    pub cmdline: Option<String>,
    /// Files of its disks, by target.
    pub disks: BTreeMap<String, String>,
    /// Networks of its cards, by MAC address.
    pub cards: BTreeMap<String, String>,
}

impl Shape {
    /// Where `found` is something else, in words.
    pub fn changed(&self, found: &Shape) -> Vec<String> {
        let mut all = Vec::new();
        if self.memory_kib != found.memory_kib {
            let (here, there) = (found.memory_kib >> 10, self.memory_kib >> 10);
            all.push(format!("{here} MiB of memory instead of {there} MiB"));
        }
        if self.cpus != found.cpus {
            all.push(format!("{} processors instead of {}", found.cpus, self.cpus));
        }
        let parts = [
            ("another kernel", self.kernel == found.kernel),
            ("another kernel command line", self.cmdline == found.cmdline),
            ("other disks", self.disks == found.disks),
            ("other network cards", self.cards == found.cards),
        ];
        let others = parts.iter().filter(|(_, same)| !same);
        all.extend(others.map(|(part, _)| (*part).to_owned()));
        all
    }
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
    /// True while it runs, or stands still in the middle of running.
    pub active: bool,
    /// True while it stands still.
    pub paused: bool,
    /// Names of its snapshots.
    pub snapshots: Vec<String>,
    /// MAC addresses of its cards, lower case.
    pub macs: Vec<String>,
    /// What guest it is; `None` for those of others, and where it cannot be told.
    pub shape: Option<Shape>,
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
    /// Names of its completed volumes; empty while it is not started.
    pub volumes: Vec<String>,
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

impl FoundDomain {
    /// The node of lab `lab` that this domain is, if it is one. A copy of a node's domain carries
    /// the node's metadata, too, but not its id; it is somebody else's.
    pub fn node_of(&self, lab: Uuid) -> Option<&str> {
        let mark = self.mark.as_ref().filter(|mark| mark.lab == lab)?;
        let node = mark.node.as_deref()?;
        (self.uuid == crate::model::name::object_id(lab, "domain", node)).then_some(node)
    }
}

/// A network the computer itself reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNetwork {
    /// The network.
    pub net: Ipv4Net,
    /// Interface it is reached by.
    pub device: String,
}
