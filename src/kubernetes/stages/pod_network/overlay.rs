//! VXLAN between the nodes. Nothing is learned and nothing is flooded: who is where follows from the
//! topology, so each node gets one neighbour, one forwarding entry and one route per worker.

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::model::{Lab, Node, name, port};

/// Bytes that VXLAN over IPv4 puts around a packet: 14 Ethernet, 20 IP, 8 UDP, 8 VXLAN (RFC 7348).
const OVERHEAD: u64 = 50;
/// Network identifier; the lab's network is its own, so any will do.
const VNI: u32 = 76;

/// One node's end of the tunnels.
#[derive(Serialize)]
pub(crate) struct Overlay {
    pub mac: String,
    pub mtu: u64,
    pub id: u32,
    pub port: u16,
    /// Address of this end, on workers: the first of its pod subnet, which no pod gets.
    pub address: Option<String>,
    /// End of a route command: the address that this node speaks from.
    pub source: String,
    pub peers: Vec<Peer>,
}

/// The way to one worker's pods.
#[derive(Serialize)]
pub(crate) struct Peer {
    pub mac: String,
    pub node: String,
    pub gateway: String,
    pub subnet: String,
}

/// A stable MAC address for a node's end.
fn mac(lab: &Lab, node: &Node) -> String {
    name::mac(lab.id, &format!("{} pods", node.name))
}

/// The end of `node`.
pub(crate) fn overlay(lab: &Lab, node: &Node) -> Overlay {
    let others = lab.with_pods().filter(|other| other.name != node.name);
    let peer = |other: &Node| {
        let subnet: Ipv4Net = other.pod_subnet?;
        Some(Peer {
            mac: mac(lab, other),
            node: other.address.to_string(),
            gateway: subnet.network().to_string(),
            subnet: subnet.to_string(),
        })
    };
    let address = node.pod_subnet.map(|subnet| subnet.network().to_string());
    Overlay {
        mac: mac(lab, node),
        mtu: lab.network.mtu() - OVERHEAD,
        id: VNI,
        port: port::VXLAN,
        // A node without pods has no address in the pod network; it speaks from its own, and is
        // answered there, outside the tunnel.
        source: match address {
            Some(_) => String::new(),
            None => format!(" src {}", node.address),
        },
        address,
        peers: others.filter_map(peer).collect(),
    }
}
