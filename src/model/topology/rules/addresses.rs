//! Rules about single addresses: of nodes, floating ones, the DHCP range, pods.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::inventory::overlap;
use crate::model::topology::draft::{LabDraft, NodeDraft};
use crate::model::topology::problem::{Problem, Span};

/// False when the network has too few addresses for the nodes.
pub(crate) fn addresses(lab: &mut LabDraft, problems: &mut Vec<Problem>) -> bool {
    let (cidr, gateway) = (lab.network.cidr, lab.network.gateway);
    // All addresses but the network's own, the gateway's and the broadcast.
    let capacity = (1usize << (32 - cidr.prefix_len())).saturating_sub(3);
    if lab.nodes.len() > capacity {
        problems.push(
            Problem::error(
                &code::TOO_FEW_ADDRESSES,
                &lab.spans.nodes,
                format!(
                    "{} nodes asked; {cidr} has {capacity} addresses for nodes",
                    lab.nodes.len()
                ),
            )
            .also(&lab.spans.network.cidr, "this network")
            .help("use a larger network or fewer nodes"),
        );
        return false;
    }
    let mut taken: HashSet<Ipv4Addr> =
        lab.nodes.iter().filter(|d| d.has_address).map(|d| d.node.address).collect();
    taken.extend(lab.vips.iter().map(|vip| vip.address));
    taken.extend(lab.network.reservations.iter().map(|kept| kept.address));
    taken.insert(gateway);
    let range = lab.network.dhcp;
    let (first, last) = (u32::from(cidr.network()), u32::from(cidr.broadcast()));
    let hosts = (first.saturating_add(11)..last).chain(first.saturating_add(2)..last);
    let mut free = hosts
        .map(Ipv4Addr::from)
        .filter(|a| !taken.contains(a) && !range.is_some_and(|(x, y)| (x..=y).contains(a)));
    let mut given = HashSet::new();
    for draft in &mut lab.nodes {
        if !draft.has_address {
            match free.find(|address| given.insert(*address)) {
                Some(address) => draft.node.address = address,
                None => problems.push(
                    Problem::error(
                        &code::TOO_FEW_ADDRESSES,
                        &draft.name_span,
                        format!("no address is left for '{}'", draft.node.name),
                    )
                    .help("use a larger network or a smaller DHCP range"),
                ),
            }
            continue;
        }
        let who = format!("{} ({})", draft.node.address, draft.node.name);
        if let Some(flaw) = unusable(draft.node.address, cidr, gateway, &who) {
            problems.push(
                Problem::of(&code::UNUSABLE_ADDRESS, &draft.address_span, flaw)
                    .also(&lab.spans.network.cidr, "the network"),
            );
        }
    }
    true
}

pub(crate) fn unusable(
    address: Ipv4Addr,
    cidr: Ipv4Net,
    gateway: Ipv4Addr,
    who: &str,
) -> Option<Flaw> {
    let third = Ipv4Addr::from(u32::from(cidr.network()).saturating_add(3));
    let example = if third == gateway { Ipv4Addr::from(u32::from(third) + 1) } else { third };
    let (what, cure) = if !cidr.contains(&address) {
        (format!("is not inside {cidr}"), format!("use an address such as {example}"))
    } else if address == gateway {
        ("is the gateway's address".into(), format!("use {example} or later"))
    } else if address == cidr.network() {
        ("is the network's own address".into(), format!("use {example} or later"))
    } else if address == cidr.broadcast() {
        ("is the broadcast address".into(), "use an earlier address".into())
    } else {
        return None;
    };
    Some(Flaw::new(format!("{who} {what}"), cure))
}

pub(crate) fn duplicates(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let mut addresses: HashMap<Ipv4Addr, &NodeDraft> = HashMap::new();
    let mut macs: HashMap<&str, &NodeDraft> = HashMap::new();
    for draft in &lab.nodes {
        let (name, address) = (&draft.node.name, draft.node.address);
        if let Some(first) = addresses.insert(address, draft).filter(|_| draft.has_address) {
            problems.push(
                Problem::error(
                    &code::ADDRESS_TWICE,
                    &draft.address_span,
                    format!("{address} is given to '{}' and to '{name}'", first.node.name),
                )
                .label(format!("'{name}' gets it here"))
                .also(&first.address_span, format!("'{}' gets it here", first.node.name))
                .help("move one group's `first_address`, or override one node's `address`"),
            );
        }
        // Those of one name have one that is derived from it, and are spoken of already.
        let namesake = |first: &&NodeDraft| first.node.name != draft.node.name;
        if let Some(first) = macs.insert(&draft.node.mac, draft).filter(namesake) {
            problems.push(
                Problem::error(
                    &code::MAC_TWICE,
                    &draft.mac_span,
                    format!("'{}' and '{name}' have the same MAC address", first.node.name),
                )
                .label("used again")
                .also(&first.mac_span, "first used here")
                .note("libvirt accepts this; both nodes would fight for one address")
                .help("remove one `mac` line; lab then derives a stable one"),
            );
        }
    }
}

pub(crate) fn dhcp(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let Some((first, last)) = lab.network.dhcp else { return };
    let at = &lab.spans.network.dhcp;
    for end in [first, last] {
        let who = format!("{end} (end of the DHCP range)");
        if let Some(flaw) = unusable(end, lab.network.cidr, lab.network.gateway, &who) {
            problems.push(Problem::of(&code::DHCP_OUTSIDE, at, flaw));
        }
    }
    let nodes = lab.nodes.iter().map(|d| (d.node.address, d.node.name.as_str(), &d.address_span));
    let vips = lab.vips.iter().zip(&lab.spans.vips).map(|(v, s)| (v.address, v.name.as_str(), s));
    for (address, name, span) in nodes.chain(vips) {
        if (first..=last).contains(&address) {
            problems.push(
                Problem::error(
                    &code::DHCP_COVERS,
                    span,
                    format!("{address} ({name}) is inside the DHCP range"),
                )
                .also(at, "the range")
                .help("DHCP could hand it to another guest; move one of the two"),
            );
        }
    }
}

pub(crate) fn vips(lab: &LabDraft, problems: &mut Vec<Problem>) {
    for (index, (vip, at)) in lab.vips.iter().zip(&lab.spans.vips).enumerate() {
        let who = format!("{} (floating address '{}')", vip.address, vip.name);
        if let Some(flaw) = unusable(vip.address, lab.network.cidr, lab.network.gateway, &who) {
            problems.push(Problem::of(&code::UNUSABLE_ADDRESS, at, flaw));
        }
        if let Some(node) = lab.nodes.iter().find(|d| d.node.address == vip.address) {
            problems.push(
                Problem::error(
                    &code::FLOATING_TAKEN,
                    at,
                    format!(
                        "floating address {} is the address of node '{}'",
                        vip.address, node.node.name
                    ),
                )
                .also(&node.address_span, "the node's")
                .help("a floating address must belong to no node"),
            );
        }
        let earlier = lab.vips.iter().take(index).position(|other| other.address == vip.address);
        if let Some(first) = earlier.and_then(|first| lab.spans.vips.get(first)) {
            problems.push(
                Problem::error(
                    &code::FLOATING_TAKEN,
                    at,
                    format!("floating address {} is given twice", vip.address),
                )
                .also(first, "first given here")
                .help("remove one of the two"),
            );
        }
        if !lab.nodes.iter().any(|d| d.node.is(vip.role)) {
            problems.push(
                Problem::error(
                    &code::FLOATING_WITHOUT_NODES,
                    at,
                    format!("no node has the role {} to hold '{}'", vip.role, vip.name),
                )
                .help(format!(
                    "give a group the role {}, or remove the floating address",
                    vip.role
                )),
            );
        }
    }
}

/// Gives each node with pods its pod subnet by its own address, so that neighbours keep theirs when nodes
/// come and go.
pub(crate) fn pod_subnets(lab: &mut LabDraft, problems: &mut Vec<Problem>) {
    let (pods, mask) = (lab.kubernetes.pod_cidr, lab.kubernetes.node_mask);
    if mask <= pods.prefix_len() || mask > 30 {
        return;
    }
    let base = u32::from(lab.network.cidr.network());
    let count = 1u64 << (mask - pods.prefix_len());
    let mut seen: HashMap<Ipv4Net, (String, Span)> = HashMap::new();
    let kubernetes = &lab.kubernetes;
    let (with_pods, others): (Vec<_>, Vec<_>) =
        lab.nodes.iter_mut().partition(|draft| kubernetes.has_pods(&draft.node.roles));
    for draft in with_pods {
        let offset = u64::from(u32::from(draft.node.address).wrapping_sub(base)) % count;
        let start = u32::from(pods.network()).wrapping_add((offset as u32) << (32 - mask));
        let derived = Ipv4Net::new_assert(Ipv4Addr::from(start), mask);
        let subnet = *draft.node.pod_subnet.get_or_insert(derived);
        if !pods.contains(&subnet) {
            problems.push(
                Problem::error(
                    &code::POD_SUBNET_OUTSIDE,
                    &draft.pod_span,
                    format!("pod subnet {subnet} of '{}' is not inside {pods}", draft.node.name),
                )
                .also(&lab.spans.pod_cidr, "the pod network")
                .help(format!("write for example {derived}")),
            );
        }
        let here = (draft.node.name.clone(), draft.pod_span.clone());
        let clash = seen.iter().find(|(net, _)| overlap(**net, subnet));
        if let Some((_, (first, at))) = clash {
            let name = &draft.node.name;
            let text = format!("'{first}' and '{name}' would share the pod subnet {subnet}");
            let mut problem = Problem::error(&code::POD_SUBNETS_CLASH, &draft.pod_span, text);
            if *at != draft.pod_span {
                problem = problem.also(at, format!("'{first}'"));
            }
            problems.push(
                problem
                    .note(format!("{pods} holds {count} subnets of /{mask}; each worker takes the one of its address"))
                    .help("use a larger pod_cidr or node_mask, or set `pod_subnet` under `overrides`"),
            );
        }
        seen.insert(subnet, here);
    }
    for draft in others {
        if draft.node.pod_subnet.take().is_some() {
            problems.push(
                Problem::error(
                    &code::POD_SUBNET_WITHOUT_PODS,
                    &draft.pod_span,
                    format!("'{}' is no worker and has no pods", draft.node.name),
                )
                .help("remove its `pod_subnet`"),
            );
        }
    }
}
