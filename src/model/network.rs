//! The network that all nodes share.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;
use uuid::Uuid;

use crate::model::dns::{Record, Reservation};
use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;
use crate::model::word::words;

/// The network all nodes share.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Name of the libvirt network.
    pub name: String,
    /// Its stable id.
    pub uuid: Uuid,
    /// Addresses.
    pub cidr: Ipv4Net,
    /// The computer's own address in it: gateway and DNS.
    pub gateway: Ipv4Addr,
    /// Largest packet, bytes, where the topology says one.
    pub mtu: Option<u64>,
    /// Whom its DNS asks for what it does not know, instead of the computer's own servers.
    pub forwarders: Vec<Ipv4Addr>,
    /// What its DNS knows besides.
    pub records: Vec<Record>,
    /// Addresses that are kept for guests which are not in the topology.
    pub reservations: Vec<Reservation>,
    /// Range handed to guests that are not in the topology.
    pub dhcp: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Host bridge, at most 15 characters.
    pub bridge: String,
    /// How it is joined to the computer's others.
    pub mode: Mode,
    /// What guests reach outside of it.
    pub uplink: Uplink,
    /// What the nodes join instead of a network that lab makes.
    pub joined: Option<Joined>,
}

/// What is there already, and stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Joined {
    /// A bridge of the computer.
    Bridge(String),
    /// A network of the computer's libvirt.
    Libvirt(String),
}

/// Largest packet where nothing else is said: that of libvirt's bridges and taps.
pub const MTU: u64 = 1500;

impl Network {
    /// True for one that lab makes, with DNS of its own.
    pub fn is_own(&self) -> bool {
        self.joined.is_none()
    }

    /// Whom nodes ask for names.
    pub fn nameservers(&self) -> Vec<Ipv4Addr> {
        match self.is_own() || self.forwarders.is_empty() {
            true => vec![self.gateway],
            false => self.forwarders.clone(),
        }
    }

    /// Largest packet, bytes.
    pub fn mtu(&self) -> u64 {
        self.mtu.unwrap_or(MTU)
    }
}

/// The name of a bridge.
///
/// # Errors
/// How it is written.
pub fn bridge(text: &str) -> Result<(), Flaw> {
    named(text, 15, "bridge", "`ip -br link show type bridge` lists those of this computer")
}

/// The name of a network of libvirt.
///
/// # Errors
/// How it is written.
pub fn libvirt(text: &str) -> Result<(), Flaw> {
    named(text, 60, "network", "`virsh net-list` lists those of this computer's libvirt")
}

fn named(text: &str, longest: usize, what: &str, help: &str) -> Result<(), Flaw> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && text.len() <= longest && text.chars().all(plain) {
        true => Ok(()),
        false => Err(Flaw::new(format!("'{}' is no name of a {what}", printable(text)), help)),
    }
}

words! {
    /// How a lab's network is joined to the computer's others.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum Mode {
        /// Guests speak to the outside by the computer's address.
        Nat = "nat",
        /// By their own addresses: others must know that the computer leads to them.
        Routed = "routed",
        /// Not at all.
        Isolated = "isolated",
    }
}

words! {
    /// Whether guests reach what is outside their network.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum Uplink {
        /// The internet, where this computer has a way there, and nothing of the networks around the computer.
        Internet = "internet",
        /// Whatever the computer reaches.
        All = "all",
        /// As `internet`; what it was called before.
        Auto = "auto",
        /// Never.
        None = "none",
    }
}

impl Uplink {
    /// False when no packet of a guest may leave the network.
    pub fn leads_out(self) -> bool {
        self != Uplink::None
    }

    /// True when guests are to reach the internet alone.
    pub fn spares_the_computer(self) -> bool {
        matches!(self, Uplink::Internet | Uplink::Auto)
    }
}
