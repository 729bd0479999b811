//! Facts about a computer, as far as labs depend on them.

use std::collections::BTreeSet;

use crate::model::Flaw;

/// A device file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// There is none.
    Absent,
    /// It is there, but not for this person.
    Denied,
    /// It can be opened.
    Opens,
}

/// Everything that is looked at.
#[derive(Clone, Debug)]
pub struct Computer {
    /// `vmx`, `svm`, or nothing: what the processor offers for virtualisation.
    pub virtualisation: Option<&'static str>,
    /// `/dev/kvm`.
    pub kvm: Device,
    /// `/dev/net/tun`: guests' network cards are plugged in by it.
    pub tun: Device,
    /// The program that would give guests of a private provider a way to the outside.
    pub uplink: Option<&'static str>,
    /// True when processes of this user end at logout.
    pub ends_at_logout: bool,
    /// The setting that keeps people from making user namespaces.
    pub namespaces_forbidden: Option<Setting>,
    /// Why there are no ids for a user namespace.
    pub no_ids: Option<String>,
    /// Who asks.
    pub user: String,
    /// True for root.
    pub root: bool,
    /// Programs that labs need and that are not installed.
    pub missing: BTreeSet<&'static str>,
    /// Whether the computer's libvirt answers.
    pub libvirt: Libvirt,
    /// Names of networks of this computer's libvirt that are defined and do not run.
    pub inactive_networks: BTreeSet<String>,
    /// Network links.
    pub links: BTreeSet<String>,
    /// Firewall rules in force; `None` when they cannot be read.
    pub firewall: Option<String>,
    /// True when firewalld runs.
    pub firewalld: bool,
    /// True when SELinux refuses, rather than only tells.
    pub selinux: bool,
    /// True when AppArmor is in force.
    pub apparmor: bool,
    /// Memory that could be had now, MiB.
    pub memory_mib: u64,
    /// Processors.
    pub processors: usize,
    /// Free space where guests' disks would be, MiB, and where that is.
    pub disk: (u64, String),
}

/// What the computer's libvirt answers.
#[derive(Clone, Debug)]
pub enum Libvirt {
    /// Its version.
    Answers(String),
    /// Nothing, and why.
    Silent(String),
}

/// A setting of the kernel that is not as labs need it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it should be.
    pub value: String,
}

/// A network as libvirt and the kernel call it.
#[derive(Clone, Debug)]
pub struct WantedNetwork {
    /// Its name.
    pub name: String,
    /// Its bridge.
    pub bridge: String,
}

/// What labs are wanted here.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// True when guests are to run on the computer's libvirt, false on a private one; `None` when
    /// either will do.
    pub system: Option<bool>,
    /// True when guests are to reach nothing outside.
    pub isolated: bool,
    /// The lab's network.
    pub network: Option<WantedNetwork>,
    /// The bridge that its nodes join instead.
    pub joined: Option<String>,
    /// Memory of the lab's nodes that do not run yet, MiB.
    pub memory_mib: u64,
    /// Nodes that do not run yet.
    pub nodes: u64,
    /// Virtual processors of the largest node.
    pub processors: usize,
    /// What stands in the way of the lab's names and addresses, and what to do about it.
    pub conflict: Option<Flaw>,
    /// What it needs from outside and is not here, and how it is got.
    pub missing: Vec<Flaw>,
}
