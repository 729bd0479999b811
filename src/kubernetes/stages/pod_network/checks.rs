//! What must be so of the pod network: every node knows the way to each worker's pods.

use minijinja::context;
use serde::Serialize;

use crate::kubernetes::checks::{Check, Needs, Peer, Plan, Port, Scope, value};
use crate::model::lab::PodNetwork;
use crate::model::opening::Protocol;
use crate::model::{Lab, Node, port};
use crate::render::RenderError;

/// The way to one worker's pods.
#[derive(Serialize)]
struct Route<'a> {
    node: &'a str,
    subnet: String,
    /// What leads nowhere has no next hop; without a tunnel it is the worker itself.
    next: String,
}

/// Tunnels end in the kernel.
const TUNNEL: Needs = Needs {
    ports: &[Port::row(port::VXLAN, port::VXLAN, Protocol::Udp).open_to(&[Peer::Nodes])],
    ..Needs::NOTHING
};

pub(crate) fn needs(lab: &Lab) -> Needs {
    match lab.kubernetes.pod_network {
        PodNetwork::Routed => Needs::NOTHING,
        PodNetwork::Overlay => TUNNEL,
    }
}

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    for node in &scope.lab.nodes {
        plan.nodes.push(routes(scope, node)?);
    }
    Ok(plan)
}

fn routes(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    let lab = scope.lab;
    let others = lab.with_pods().filter(|other| other.name != node.name);
    let route = |other| {
        let Node { name, address, pod_subnet, .. }: &Node = other;
        let next = match lab.kubernetes.pod_network {
            PodNetwork::Routed => format!("via {address} "),
            PodNetwork::Overlay => "via ".to_owned(),
        };
        pod_subnet.map(|subnet| Route { node: name, subnet: subnet.to_string(), next })
    };
    let routes: Vec<Route<'_>> = others.filter_map(route).collect();
    let service = lab.kubernetes.service_cidr.to_string();
    Ok(scope.one(
        "pod-routes",
        node,
        "there is a way to every worker's pods",
        scope.script("pod-routes", context! { routes => value(&routes), service })?,
        "systemctl status lab-pod-network; ip route",
    ))
}

/// Rules of others would be asked before ours.
pub(crate) fn inspect(scope: &Scope<'_>, node: &Node) -> Result<Vec<Check>, RenderError> {
    Ok(vec![scope.one(
        "firewall",
        node,
        "no firewall of its own stands between nodes",
        scope.script("firewall", context! {})?,
        "`sudo systemctl disable --now firewalld` (or ufw)",
    )])
}
