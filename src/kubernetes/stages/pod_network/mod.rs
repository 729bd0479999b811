//! `pod-network`: each worker bridges its own pod subnet, and every node knows the way to each of
//! them: a plain route, or a VXLAN tunnel. Traffic to the outside leaves under the node's address.
//!
//! Another network (flannel and its kin come as add-ons) is one more variant of `PodNetwork` with a
//! file of its own beside [`overlay`].

mod checks;
mod overlay;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::kubernetes::stage::{After, Context, Stage, StageError};
use crate::kubernetes::step::Step;
use crate::model::lab::PodNetwork;
use crate::model::{Lab, Node};
use overlay::Overlay;

pub(crate) const STAGE: Stage = Stage {
    name: "pod-network",
    title: "Pod network",
    why: "A pod must reach every other pod without address translation: by plain routes, or \
          through tunnels between the nodes.",
    after: &[After::SameNode("os")],
    nodes: |lab| lab.nodes.iter().collect(),
    steps,
    units: &["lab-pod-network.service"],
    checks: checks::checks,
    needs: |lab, _| checks::needs(lab),
    inspect: checks::inspect,
    templates: templates!(
        "pod_network":
        "10-lab.conflist.j2",
        "99-loopback.conf.j2",
        "firewall.sh.j2",
        "lab-pod-network.service.j2",
        "pod-network.nft.j2",
        "pod-routes.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

/// Marks routes as ours (`ip route ... proto`); a number that no routing daemon uses.
const PROTOCOL: u8 = 76;
/// The tunnel's end on a node.
const DEVICE: &str = "lab-pods";

#[derive(Serialize)]
struct Route {
    subnet: String,
    via: String,
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    subnet: Option<String>,
    mtu: u64,
    device: &'a str,
    protocol: u8,
    routes: Vec<Route>,
    overlay: Option<Overlay>,
    /// Others that may hold a floating address of this node's.
    peers: BTreeSet<String>,
}

fn data<'a>(lab: &'a Lab, node: &'a Node) -> Data<'a> {
    let others = lab.with_pods().filter(|other| other.name != node.name);
    let route = |other: &Node| {
        let subnet = other.pod_subnet?.to_string();
        Some(Route { subnet, via: other.address.to_string() })
    };
    let (routes, overlay) = match lab.kubernetes.pod_network {
        PodNetwork::Routed => (others.filter_map(route).collect(), None),
        PodNetwork::Overlay => (Vec::new(), Some(overlay::overlay(lab, node))),
    };
    Data {
        lab,
        node,
        subnet: node.pod_subnet.map(|subnet| subnet.to_string()),
        mtu: overlay.as_ref().map_or(lab.network.mtu(), |overlay| overlay.mtu),
        device: DEVICE,
        protocol: PROTOCOL,
        routes,
        overlay,
        peers: lab.rivals_of(node).iter().map(Ipv4Addr::to_string).collect(),
    }
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let mut data = data(context.lab, node);
    // Hundreds of routes are given to the one document that has them.
    let routes = std::mem::take(&mut data.routes);
    let render = |name: &str, data: &Data<'_>| {
        context.templates.render(&format!("stages/pod_network/{name}.j2"), data)
    };
    let mut steps: Vec<Step> =
        crate::kubernetes::stage::packages(context, node, "pod-network").into_iter().collect();
    if data.subnet.is_some() {
        steps.push(Step::file("/etc/cni/net.d/10-lab.conflist", render("10-lab.conflist", &data)?));
        steps.push(Step::file(
            "/etc/cni/net.d/99-loopback.conf",
            render("99-loopback.conf", &data)?,
        ));
    }
    steps.extend([
        Step::file("/etc/lab/pod-network.nft", render("pod-network.nft", &data)?),
        // networkd would remove routes it does not know whenever it reconfigures the link.
        Step::file(
            "/etc/systemd/networkd.conf.d/lab.conf",
            "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
        ),
        Step::file(
            "/etc/systemd/system/lab-pod-network.service",
            render("lab-pod-network.service", &Data { routes, ..data })?,
        ),
        Step::unit("lab-pod-network.service"),
    ]);
    Ok(steps)
}
