//! The rules between fields of one topology: clashes, capacity, quorum. No IO: what must be
//! compared with the computer itself is checked by the engine.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::lab::{Kubernetes, Network, Vip};
use super::name::check_label;
use super::problem::{Problem, Span};
use super::resolve::{Draft as NodeDraft, Places};
use super::role::Role;
use super::size;

/// A lab in the making, with its places in the file.
pub(super) struct Draft {
    pub network: Network,
    pub vips: Vec<Vip>,
    pub kubernetes: Kubernetes,
    pub drafts: Vec<NodeDraft>,
    pub places: Places,
    pub domain: String,
}

/// Applies every rule and fills in what depends on several fields (addresses, pod subnets).
pub(super) fn apply(lab: &mut Draft, problems: &mut Vec<Problem>) {
    names(lab, problems);
    networks(lab, problems);
    // A role that could not be read would be missed here a second time.
    if !problems.iter().any(|problem| ["L0123", "L0205"].contains(&problem.code)) {
        quorum(lab, problems);
    }
    sizes(lab, problems);
    // With too few addresses every later finding about them would be noise.
    if addresses(lab, problems) {
        duplicates(lab, problems);
        dhcp(lab, problems);
        vips(lab, problems);
        pod_subnets(lab, problems);
    }
}

fn names(lab: &Draft, problems: &mut Vec<Problem>) {
    let mut seen: HashMap<String, &Span> = HashMap::new();
    for draft in &lab.drafts {
        let name = &draft.node.name;
        if let Err((message, help)) = check_label("node name", name, 40) {
            problems.push(Problem::error("L0201", &draft.name_span, message).help(help));
        }
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), &draft.name_span) {
            problems.push(
                Problem::error(
                    "L0203",
                    &draft.name_span,
                    format!("node name '{name}' is used twice"),
                )
                .label("used again")
                .also(first, "first used here")
                .help("rename one of the groups or nodes"),
            );
        }
        for vip in lab.vips.iter().filter(|vip| vip.name == *name) {
            problems.push(
                Problem::error(
                    "L0203",
                    &draft.name_span,
                    format!("'{}' names a node and a floating address", vip.name),
                )
                .help(format!("rename the floating address, for example '{}-vip'", vip.name)),
            );
        }
    }
}

/// False when the network has too few addresses for the nodes.
fn addresses(lab: &mut Draft, problems: &mut Vec<Problem>) -> bool {
    let (cidr, gateway) = (lab.network.cidr, lab.network.gateway);
    // All addresses but the network's own, the gateway's and the broadcast.
    let capacity = (1usize << (32 - cidr.prefix_len())).saturating_sub(3);
    if lab.drafts.len() > capacity {
        problems.push(
            Problem::error(
                "L0310",
                &lab.places.nodes,
                format!(
                    "{} nodes asked; {cidr} has {capacity} addresses for nodes",
                    lab.drafts.len()
                ),
            )
            .also(&lab.places.cidr, "this network")
            .help("use a larger network or fewer nodes"),
        );
        return false;
    }
    let mut taken: HashSet<Ipv4Addr> =
        lab.drafts.iter().filter(|d| d.has_address).map(|d| d.node.address).collect();
    taken.extend(lab.vips.iter().map(|vip| vip.address));
    let range = lab.network.dhcp;
    let (first, last) = (u32::from(cidr.network()), u32::from(cidr.broadcast()));
    let hosts = (first.saturating_add(11)..last).chain(first.saturating_add(2)..last);
    let mut free = hosts
        .map(Ipv4Addr::from)
        .filter(|a| !taken.contains(a) && !range.is_some_and(|(x, y)| (x..=y).contains(a)));
    let mut given = HashSet::new();
    for draft in &mut lab.drafts {
        if !draft.has_address {
            match free.find(|address| given.insert(*address)) {
                Some(address) => draft.node.address = address,
                None => problems.push(
                    Problem::error(
                        "L0310",
                        &draft.name_span,
                        format!("no address is left for '{}'", draft.node.name),
                    )
                    .help("use a larger network or a smaller DHCP range"),
                ),
            }
            continue;
        }
        let who = format!("{} ({})", draft.node.address, draft.node.name);
        if let Some((message, help)) = unusable(draft.node.address, cidr, gateway, &who) {
            problems.push(
                Problem::error("L0311", &draft.address_span, message)
                    .also(&lab.places.cidr, "the network")
                    .help(help),
            );
        }
    }
    true
}

fn unusable(
    address: Ipv4Addr,
    cidr: Ipv4Net,
    gateway: Ipv4Addr,
    who: &str,
) -> Option<(String, String)> {
    let example = Ipv4Addr::from(u32::from(cidr.network()).saturating_add(3));
    if !cidr.contains(&address) {
        Some((format!("{who} is not inside {cidr}"), format!("use an address such as {example}")))
    } else if address == gateway {
        Some((format!("{who} is the gateway's address"), format!("use {example} or later")))
    } else if address == cidr.network() {
        Some((format!("{who} is the network's own address"), format!("use {example} or later")))
    } else if address == cidr.broadcast() {
        Some((format!("{who} is the broadcast address"), "use an earlier address".into()))
    } else {
        None
    }
}

fn duplicates(lab: &Draft, problems: &mut Vec<Problem>) {
    let mut addresses: HashMap<Ipv4Addr, &NodeDraft> = HashMap::new();
    let mut macs: HashMap<&str, &NodeDraft> = HashMap::new();
    for draft in &lab.drafts {
        let (name, address) = (&draft.node.name, draft.node.address);
        if let Some(first) = addresses.insert(address, draft).filter(|_| draft.has_address) {
            problems.push(
                Problem::error(
                    "L0312",
                    &draft.address_span,
                    format!("{address} is given to '{}' and to '{name}'", first.node.name),
                )
                .label(format!("'{name}' gets it here"))
                .also(&first.address_span, format!("'{}' gets it here", first.node.name))
                .help("move one group's `first_address`, or override one node's `address`"),
            );
        }
        if let Some(first) = macs.insert(&draft.node.mac, draft) {
            problems.push(
                Problem::error(
                    "L0313",
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

fn dhcp(lab: &Draft, problems: &mut Vec<Problem>) {
    let Some((first, last)) = lab.network.dhcp else { return };
    let at = &lab.places.dhcp;
    for end in [first, last] {
        let who = format!("{end} (end of the DHCP range)");
        if let Some((message, help)) = unusable(end, lab.network.cidr, lab.network.gateway, &who) {
            problems.push(Problem::error("L0314", at, message).help(help));
        }
    }
    let nodes = lab.drafts.iter().map(|d| (d.node.address, d.node.name.as_str(), &d.address_span));
    let vips = lab.vips.iter().zip(&lab.places.vips).map(|(v, s)| (v.address, v.name.as_str(), s));
    for (address, name, span) in nodes.chain(vips) {
        if (first..=last).contains(&address) {
            problems.push(
                Problem::error(
                    "L0315",
                    span,
                    format!("{address} ({name}) is inside the DHCP range"),
                )
                .also(at, "the range")
                .help("DHCP could hand it to another guest; move one of the two"),
            );
        }
    }
}

fn vips(lab: &Draft, problems: &mut Vec<Problem>) {
    for (index, (vip, at)) in lab.vips.iter().zip(&lab.places.vips).enumerate() {
        let who = format!("{} (floating address '{}')", vip.address, vip.name);
        if let Some((message, help)) =
            unusable(vip.address, lab.network.cidr, lab.network.gateway, &who)
        {
            problems.push(Problem::error("L0311", at, message).help(help));
        }
        if let Some(node) = lab.drafts.iter().find(|d| d.node.address == vip.address) {
            problems.push(
                Problem::error(
                    "L0316",
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
        if let Some(first) = earlier.and_then(|first| lab.places.vips.get(first)) {
            problems.push(
                Problem::error(
                    "L0316",
                    at,
                    format!("floating address {} is given twice", vip.address),
                )
                .also(first, "first given here")
                .help("remove one of the two"),
            );
        }
        if !lab.drafts.iter().any(|d| d.node.is(vip.role)) {
            problems.push(
                Problem::error(
                    "L0317",
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

fn networks(lab: &Draft, problems: &mut Vec<Problem>) {
    let k = &lab.kubernetes;
    let all = [
        ("node network", lab.network.cidr, &lab.places.cidr),
        ("service network", k.service_cidr, &lab.places.service_cidr),
        ("pod network", k.pod_cidr, &lab.places.pod_cidr),
    ];
    for (index, (name, net, at)) in all.iter().enumerate() {
        for (other, other_net, other_at) in all.iter().take(index) {
            if net.contains(other_net) || other_net.contains(net) {
                problems.push(
                    Problem::error(
                        "L0320",
                        at,
                        format!("the {name} {net} and the {other} {other_net} overlap"),
                    )
                    .also(other_at, format!("the {other}"))
                    .help("choose networks that have no address in common"),
                );
            }
        }
    }
    let services = (1usize << (32 - k.service_cidr.prefix_len())).saturating_sub(2);
    if services < 10 {
        problems.push(
            Problem::error(
                "L0321",
                &lab.places.service_cidr,
                format!(
                    "service network {} has {services} addresses; at least 10 are needed",
                    k.service_cidr
                ),
            )
            .note("cluster DNS lives at the tenth")
            .help("use a /24"),
        );
    }
    if k.service_cidr.prefix_len() < 12 {
        problems.push(
            Problem::error(
                "L0321",
                &lab.places.service_cidr,
                format!("service network {} is too large for the API server", k.service_cidr),
            )
            .help("use a prefix from /12 to /28"),
        );
    }
    if k.node_mask <= k.pod_cidr.prefix_len() {
        problems.push(
            Problem::error(
                "L0322",
                &lab.places.node_mask,
                format!("a /{} pod subnet per node does not fit into {}", k.node_mask, k.pod_cidr),
            )
            .help(format!("use a node_mask above {}", k.pod_cidr.prefix_len())),
        );
    }
}

fn quorum(lab: &Draft, problems: &mut Vec<Problem>) {
    let count = |role| lab.drafts.iter().filter(|d| d.node.is(role)).count();
    let (etcd, control, workers) =
        (count(Role::Etcd), count(Role::ControlPlane), count(Role::Worker));
    let at = &lab.places.nodes;
    for (number, role) in
        [(etcd, Role::Etcd), (control, Role::ControlPlane), (workers, Role::Worker)]
    {
        if number == 0 {
            problems.push(
                Problem::error("L0410", at, format!("no node has the role {role}")).help(format!(
                    "add a group with `roles: [{role}]`; one node may have several roles"
                )),
            );
        }
    }
    if etcd > 7 {
        problems.push(
            Problem::error("L0411", at, format!("{etcd} etcd members are too many"))
                .note("every write waits for a majority of the members")
                .help("use 3, 5 or at most 7"),
        );
    } else if etcd > 0 && etcd % 2 == 0 {
        problems.push(
            Problem::warning(
                "L0411",
                at,
                format!("{etcd} etcd members survive no more failures than {}", etcd - 1),
            )
            .help(format!("use {} or {}", etcd - 1, etcd + 1)),
        );
    }
    let fronted =
        lab.vips.iter().any(|vip| matches!(vip.role, Role::ControlPlane | Role::LoadBalancer))
            || count(Role::LoadBalancer) > 0;
    if control > 1 && !fronted {
        problems.push(
            Problem::warning(
                "L0412",
                at,
                format!(
                    "{control} controllers, but no floating address and no load balancer in front"
                ),
            )
            .help("add a floating address under `vips`, or load-balancer nodes"),
        );
    }
}

fn sizes(lab: &Draft, problems: &mut Vec<Problem>) {
    for draft in &lab.drafts {
        let node = &draft.node;
        if node.memory_mib < 256 || node.memory_mib > 4 << 20 {
            problems.push(
                Problem::error(
                    "L0210",
                    &draft.name_span,
                    format!("'{}' has {} MiB of memory", node.name, node.memory_mib),
                )
                .help("give it between 256MiB and 4TiB"),
            );
        }
        if node.disk_bytes < 3 << 30 {
            problems.push(
                Problem::error(
                    "L0211",
                    &draft.name_span,
                    format!("'{}' has a disk of {}", node.name, size::human(node.disk_bytes)),
                )
                .help("give it at least 3GiB; space is taken only as it fills"),
            );
        }
    }
}

/// Gives each worker its pod subnet by its own address, so that neighbours keep theirs when nodes
/// come and go.
fn pod_subnets(lab: &mut Draft, problems: &mut Vec<Problem>) {
    let (pods, mask) = (lab.kubernetes.pod_cidr, lab.kubernetes.node_mask);
    if mask <= pods.prefix_len() || mask > 30 {
        return;
    }
    let base = u32::from(lab.network.cidr.network());
    let count = 1u64 << (mask - pods.prefix_len());
    let mut seen: HashMap<Ipv4Net, (String, Span)> = HashMap::new();
    for draft in lab.drafts.iter_mut().filter(|d| d.node.is(Role::Worker)) {
        let offset = u64::from(u32::from(draft.node.address).wrapping_sub(base)) % count;
        let start = u32::from(pods.network()).wrapping_add((offset as u32) << (32 - mask));
        let derived = Ipv4Net::new_assert(Ipv4Addr::from(start), mask);
        let subnet = *draft.node.pod_subnet.get_or_insert(derived);
        if !pods.contains(&subnet) {
            problems.push(
                Problem::error(
                    "L0323",
                    &draft.pod_span,
                    format!("pod subnet {subnet} of '{}' is not inside {pods}", draft.node.name),
                )
                .also(&lab.places.pod_cidr, "the pod network")
                .help(format!("write for example {derived}")),
            );
        }
        let here = (draft.node.name.clone(), draft.pod_span.clone());
        let clash = seen.iter().find(|(net, _)| net.contains(&subnet) || subnet.contains(*net));
        if let Some((_, (first, at))) = clash {
            let name = &draft.node.name;
            let text = format!("'{first}' and '{name}' would share the pod subnet {subnet}");
            let mut problem = Problem::error("L0324", &draft.pod_span, text);
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
    for draft in lab.drafts.iter_mut().filter(|d| !d.node.is(Role::Worker)) {
        if draft.node.pod_subnet.take().is_some() {
            problems.push(
                Problem::error(
                    "L0325",
                    &draft.pod_span,
                    format!("'{}' is no worker and has no pods", draft.node.name),
                )
                .help("remove its `pod_subnet`"),
            );
        }
    }
}
