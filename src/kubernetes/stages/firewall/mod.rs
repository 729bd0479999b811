//! `firewall`: a node is reached at the ports of its stages by those that they are for, and at no other.
//!
//! What pods and services are reached at passes a node by, and is none of its affair: that is what network
//! policies are for.

mod checks;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::kubernetes::checks::{Peer, Port, needs};
use crate::kubernetes::stage::{After, Context, Retire, Stage, StageError, packages};
use crate::kubernetes::stages::firewall::checks::RULES;
use crate::kubernetes::step::Step;
use crate::model::opening::{Opening, Protocol};
use crate::model::{Lab, Node, Role};

pub(crate) const STAGE: Stage = Stage {
    name: "firewall",
    title: "Firewall",
    why: "Whoever shares the network reaches what stages open to him, and nothing that somebody started \
          by the way.",
    after: &[After::SameNode("os")],
    nodes: |lab| lab.nodes.iter().filter(|_| lab.firewall).collect(),
    steps,
    for_others: true,
    retire: Retire::WithData(&[]),
    units: &[UNIT],
    checks: checks::checks,
    templates: templates!(
        "firewall":
        "firewall.nft.j2",
        "in-force.sh.j2",
        "lab-firewall.service.j2",
        "shut.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

const UNIT: &str = "lab-firewall.service";

/// One rule of the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Rule {
    protocol: Protocol,
    /// The first, by which they are ordered.
    #[serde(skip)]
    first: u16,
    /// A port, or a row of them.
    ports: String,
    /// Who may; everybody where nobody is named.
    from: Vec<String>,
}

#[derive(Serialize)]
struct Data<'a> {
    node: &'a Node,
    rules: BTreeSet<Rule>,
    /// Those that settle with the node who holds a floating address.
    rivals: BTreeSet<Ipv4Addr>,
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let lab = context.lab;
    let needs = (context.needs)(lab, node);
    let data = Data {
        node,
        rules: rules(lab, node, needs::ports(lab, &needs)),
        rivals: lab.rivals_of(node),
    };
    let render =
        |name: &str| context.templates.render(&format!("stages/firewall/{name}.j2"), &data);
    let mut steps: Vec<Step> = packages(context, node, "firewall").into_iter().collect();
    steps.extend([
        Step::file(RULES, render("firewall.nft")?),
        Step::file(format!("/etc/systemd/system/{UNIT}"), render("lab-firewall.service")?),
        // Both tables are exchanged in one go: nobody is let in meanwhile.
        Step::reloading_unit(UNIT),
    ]);
    Ok(steps)
}

/// What is let in: SSH, by which lab comes, the ports of stages, and those that the topology opens.
fn rules(lab: &Lab, node: &Node, ports: impl Iterator<Item = Port>) -> BTreeSet<Rule> {
    let rule = |opening: &Opening, from: Vec<String>| Rule {
        protocol: opening.protocol,
        first: opening.first,
        ports: opening.ports(),
        from,
    };
    let door = |port| Opening { protocol: Protocol::Tcp, first: port, last: port };
    let doors: Vec<Opening> = lab.ssh_ports(node).into_iter().map(door).collect();
    let to_all = node.open_ports.iter().chain(&doors).map(|opening| rule(opening, Vec::new()));
    let of_stages = ports.filter_map(|port| {
        let from = sources(lab, node, port.peers)?;
        Some(rule(&port.opening(), from))
    });
    to_all.chain(of_stages).collect()
}

/// Addresses of those that may; `None` where nobody may, nothing where everybody may.
fn sources(lab: &Lab, node: &Node, peers: &[Peer]) -> Option<Vec<String>> {
    if peers.contains(&Peer::Anyone) {
        return Some(Vec::new());
    }
    let is_of = |other: &Node, peer: &Peer| match peer {
        Peer::Members => other.is(Role::Etcd),
        Peer::Controllers => other.is(Role::ControlPlane),
        Peer::Balancers => other.is(Role::LoadBalancer),
        Peer::Nodes => !other.roles.is_empty(),
        Peer::Pods | Peer::Anyone => false,
    };
    let others = lab.nodes.iter().filter(|other| other.name != node.name);
    let others = others.filter(|other| peers.iter().any(|peer| is_of(other, peer)));
    let addresses: BTreeSet<Ipv4Addr> = others.map(|other| other.address).collect();
    let pods: Option<Ipv4Net> = peers.contains(&Peer::Pods).then_some(lab.kubernetes.pod_cidr);
    let all: Vec<String> =
        addresses.iter().map(Ipv4Addr::to_string).chain(pods.map(|net| net.to_string())).collect();
    (!all.is_empty()).then_some(all)
}
