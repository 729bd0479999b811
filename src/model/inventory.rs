//! What a hypervisor holds, as found: ours and others'.

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
        (self.uuid == super::name::object_id(lab, "domain", node)).then_some(node)
    }
}
