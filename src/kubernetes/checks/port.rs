//! Ports that stages have on a node, and who may reach them there.

use serde::Serialize;

use crate::model::opening::{Opening, Protocol};

/// A port, or a row of them, that a stage has on a node.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Port {
    /// The first of the row, mostly the only one.
    pub number: u16,
    /// The last.
    #[serde(skip)]
    pub last: u16,
    /// What carries it.
    #[serde(skip)]
    pub protocol: Protocol,
    /// The programs that may have it, as the kernel cuts their names, separated by `|`; nothing where the
    /// kernel itself has it.
    pub owner: &'static str,
    /// Who must reach it from other machines.
    #[serde(skip)]
    pub peers: &'static [Peer],
}

/// Who reaches a port from another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Members of etcd.
    Members,
    /// Nodes with API servers.
    Controllers,
    /// Load balancers.
    Balancers,
    /// All nodes of the cluster.
    Nodes,
    /// Pods, by their own addresses.
    Pods,
    /// Everybody.
    Anyone,
}

impl Port {
    /// A port of a program for nobody but its own node.
    pub const fn of(number: u16, owner: &'static str) -> Self {
        Self { number, last: number, protocol: Protocol::Tcp, owner, peers: &[] }
    }

    /// The same, for others, too.
    pub const fn open_to(self, peers: &'static [Peer]) -> Self {
        Self { peers, ..self }
    }

    /// A row of ports that no program listens at.
    pub const fn row(first: u16, last: u16, protocol: Protocol) -> Self {
        Self { number: first, last, protocol, owner: "", peers: &[] }
    }

    /// True when it is the port of a program, which can be taken by another one.
    pub(crate) fn is_taken(&self) -> bool {
        !self.owner.is_empty()
    }

    /// What it is to a firewall.
    pub(crate) fn opening(&self) -> Opening {
        Opening { protocol: self.protocol, first: self.number, last: self.last }
    }
}
