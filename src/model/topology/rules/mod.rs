//! The rules between fields of one topology: clashes, capacity, quorum. No IO: what must be
//! compared with the computer itself is checked by the engine.

mod addresses;
mod balancing;
mod network;

use std::collections::HashMap;

use ipnet::Ipv4Net;

use crate::model::code;
use crate::model::inventory::overlap;
use crate::model::name::check_label;
use crate::model::role::Role;
use crate::model::size;
use crate::model::topology::draft::{LabDraft, NodeDraft};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span};
use crate::model::version::Version;

/// Applies every rule and fills in what depends on several fields (addresses, pod subnets).
pub(crate) fn apply(lab: &mut LabDraft, problems: &mut Vec<Problem>) {
    names(lab, problems);
    release(lab, problems);
    networks(lab, problems);
    let is_read = nodes_are_read(lab, problems);
    if is_read && !lab.kubernetes.is_none() {
        quorum(lab, problems);
    }
    if !lab.kubernetes.is_none() {
        domains(lab, problems);
        room_for_pods(lab, problems);
        ingress(lab, problems);
    }
    sizes(lab, problems);
    network::gateway(lab, problems);
    // With too few addresses every later finding about them would be noise.
    if is_read && addresses::addresses(lab, problems) {
        addresses::duplicates(lab, problems);
        addresses::dhcp(lab, problems);
        addresses::vips(lab, problems);
        network::reservations(lab, problems);
        network::names(lab, problems);
        balancing::rules(lab, problems);
        addresses::pod_subnets(lab, problems);
    }
}

/// False where something of the nodes was refused from which roles, numbers and addresses follow: what is judged of
/// the rest would be told of values that nobody typed.
fn nodes_are_read(lab: &LabDraft, problems: &[Problem]) -> bool {
    let unread = [
        &code::BAD_WORD,
        &code::NO_ROLES,
        &code::NO_VALUE,
        &code::WRONG_SHAPE,
        &code::UNKNOWN_FIELD,
        &code::BAD_NUMBER,
        &code::BAD_ADDRESS,
        &code::BAD_NETWORK,
        &code::NO_SUCH_OVERRIDE,
    ];
    let is_of_nodes = |problem: &&Problem| {
        problem.span.as_ref().is_some_and(|span| lab.spans.all_nodes.contains(&span.start))
    };
    !problems.iter().filter(is_of_nodes).any(|problem| unread.contains(&problem.code))
}

/// Why a network cannot be one of a lab's.
fn cannot_be(net: Ipv4Net) -> Option<&'static str> {
    let lies_in = |of: [u8; 4], prefix| {
        Ipv4Net::new(of.into(), prefix).is_ok_and(|other| overlap(other, net))
    };
    match () {
        () if lies_in([127, 0, 0, 0], 8) => {
            Some("is loopback, which every computer keeps to itself")
        }
        () if lies_in([224, 0, 0, 0], 4) => Some("is multicast, which no node can have"),
        () if lies_in([0, 0, 0, 0], 8) || lies_in([240, 0, 0, 0], 4) => {
            Some("is reserved, and no system takes addresses of it")
        }
        () if lies_in([169, 254, 0, 0], 16) => Some("is link-local, which nobody routes"),
        () => None,
    }
}

/// True for addresses that nobody has in the internet: for private use, shared, for tests and documents.
fn is_private(net: Ipv4Net) -> bool {
    let kept: [([u8; 4], u8); 8] = [
        ([10, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
        ([100, 64, 0, 0], 10),
        ([198, 18, 0, 0], 15),
        ([192, 0, 2, 0], 24),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
    ];
    kept.iter().any(|(of, prefix)| {
        Ipv4Net::new((*of).into(), *prefix).is_ok_and(|kept| kept.contains(&net))
    })
}

/// Names that pods ask for and names of nodes are answered by different servers.
fn domains(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let (nodes, services) = (&lab.domain, &lab.kubernetes.cluster_domain);
    let lies_in = |inner: &str, outer: &str| {
        inner.strip_suffix(outer).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if lies_in(nodes, services) || lies_in(services, nodes) {
        let text = format!("the nodes' domain {nodes} and the services' {services} meet");
        problems.push(
            Problem::warning(&code::DOMAINS_MEET, &lab.spans.domain, text)
                .help("write another `domain`, or another `cluster_domain`"),
        );
    }
}

/// Pods that tolerate nothing need one worker that takes them.
fn room_for_pods(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let keeps_off =
        |draft: &NodeDraft| draft.node.told.taints.iter().any(|t| t.effect != "PreferNoSchedule");
    let mut workers = lab.nodes.iter().filter(|draft| draft.node.is(Role::Worker)).peekable();
    let Some(first) = workers.peek().map(|draft| draft.name_span.clone()) else { return };
    if workers.all(keeps_off) {
        let text = "every worker has a taint: pods without a toleration find no node";
        problems.push(
            Problem::warning(&code::NO_ROOM_FOR_PODS, &first, text)
                .help("leave one worker without, or use the effect PreferNoSchedule"),
        );
    }
}

fn ingress(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let ports = lab.kubernetes.ingress;
    if ports.http == ports.https {
        let text = format!("`http` and `https` both lead to port {}", ports.http);
        problems.push(
            Problem::error(&code::INGRESS_TWICE, &lab.spans.ingress, text).help(format!(
                "write another node port for one, such as {}",
                other_port(ports.http)
            )),
        );
    }
}

fn other_port(port: u16) -> u16 {
    if port == preset::HTTPS { preset::HTTP } else { preset::HTTPS }
}

fn names(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let mut seen: HashMap<String, &Span> = HashMap::new();
    for draft in &lab.nodes {
        let name = &draft.node.name;
        let is_told = problems.iter().any(|problem| {
            problem.code == &code::BAD_NAME && problem.span.as_ref() == Some(&draft.name_span)
        });
        if let Err(flaw) = check_label("node name", name, 40)
            && !is_told
        {
            problems.push(Problem::of(&code::BAD_NAME, &draft.name_span, flaw));
        }
        if is_number(name) {
            let text = format!("'{name}' is read as an address, not as a name");
            problems.push(
                Problem::error(&code::BAD_NAME, &draft.name_span, text)
                    .help(format!("write 'node-{name}', or another word")),
            );
        }
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), &draft.name_span) {
            problems.push(
                Problem::error(
                    &code::NAME_TWICE,
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
                    &code::NAME_TWICE,
                    &draft.name_span,
                    format!("'{}' names a node and a floating address", vip.name),
                )
                .help(format!("rename the floating address, for example '{}-vip'", vip.name)),
            );
        }
    }
}

/// True for what resolvers take for an address: numbers, also hexadecimal ones.
fn is_number(name: &str) -> bool {
    let (digits, radix) = name.strip_prefix("0x").map_or((name, 10), |digits| (digits, 16));
    digits.chars().all(|digit| digit.is_digit(radix))
}

/// A release that came after this `lab` is no reason to refuse: most change nothing that matters here.
fn release(lab: &LabDraft, problems: &mut Vec<Problem>) {
    if let Some(text) = lab.kubernetes.version.and_then(Version::unknown) {
        problems.push(
            Problem::warning(&code::NEWER_VERSION, &lab.spans.version, text)
                .help("`lab verify` shows whether that did; a newer `lab` may know more"),
        );
    }
}

fn networks(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let k = &lab.kubernetes;
    let mut all = vec![("node network", lab.network.cidr, &lab.spans.network.cidr)];
    if !k.is_none() {
        all.push(("service network", k.service_cidr, &lab.spans.service_cidr));
        all.push(("pod network", k.pod_cidr, &lab.spans.pod_cidr));
    }
    for (index, (name, net, at)) in all.iter().enumerate() {
        if let Some(why) = cannot_be(*net) {
            problems.push(
                Problem::error(&code::BAD_NETWORK, at, format!("the {name} {net} {why}"))
                    .help("take one for private use, such as 10.240.0.0/24"),
            );
            continue;
        }
        if !is_private(*net) {
            let text = format!(
                "the {name} {net} is of the internet; what is there is not reached any more"
            );
            problems.push(
                Problem::warning(&code::PUBLIC_NETWORK, at, text)
                    .help("take one for private use, such as 10.240.0.0/24"),
            );
        }
        for (other, other_net, other_at) in all.iter().take(index) {
            if overlap(*net, *other_net) {
                problems.push(
                    Problem::error(
                        &code::NETWORKS_OVERLAP,
                        at,
                        format!("the {name} {net} and the {other} {other_net} overlap"),
                    )
                    .also(other_at, format!("the {other}"))
                    .help("choose networks that have no address in common"),
                );
            }
        }
    }
    if k.is_none() {
        return;
    }
    let services = (1usize << (32 - k.service_cidr.prefix_len())).saturating_sub(2);
    if services < 10 {
        problems.push(
            Problem::error(
                &code::SERVICE_NETWORK_SIZE,
                &lab.spans.service_cidr,
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
                &code::SERVICE_NETWORK_SIZE,
                &lab.spans.service_cidr,
                format!("service network {} is too large for the API server", k.service_cidr),
            )
            .help("use a prefix from /12 to /28"),
        );
    }
    if k.node_mask <= k.pod_cidr.prefix_len() {
        problems.push(
            Problem::error(
                &code::POD_SUBNET_SIZE,
                &lab.spans.node_mask,
                format!("a /{} pod subnet per node does not fit into {}", k.node_mask, k.pod_cidr),
            )
            .help(format!("use a node_mask above {}", k.pod_cidr.prefix_len())),
        );
    }
}

fn quorum(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let count = |role| lab.nodes.iter().filter(|d| d.node.is(role)).count();
    let (etcd, control, workers) =
        (count(Role::Etcd), count(Role::ControlPlane), count(Role::Worker));
    let at = &lab.spans.nodes;
    for (number, role) in
        [(etcd, Role::Etcd), (control, Role::ControlPlane), (workers, Role::Worker)]
    {
        if number == 0 {
            problems.push(
                Problem::error(&code::MISSING_ROLE, at, format!("no node has the role {role}"))
                    .help(format!(
                        "add a group with `roles: [{role}]`; one node may have several roles"
                    )),
            );
        }
    }
    if etcd > 7 {
        problems.push(
            Problem::error(&code::ETCD_MEMBERS, at, format!("{etcd} etcd members are too many"))
                .note("every write waits for a majority of the members")
                .help("use 3, 5 or at most 7"),
        );
    } else if etcd > 0 && etcd % 2 == 0 {
        problems.push(
            Problem::warning(
                &code::ETCD_MEMBERS,
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
                &code::NO_FRONT,
                at,
                format!(
                    "{control} controllers, but no floating address and no load balancer in front"
                ),
            )
            .help("add a floating address under `vips`, or load-balancer nodes"),
        );
    }
}

fn sizes(lab: &LabDraft, problems: &mut Vec<Problem>) {
    for draft in &lab.nodes {
        let node = &draft.node;
        if node.memory_mib < 256 || node.memory_mib > 4 << 20 {
            problems.push(
                Problem::error(
                    &code::MEMORY_SIZE,
                    &draft.name_span,
                    format!("'{}' has {} MiB of memory", node.name, node.memory_mib),
                )
                .help("give it between 256MiB and 4TiB"),
            );
        }
        if node.disk_bytes < 3 << 30 {
            problems.push(
                Problem::error(
                    &code::DISK_SIZE,
                    &draft.name_span,
                    format!("'{}' has a disk of {}", node.name, size::human(node.disk_bytes)),
                )
                .help("give it at least 3GiB; space is taken only as it fills"),
            );
        }
    }
}
