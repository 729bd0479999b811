//! Rules about the network itself: its gateway, its DNS servers, its records and reservations.

use std::net::Ipv4Addr;

use crate::model::code;
use crate::model::dns::{Answer, whole};
use crate::model::near::nearest;
use crate::model::topology::draft::LabDraft;
use crate::model::topology::problem::{Problem, Span};
use crate::model::topology::rules::addresses::unusable;

/// The gateway is an address of the network, and its DNS asks somebody else.
pub(crate) fn gateway(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let (network, spans) = (&lab.network, &lab.spans.network);
    let (cidr, gateway) = (network.cidr, network.gateway);
    let first = Ipv4Addr::from(u32::from(cidr.network()).saturating_add(1));
    let who = format!("{gateway} (gateway)");
    // It is its own address: what is compared with it is another one that cannot be.
    let another = if gateway == cidr.network() { cidr.broadcast() } else { cidr.network() };
    if let Some(mut flaw) = unusable(gateway, cidr, another, &who) {
        flaw.help = format!("use an address such as {first}");
        problems.push(
            Problem::of(&code::UNUSABLE_ADDRESS, &spans.gateway, flaw)
                .also(&spans.cidr, "the network"),
        );
    }
    if let Some((first, last)) = network.dhcp
        && (first..=last).contains(&gateway)
        && first != gateway
        && last != gateway
    {
        let text = format!("the gateway {gateway} is inside the DHCP range");
        let problem = Problem::error(&code::DHCP_COVERS, &spans.dhcp, text);
        problems.push(problem.help("move the range, or the gateway"));
    }
    for (server, at) in network.forwarders.iter().zip(&spans.forwarders) {
        let why = match server {
            _ if *server == gateway => "is the network's DNS itself, which would ask itself",
            _ if server.is_unspecified() || server.is_multicast() || server.is_broadcast() => {
                "is no address of a server"
            }
            _ if server.is_loopback() => "is a loopback address, which only the computer reaches",
            _ => continue,
        };
        let problem =
            Problem::error(&code::UNUSABLE_ADDRESS, at, format!("{server} (forwarder) {why}"));
        problems.push(problem.help("name a DNS server that the computer reaches, such as 9.9.9.9"));
    }
}

/// Guests beside the topology share its addresses and names.
pub(crate) fn reservations(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let (network, spans) = (&lab.network, &lab.spans.network);
    for (index, (kept, (name_at, at))) in
        network.reservations.iter().zip(&spans.reservations).enumerate()
    {
        let who = format!("{} (reservation '{}')", kept.address, kept.name);
        if let Some(flaw) = unusable(kept.address, network.cidr, network.gateway, &who) {
            problems.push(Problem::of(&code::UNUSABLE_ADDRESS, at, flaw));
        }
        let nodes = lab.nodes.iter().map(|draft| (draft.node.address, &draft.node.name));
        let vips = lab.vips.iter().map(|vip| (vip.address, &vip.name));
        let others =
            network.reservations.iter().take(index).map(|other| (other.address, &other.name));
        let holder = nodes.chain(vips).chain(others).find(|(address, _)| *address == kept.address);
        if let Some((address, name)) = holder {
            let text = format!("{address} is given to '{name}' and to '{}'", kept.name);
            let problem = Problem::error(&code::ADDRESS_TWICE, at, text);
            problems.push(problem.help("keep another address for one of them"));
        }
        let nodes = lab.nodes.iter().map(|draft| (&draft.node.mac, &draft.node.name));
        let others = network.reservations.iter().take(index).map(|other| (&other.mac, &other.name));
        if let Some((mac, name)) = nodes.chain(others).find(|(mac, _)| **mac == kept.mac) {
            let text = format!("'{name}' and '{}' have the same MAC address {mac}", kept.name);
            let problem = Problem::error(&code::MAC_TWICE, name_at, text);
            problems.push(problem.help("write the address of the guest that is meant"));
        }
    }
}

/// Names that DNS knows are each somebody's, and lead somewhere.
pub(crate) fn names(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let (network, spans) = (&lab.network, &lab.spans.network);
    let of = |name: &str| whole(name, &lab.domain);
    let mut known: Vec<(String, &str)> = Vec::new();
    known.extend(lab.nodes.iter().map(|draft| (of(&draft.node.name), "a node")));
    known.extend(lab.vips.iter().map(|vip| (of(&vip.name), "a floating address")));
    let mut told = |known: &mut Vec<(String, &'static str)>, name: &str, what, at: &Span| {
        if let Some((_, other)) = known.iter().find(|(other, _)| other == name) {
            let text = format!("'{name}' names {other} and {what}");
            let problem = Problem::error(&code::NAME_TWICE, at, text);
            problems.push(problem.help("rename one of the two"));
        }
        known.push((name.to_owned(), what));
    };
    let mut all = known.clone();
    for (kept, (at, _)) in network.reservations.iter().zip(&spans.reservations) {
        told(&mut all, &of(&kept.name), "a reservation", at);
    }
    let of_records = || network.records.iter().zip(&spans.records);
    for (record, (at, _)) in of_records().filter(|(record, _)| !record.is_wildcard) {
        match record.answer {
            Answer::Address(_) | Answer::Alias(_) => told(&mut all, &record.name, "a record", at),
            Answer::Text(_) | Answer::Service(_) => {}
        }
    }
    targets(lab, &all, problems);
}

/// What records lead to.
fn targets(lab: &LabDraft, known: &[(String, &str)], problems: &mut Vec<Problem>) {
    let (network, spans) = (&lab.network, &lab.spans.network);
    let aliases = network.records.iter().filter(|record| matches!(record.answer, Answer::Alias(_)));
    let aliases: Vec<&str> = aliases.map(|record| &*record.name).collect();
    let hosts = || known.iter().map(|(name, _)| &**name).filter(|name| !aliases.contains(name));
    for (record, (_, at)) in network.records.iter().zip(&spans.records) {
        let Answer::Alias(target) = &record.answer else { continue };
        if hosts().any(|name| name == target) {
            continue;
        }
        let text = format!(
            "no node, floating address, reservation or record has the address of '{target}'"
        );
        let problem = Problem::error(&code::BAD_RECORD, at, text);
        problems.push(match nearest(target, hosts()) {
            Some(name) => problem.help(format!("did you mean `{name}`?")),
            None => problem.help("name one that has, or write `a` with an address"),
        });
    }
}
