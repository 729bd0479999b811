//! Rules about the network itself: its gateway, its DNS servers, its records and reservations.

use std::net::Ipv4Addr;

use crate::model::code;
use crate::model::dns::{Answer, Record};
use crate::model::hosts::spellings;
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
            _ if *server == gateway && network.is_own() => {
                "is the network's DNS itself, which would ask itself"
            }
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
    let of = |name: &str| format!("{name}.{}", lab.domain);
    let mut known = Known { domain: &lab.domain, names: Vec::new() };
    lab.nodes.iter().for_each(|draft| known.add("a node", &of(&draft.node.name)));
    lab.vips.iter().for_each(|vip| known.add("a floating address", &of(&vip.name)));
    for (kept, (at, _)) in network.reservations.iter().zip(&spans.reservations) {
        known.add_new("a reservation", &of(&kept.name), at, problems);
    }
    let mut others: Vec<(String, &str)> = Vec::new();
    for (record, (at, _)) in network.records.iter().zip(&spans.records) {
        let kind = match record.answer {
            _ if record.is_wildcard => "wildcards",
            Answer::Text(_) => "texts",
            Answer::Service(_) => "services",
            Answer::Address(_) | Answer::Alias(_) => {
                known.add_new("a record", &record.name, at, problems);
                continue;
            }
        };
        let own = (record.name.clone(), kind);
        if others.contains(&own) {
            let text = format!("'{}' is there twice, in two spellings", record.name);
            problems
                .push(Problem::error(&code::NAME_TWICE, at, text).help("remove one of the two"));
        }
        others.push(own);
    }
    targets(lab, &known, problems);
}

/// Names that have an address, in all spellings, each with what has it.
struct Known<'a> {
    domain: &'a str,
    names: Vec<(String, &'static str)>,
}

impl Known<'_> {
    fn add(&mut self, what: &'static str, whole: &str) {
        let spelled = spellings(whole, self.domain);
        self.names.extend(spelled.into_iter().map(|name| (name, what)));
    }

    /// The same where another may have the name already, which is told.
    fn add_new(&mut self, what: &'static str, whole: &str, at: &Span, problems: &mut Vec<Problem>) {
        let spelled = spellings(whole, self.domain);
        if let Some((name, other)) = self.names.iter().find(|(name, _)| spelled.contains(name)) {
            let text = format!("'{name}' names {other} and {what}");
            let problem = Problem::error(&code::NAME_TWICE, at, text);
            problems.push(problem.help("rename one of the two"));
        }
        self.add(what, whole);
    }
}

/// What records lead to is there, where it is for the lab to say.
fn targets(lab: &LabDraft, known: &Known<'_>, problems: &mut Vec<Problem>) {
    let (network, spans) = (&lab.network, &lab.spans.network);
    let is_alias =
        |record: &&Record| !record.is_wildcard && matches!(record.answer, Answer::Alias(_));
    let aliases: Vec<&str> =
        network.records.iter().filter(is_alias).map(|record| &*record.name).collect();
    let has_address = |name: &&str| !aliases.contains(name);
    let all = || known.names.iter().map(|(name, _)| &**name);
    for (record, (_, at)) in network.records.iter().zip(&spans.records) {
        let (target, is_there) = match &record.answer {
            Answer::Alias(target) => (target, all().filter(has_address).any(|name| name == target)),
            // Whoever serves may be anywhere; names of the lab's domain are the lab's.
            Answer::Service(service) => {
                let is_ours = service.target.ends_with(&format!(".{}", lab.domain));
                (&service.target, !is_ours || all().any(|name| name == service.target))
            }
            Answer::Address(_) | Answer::Text(_) => continue,
        };
        if is_there || spans.unread.contains(target) {
            continue;
        }
        let text = format!(
            "no node, floating address, reservation or record has the address of '{target}'"
        );
        let problem = Problem::error(&code::BAD_RECORD, at, text);
        problems.push(match nearest(target, all().filter(has_address)) {
            Some(name) => problem.help(format!("did you mean `{name}`?")),
            None => problem.help("name one that has, or write `a` with an address"),
        });
    }
}
