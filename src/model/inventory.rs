//! What a provider holds, as found: ours and others'.

use ipnet::Ipv4Net;
use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::Node;
use crate::model::network::{Joined, Network};

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
    /// The size that its disk was asked for, in bytes, on domains; domains of earlier versions do not say.
    pub size: Option<u64>,
    /// Further disks that stay when their node goes, on domains.
    pub kept: Vec<String>,
}

/// What makes a domain the guest it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Memory, in KiB.
    pub memory_kib: u64,
    /// Virtual processors.
    pub cpus: String,
    /// Model of its processors, or how they are chosen.
    pub cpu: String,
    /// Kernel of a direct boot.
    pub kernel: Option<String>,
    /// Its command line.
    pub cmdline: Option<String>,
    /// Files of its disks, by target.
    pub disks: BTreeMap<String, String>,
    /// Networks of its cards, by MAC address.
    pub cards: BTreeMap<String, String>,
}

impl Hardware {
    /// Where `found` is something else, in words.
    pub fn changed(&self, found: &Hardware) -> Vec<String> {
        let mut all = Vec::new();
        if self.memory_kib != found.memory_kib {
            let (here, there) = (found.memory_kib >> 10, self.memory_kib >> 10);
            all.push(format!("{here} MiB of memory instead of {there} MiB"));
        }
        if self.cpus != found.cpus {
            all.push(format!("{} processors instead of {}", found.cpus, self.cpus));
        }
        let parts = [
            ("other processors", self.cpu == found.cpu),
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
    /// True when it starts with the computer.
    pub autostart: bool,
    /// Names of its snapshots.
    pub snapshots: Vec<String>,
    /// MAC addresses of its cards, lower case.
    pub macs: Vec<String>,
    /// What guest it is; `None` for those of others, and where it cannot be told.
    pub hardware: Option<Hardware>,
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
    /// Its directory.
    pub path: String,
    /// Names of its completed volumes; empty while it is not started.
    pub volumes: Vec<String>,
    /// Sizes that nodes see of those that are disks, in bytes.
    pub sizes: BTreeMap<String, u64>,
}

/// A machine that is there anyway, as found: nobody made it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMachine {
    /// Lab that has it as a node.
    pub lab: Uuid,
    /// The node.
    pub node: String,
}

/// What the machine of a node does, as far as it is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// It is there, and switched off.
    Stopped,
    /// It stands still in the middle of running.
    Paused,
    /// It runs; whether it answers is another question.
    Running,
}

impl MachineState {
    /// True while it runs, or stands still in the middle of running.
    pub fn is_active(self) -> bool {
        self != Self::Stopped
    }
}

/// Everything a provider holds, ours and others'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Machines that are there anyway.
    pub machines: Vec<FoundMachine>,
    /// Domains.
    pub domains: Vec<FoundDomain>,
    /// Networks.
    pub networks: Vec<FoundNetwork>,
    /// Storage pools.
    pub pools: Vec<FoundPool>,
}

impl Inventory {
    /// The bridge of a network that is there already.
    pub fn bridge_of<'a>(&'a self, network: &'a Network) -> Option<&'a str> {
        match network.joined.as_ref()? {
            Joined::Bridge(name) => Some(name),
            Joined::Libvirt(name) => {
                self.networks.iter().find(|found| found.name == *name)?.bridge.as_deref()
            }
        }
    }

    /// What the machine of a node does; `None` when there is none. The one place where "is it there?"
    /// is answered, whatever nodes stand on.
    pub fn machine(&self, node: &Node) -> Option<MachineState> {
        let domain = self.domains.iter().find(|domain| domain.uuid == node.uuid);
        let existing = || self.machines.iter().any(|machine| machine.is(node));
        match domain {
            Some(domain) => Some(domain.state()),
            None => existing().then_some(MachineState::Running),
        }
    }

    /// True when there is a machine for the node, and nobody else made it.
    pub fn has_own(&self, lab: Uuid, node: &Node) -> bool {
        let mut domains = self.domains.iter();
        domains.any(|domain| domain.uuid == node.uuid && domain.node_of(lab).is_some())
            || self.machines.iter().any(|machine| machine.is(node))
    }
}

impl FoundMachine {
    fn is(&self, node: &Node) -> bool {
        // The id of a node follows from its lab's and its name.
        node.uuid == crate::model::name::object_id(self.lab, "domain", &self.node)
    }
}

impl FoundDomain {
    /// What it does.
    pub fn state(&self) -> MachineState {
        match (self.active, self.paused) {
            (false, _) => MachineState::Stopped,
            (true, true) => MachineState::Paused,
            (true, false) => MachineState::Running,
        }
    }

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

/// True when two networks have an address in common.
pub fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}
