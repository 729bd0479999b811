//! What counts where a topology says nothing: each default once, for the schema's rows, which tell people
//! of it, and for the resolver, which fills it in.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::lab::{PodNetwork, PodSecurity};
use crate::model::network::{Mode, Uplink};
use crate::model::options::Cloning;
use crate::model::{size, version};

pub(crate) const UPLINK: Uplink = Uplink::Internet;
pub(crate) const MODE: Mode = Mode::Nat;
pub(crate) const CPUS: u64 = 1;
/// In bytes.
pub(crate) const MEMORY: u64 = 1 << 30;
/// In bytes.
pub(crate) const DISK: u64 = 10 << 30;
pub(crate) const FLAVOUR: &str = "hard-way";
pub(crate) const SERVICE_CIDR: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 32, 0, 0), 24);
pub(crate) const POD_CIDR: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 200, 0, 0), 16);
pub(crate) const NODE_MASK: u64 = 24;
pub(crate) const POD_NETWORK: PodNetwork = PodNetwork::Routed;
pub(crate) const POD_SECURITY: PodSecurity = PodSecurity::Baseline;
pub(crate) const HOST_ROUTES: bool = false;
pub(crate) const HTTP: u16 = 30080;
pub(crate) const HTTPS: u16 = 30443;
pub(crate) const ADDONS: &[&str] = &["coredns"];
pub(crate) const CLUSTER_DOMAIN: &str = "cluster.local";
pub(crate) const USER: &str = "lab";
pub(crate) const SSH_PORT: u16 = 22;
pub(crate) const ACCELERATION: &str = "auto";
/// In seconds.
pub(crate) const BOOT_TIMEOUT: u64 = 600;
pub(crate) const CLONE: Cloning = Cloning::Auto;

/// What counts where a field is absent.
#[derive(Debug)]
pub enum Preset {
    /// Nothing that would have to be told.
    Nothing,
    /// It follows from other things, in words.
    Follows(&'static str),
    /// The release that lab sets up by itself, where nothing else says one.
    Release,
    /// A word.
    Word(&'static str),
    /// A list of words.
    Words(&'static [&'static str]),
    /// A number.
    Number(u64),
    /// An amount, in bytes.
    Bytes(u64),
    /// A network.
    Network(Ipv4Net),
    /// True or false.
    Truth(bool),
}

impl Preset {
    /// As people would write it in a topology, or in words.
    pub(crate) fn told(&self) -> Option<String> {
        Some(match self {
            Self::Nothing => return None,
            Self::Follows(words) => (*words).to_owned(),
            Self::Release => format!("that of `artifacts`, else {}", version::DEFAULT),
            Self::Word(word) => (*word).to_owned(),
            Self::Words(words) => format!("[{}]", words.join(", ")),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => size::human(*bytes).replace(' ', ""),
            Self::Network(network) => network.to_string(),
            Self::Truth(truth) => truth.to_string(),
        })
    }
}
