//! What must be so on every node: it answers, knows all names, and its clock is right.

use minijinja::context;
use serde::Serialize;

use crate::kubernetes::checks::{Check, Health, Plan, Scope, value};
use crate::kubernetes::stages::os::disks;
use crate::model::dns::{Answer, Service};
use crate::model::hosts;
use crate::model::{Lab, Node, os, port};
use crate::render::RenderError;

/// Milliseconds that a connection between nodes may take: etcd's heartbeat has a hundred.
const NEAR: u32 = 50;

/// A name of the lab with its address.
#[derive(Serialize)]
struct Name<'a> {
    address: String,
    fqdn: String,
    name: &'a str,
    /// Where its SSH server listens.
    ssh: u16,
}

/// Nodes and floating addresses.
fn names(lab: &Lab) -> Vec<Name<'_>> {
    let nodes = lab.nodes.iter().map(|node| Name {
        address: node.address.to_string(),
        fqdn: node.fqdn.clone(),
        name: &node.name,
        ssh: lab.ssh_port(node),
    });
    let vips = lab.vips.iter().map(|vip| Name {
        address: vip.address.to_string(),
        fqdn: format!("{}.{}", vip.name, lab.domain),
        name: &vip.name,
        ssh: port::SSH,
    });
    nodes.chain(vips).collect()
}

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let names = names(scope.lab);
    let known = scope.script("names", context! { names => value(&names) })?;
    let told = dns(scope)?;
    let mut plan = Plan::default();
    for node in &scope.lab.nodes {
        let answers = "the node answers with the host key made for it";
        let ssh = scope.one("ssh", node, answers, "true", "the console: is the guest running?");
        let proves = "every name and address of the lab is known here, both ways";
        plan.nodes.extend([
            ssh.health(&[Health::Failover]),
            scope.one("names", node, proves, &known, "/etc/hosts, resolvectl status"),
        ]);
        // Where DNS is not ours it need not know of nodes: they have names by their hosts files.
        if node.machine.is_guest() && scope.lab.network.is_own() {
            plan.nodes.push(asked_of_dns(scope, node, &told));
        }
        plan.nodes.push(clock(scope, node)?);
        plan.nodes.extend(disks::check(scope, node)?);
    }
    Ok(plan)
}

/// Asks the network's own DNS, past /etc/hosts and every cache.
fn dns(scope: &Scope<'_>) -> Result<String, RenderError> {
    let server = scope.lab.network.gateway.to_string();
    let records = records(scope.lab);
    scope.script("dns", context! { server, names => value(&names(scope.lab)), records })
}

/// Records of the topology's own: name, type, and how an answer begins.
fn records(lab: &Lab) -> Vec<[String; 3]> {
    let mut all = Vec::new();
    for (name, address) in hosts::wildcards(lab) {
        all.push([format!("any.{name}"), "A".into(), address.to_string()]);
    }
    let hosts = hosts::hosts(lab);
    let records = lab.network.records.iter().filter(|record| !record.is_wildcard);
    let reserved = lab.network.reservations.iter();
    let reserved = reserved.map(|kept| format!("{}.{}", kept.name, lab.domain));
    let named = records
        .clone()
        .filter(|record| matches!(record.answer, Answer::Address(_) | Answer::Alias(_)));
    for name in named.map(|record| record.name.clone()).chain(reserved) {
        let host = hosts.iter().find(|host| host.names.contains(&name));
        all.extend(host.map(|host| [name, "A".into(), host.address.to_string()]));
    }
    for record in records {
        match &record.answer {
            Answer::Text(text) => {
                all.push([record.name.clone(), "TXT".into(), format!("\"{text}\"")]);
            }
            Answer::Service(service) => {
                let Service { target, port, priority, weight } = service;
                let answer = format!("{priority} {weight} {port} {target}.");
                all.push([record.name.clone(), "SRV".into(), answer]);
            }
            Answer::Address(_) | Answer::Alias(_) => {}
        }
    }
    all
}

fn asked_of_dns(scope: &Scope<'_>, node: &Node, script: &str) -> Check {
    let proves = "the network's DNS knows every name and address, both ways";
    scope.one("dns", node, proves, script, "virsh net-dumpxml; dig")
}

fn clock(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    let script = scope.script("clock", context! {})?;
    let proves = "the clock is that of the computer";
    Ok(scope.one("clock", node, proves, script, "timedatectl; chronyc or timesyncd"))
}

/// Whether a node is one that stages can run on.
pub(crate) fn inspect(scope: &Scope<'_>, node: &Node) -> Result<Vec<Check>, RenderError> {
    let name = &node.name;
    let mut checks = vec![
        scope.one(
            "system",
            node,
            "the system runs on systemd and lets lab become root",
            scope.script("system", context! {})?,
            "an image of the catalogue: `lab images list`",
        ),
        clock(scope, node)?,
    ];
    if node.machine.is_guest() {
        checks.push(scope.one(
            "host-name",
            node,
            "its name is that of the topology",
            scope.script("host-name", context! { node => name })?,
            "`hostnamectl`; somebody renamed it, or it is another machine",
        ));
    }
    if node.machine.is_guest() && scope.lab.network.is_own() {
        checks.push(asked_of_dns(scope, node, &dns(scope)?));
    }
    if !node.machine.is_guest() {
        let own = scope.lab.images.get(&node.os).map(|image| &image.like);
        let system = own.or(Some(&node.os)).filter(|name| os::names().contains(&name.as_str()));
        checks.push(scope.one(
            "in-the-way",
            node,
            "nothing is in the way of a node, and the system is the one that the topology says",
            scope.script("in-the-way", context! { system })?,
            "`image` says which system it has; take away what is named",
        ));
    }
    checks.push(near(scope, node)?);
    Ok(checks)
}

/// Connections to every other node, what answers is its SSH server. The best counts: one of three, of
/// twelve where a node answers late, which may be no more than a busy computer.
fn near(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    let mut others = names(scope.lab);
    others.truncate(scope.lab.nodes.len());
    others.retain(|other| other.name != node.name);
    Ok(scope.one(
        "near",
        node,
        format!("every other node is reached within {NEAR} ms"),
        scope.script("near", context! { others => value(&others), near => NEAR })?,
        "`ip route`, `ip neigh`; is the computer out of processors?",
    ))
}

/// Memory, processors, disk and system.
pub(crate) fn info(scope: &Scope<'_>, _node: &Node) -> Result<String, RenderError> {
    scope.script("node-info", context! {})
}
