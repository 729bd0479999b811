//! Which network a lab may have on this computer.

use ipnet::Ipv4Net;

use crate::drivers::host::{self, Dirs};
use crate::drivers::provider::Provider;
use crate::drivers::provider::libvirt::Libvirt;
use crate::drivers::state::{Store, labs};
use crate::engine::lab::provider::ProviderKind;
use crate::model::Lab;
use crate::model::topology;
use crate::plan::free_network;

/// A network for `lab` that neither the computer reaches, nor its libvirt has, nor another lab of this
/// person's: the lab's own where that is free.
pub fn network_for(lab: &Lab, dirs: &Dirs) -> Option<Ipv4Net> {
    let mut used = vec![lab.kubernetes.pod_cidr, lab.kubernetes.service_cidr];
    used.extend(host::used_networks().into_iter().map(|found| found.net));
    // Only one of this computer: nobody is to be asked for a password on the way.
    let uri = ProviderKind::system_uri();
    let local = uri.contains(":///").then(|| Libvirt::open(&uri)?.inventory());
    let networks = local.and_then(Result::ok).into_iter().flat_map(|all| all.networks);
    used.extend(networks.flat_map(|found| found.cidrs));
    used.extend(networks_of_labs(dirs));
    free_network(lab.network.cidr, &used)
}

/// As their topologies were when they last came up; what cannot be read takes no room.
fn networks_of_labs(dirs: &Dirs) -> Vec<Ipv4Net> {
    let owner = host::owner();
    let of = |name: String| {
        let text = Store::new(&dirs.state, &name).read("topology.yaml").ok()??;
        Some(topology::load(&text, &owner).ok()?.lab.network.cidr)
    };
    labs(&dirs.state).into_iter().filter_map(of).collect()
}
