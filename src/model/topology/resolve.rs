//! From a checked YAML tree to a [`Lab`]: defaults, counting, derived identities.
//!
//! Everything here tolerates fields that [`crate::model::topology::check`] already refused: it skips them, so that
//! one run shows all problems. The rules between fields are in [`crate::model::topology::rules`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Map;

use crate::model::lab::{
    Cloning, Ingress, Kubernetes, Lab, Machine, Network, Node, Options, PodNetwork, Ssh, Vip,
};
use crate::model::name::{self, Owner};
use crate::model::role::Role;
use crate::model::size;
use crate::model::topology::problem::{Problem, Span, printable};
use crate::model::topology::yaml::{self, Node as Yaml};
use crate::model::topology::{check, cloud_config, rules, schema};
use crate::model::version::Version;

const DEFAULT_OS: &str = "debian-12";

/// A topology's text turned into a lab, with warnings that do not keep it from being built.
#[derive(Debug)]
pub struct Loaded {
    /// The lab.
    pub lab: Lab,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

/// A node while rules still need its places in the file.
pub(crate) struct Draft {
    pub node: Node,
    pub name_span: Span,
    pub address_span: Span,
    pub has_address: bool,
    pub mac_span: Span,
    pub pod_span: Span,
}

/// Where things stand that rules speak about.
pub(crate) struct Places {
    pub nodes: Span,
    pub cidr: Span,
    pub dhcp: Span,
    pub service_cidr: Span,
    pub pod_cidr: Span,
    pub node_mask: Span,
    pub vips: Vec<Span>,
    pub router_ids: Vec<Span>,
    pub endpoint: Span,
    pub version: Span,
}

/// Reads a topology.
///
/// # Errors
/// Every problem found, errors and warnings, in file order.
pub fn load(text: &str, owner: &Owner) -> Result<Loaded, Vec<Problem>> {
    let root = yaml::parse(text)?;
    let mut problems = Vec::new();
    check::table(&schema::TOPOLOGY, &root, "the topology", &mut problems);
    let lab = Resolver { root: &root, owner, problems: &mut problems }.lab();
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    match lab {
        Some(lab) if !problems.iter().any(Problem::is_error) => {
            Ok(Loaded { lab, warnings: problems })
        }
        _ => Err(problems),
    }
}

struct Resolver<'a> {
    root: &'a Yaml,
    owner: &'a Owner,
    problems: &'a mut Vec<Problem>,
}

fn text(node: Option<&Yaml>) -> Option<&str> {
    node.and_then(Yaml::text)
}

fn number(node: Option<&Yaml>) -> Option<u64> {
    text(node)?.parse().ok()
}

fn bytes(node: Option<&Yaml>) -> Option<u64> {
    size::parse(text(node)?).ok()
}

fn network(node: Option<&Yaml>) -> Option<Ipv4Net> {
    check::network(text(node)?).ok()
}

fn address(node: Option<&Yaml>) -> Option<Ipv4Addr> {
    check::address(text(node)?).ok()
}

fn span(node: Option<&Yaml>, default: &Span) -> Span {
    node.map_or_else(|| default.clone(), |node| node.span.clone())
}

impl Resolver<'_> {
    fn lab(&mut self) -> Option<Lab> {
        let root = self.root;
        let name = text(root.get("name")).unwrap_or("lab").to_owned();
        let id = name::lab_id(self.owner, &name);
        let domain = text(root.get("domain")).map_or_else(|| format!("{name}.lab"), str::to_owned);
        let net = root.get("network");
        let cidr = network(net.and_then(|net| net.get("cidr")));
        let drafts = self.drafts(id, &name, &domain, cidr);
        let kubernetes = kubernetes(root.get("kubernetes"));
        let places = places(root);
        // Without a network there is nothing left to compare; the missing field is reported.
        let cidr = cidr?;
        let dhcp = net
            .and_then(|net| net.get("dhcp"))
            .and_then(|node| check::address_range(node.text()?).ok());
        let network = Network {
            name: name.clone(),
            uuid: name::object_id(id, "network", &name),
            cidr,
            gateway: Ipv4Addr::from(u32::from(cidr.network()) + 1),
            dhcp,
            bridge: name::bridge(id),
            uplink: text(net.and_then(|net| net.get("uplink"))) != Some("none"),
        };
        let vips = vips(root.get("vips"), id);
        let mut draft = rules::Draft { network, vips, kubernetes, drafts, places, domain };
        rules::apply(&mut draft, self.problems);
        let rules::Draft { network, vips, kubernetes, drafts, domain, .. } = draft;
        Some(Lab {
            name,
            id,
            domain,
            network,
            nodes: drafts.into_iter().map(|draft| draft.node).collect(),
            vips,
            kubernetes,
            ssh: ssh(root.get("ssh")),
            options: options(root.get("options")),
        })
    }

    fn drafts(
        &mut self,
        lab: uuid::Uuid,
        lab_name: &str,
        domain: &str,
        cidr: Option<Ipv4Net>,
    ) -> Vec<Draft> {
        let default_os = text(self.root.get("image")).unwrap_or(DEFAULT_OS);
        let groups = self.root.get("nodes").map(Yaml::entries).unwrap_or_default();
        let mut drafts = Vec::new();
        for group in groups {
            let names = self.names(&group.key, &group.key_span, &group.node);
            let roles = self.roles(&group.key, &group.key_span, &group.node);
            let first = address(group.node.get("first_address"));
            self.unknown_overrides(&group.node, &names);
            for (index, (node_name, name_span)) in names.into_iter().enumerate() {
                let over = group.node.get("overrides").and_then(|all| all.get(&node_name));
                let field =
                    |key: &str| over.and_then(|over| over.get(key)).or_else(|| group.node.get(key));
                let own = over.and_then(|over| over.get("address"));
                let counted = first
                    .and_then(|first| u32::from(first).checked_add(index as u32))
                    .map(Ipv4Addr::from);
                let address_ = address(own).or(counted);
                let address_span = own.map_or_else(
                    || span(group.node.get("first_address"), &name_span),
                    |own| own.span.clone(),
                );
                let mac = over.and_then(|over| over.get("mac"));
                let pods = over.and_then(|over| over.get("pod_subnet"));
                drafts.push(Draft {
                    node: Node {
                        fqdn: format!("{node_name}.{domain}"),
                        machine: Machine::Guest,
                        domain: format!("{lab_name}-{node_name}"),
                        uuid: name::object_id(lab, "domain", &node_name),
                        roles: roles.clone(),
                        address: address_
                            .or_else(|| cidr.map(|cidr| cidr.network()))
                            .unwrap_or(Ipv4Addr::UNSPECIFIED),
                        mac: text(mac)
                            .and_then(|text| check::mac(text).ok())
                            .unwrap_or_else(|| name::mac(lab, &node_name)),
                        cpus: number(field("cpus")).unwrap_or(1) as u32,
                        memory_mib: bytes(field("memory")).unwrap_or(1 << 30) / size::MIB,
                        disk_bytes: bytes(field("disk")).unwrap_or(10 << 30),
                        os: text(field("image")).unwrap_or(default_os).to_owned(),
                        pod_subnet: network(pods),
                        user_data: user_data(&group.node, over),
                        name: node_name,
                    },
                    has_address: address_.is_some()
                        || own.is_some()
                        || group.node.get("first_address").is_some(),
                    mac_span: span(mac, &name_span),
                    pod_span: span(pods, &name_span),
                    name_span,
                    address_span,
                });
            }
        }
        drafts
    }

    fn names(&mut self, group: &str, at: &Span, node: &Yaml) -> Vec<(String, Span)> {
        let count = node.get("count");
        match (node.get("names"), count) {
            (Some(names), count) => {
                if let Some(count) = count {
                    self.problems.push(
                        Problem::error(
                            "L0204",
                            &count.span,
                            format!("group '{}' has both 'count' and 'names'", printable(group)),
                        )
                        .also(&names.span, "the names are here")
                        .help("keep `names`, remove `count`"),
                    );
                }
                let named = |item: &Yaml| item.text().map(|t| (t.to_owned(), item.span.clone()));
                names.items().iter().filter_map(named).collect()
            }
            (None, Some(count)) => {
                let wanted = number(Some(count)).unwrap_or(1).min(500);
                (1..=wanted).map(|n| (format!("{group}{n}"), at.clone())).collect()
            }
            (None, None) => vec![(group.to_owned(), at.clone())],
        }
    }

    fn roles(&mut self, group: &str, at: &Span, node: &Yaml) -> BTreeSet<Role> {
        match node.get("roles") {
            Some(list) => {
                list.items().iter().filter_map(|item| Role::parse(item.text()?)).collect()
            }
            None => match Role::parse(group) {
                Some(role) => BTreeSet::from([role]),
                None => {
                    self.problems.push(
                        Problem::error("L0205", at, format!("group '{}' says no roles", printable(group)))
                            .help("add `roles: [worker]`, or name the group after its role: etcd, control-plane, worker, load-balancer"),
                    );
                    BTreeSet::new()
                }
            },
        }
    }

    fn unknown_overrides(&mut self, group: &Yaml, names: &[(String, Span)]) {
        let Some(overrides) = group.get("overrides") else { return };
        for entry in overrides.entries() {
            if names.iter().any(|(name, _)| *name == entry.key) {
                continue;
            }
            let known = names.iter().map(|(name, _)| name.as_str());
            let help = match check::nearest(&entry.key, known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "name a node of this group".into(),
            };
            self.problems.push(
                Problem::error(
                    "L0206",
                    &entry.key_span,
                    format!("this group has no node '{}'", printable(&entry.key)),
                )
                .help(help),
            );
        }
    }
}

fn user_data(group: &Yaml, over: Option<&Yaml>) -> Map<String, serde_json::Value> {
    let mut merged = Map::new();
    let own = over.and_then(|over| over.get("user_data"));
    for node in [group.get("user_data"), own].into_iter().flatten() {
        if let serde_json::Value::Object(map) = node.to_json() {
            cloud_config::merge(&mut merged, &map);
        }
    }
    merged
}

fn vips(node: Option<&Yaml>, lab: uuid::Uuid) -> Vec<Vip> {
    let entries = node.map(Yaml::entries).unwrap_or_default();
    let vip = |entry: &yaml::Entry| {
        let given = number(entry.node.get("router_id")).and_then(|id| u8::try_from(id).ok());
        Some(Vip {
            name: entry.key.clone(),
            address: address(entry.node.get("address"))?,
            role: Role::parse(text(entry.node.get("role"))?)?,
            router_id: given.unwrap_or_default(),
            router_id_given: given.is_some(),
        })
    };
    let mut vips: Vec<Vip> = entries.iter().filter_map(vip).collect();
    name::assign_router_ids(lab, &mut vips, &std::collections::BTreeMap::new(), &BTreeSet::new());
    vips
}

fn kubernetes(node: Option<&Yaml>) -> Kubernetes {
    let get = |key: &str| node.and_then(|node| node.get(key));
    let port = |key: &str| {
        u16::try_from(number(get("ingress").and_then(|ingress| ingress.get(key)))?).ok()
    };
    let default = |a, b, prefix| Ipv4Net::new_assert(Ipv4Addr::new(10, a, b, 0), prefix);
    Kubernetes {
        flavour: text(get("flavour")).unwrap_or("hard-way").to_owned(),
        version: text(get("version")).and_then(Version::parse),
        service_cidr: network(get("service_cidr")).unwrap_or_else(|| default(32, 0, 24)),
        pod_cidr: network(get("pod_cidr")).unwrap_or_else(|| default(200, 0, 16)),
        node_mask: number(get("node_mask")).unwrap_or(24).min(32) as u8,
        pod_network: match text(get("pod_network")) {
            Some("overlay") => PodNetwork::Overlay,
            _ => PodNetwork::Routed,
        },
        host_routes: text(get("host_routes")) == Some("true"),
        endpoint: text(get("endpoint")).map(str::to_owned),
        ingress: Ingress {
            http: port("http").unwrap_or(30080),
            https: port("https").unwrap_or(30443),
        },
        addons: match get("addons") {
            Some(list) => list.items().iter().filter_map(|i| i.text().map(str::to_owned)).collect(),
            None => BTreeSet::from(["coredns".to_owned()]),
        },
        cluster_domain: text(get("cluster_domain")).unwrap_or("cluster.local").to_owned(),
        artifacts: text(get("artifacts")).map(str::to_owned),
    }
}

fn ssh(node: Option<&Yaml>) -> Ssh {
    let keys = node.and_then(|node| node.get("authorized_keys")).map(Yaml::items);
    Ssh {
        user: text(node.and_then(|node| node.get("user"))).unwrap_or("lab").to_owned(),
        authorized_keys: keys
            .unwrap_or_default()
            .iter()
            .filter_map(|key| key.text().map(str::to_owned))
            .collect(),
    }
}

fn options(node: Option<&Yaml>) -> Options {
    let get = |key: &str| node.and_then(|node| node.get(key));
    Options {
        acceleration: text(get("acceleration")).unwrap_or("auto").to_owned(),
        boot_timeout: number(get("boot_timeout")).unwrap_or(600),
        clone: text(get("clone")).and_then(Cloning::parse).unwrap_or_default(),
    }
}

fn places(root: &Yaml) -> Places {
    let nodes = span(root.get("nodes"), &(0..1));
    let nodes = nodes.start..(nodes.start + 1).min(nodes.end.max(nodes.start + 1));
    let of = |table: &str, key: &str| {
        let table = root.get(table);
        span(table.and_then(|table| table.get(key)), &nodes)
    };
    let vips = root.get("vips").map(Yaml::entries).unwrap_or_default();
    let is_vip = |entry: &&yaml::Entry| {
        address(entry.node.get("address")).is_some()
            && text(entry.node.get("role")).and_then(Role::parse).is_some()
    };
    Places {
        cidr: of("network", "cidr"),
        dhcp: of("network", "dhcp"),
        service_cidr: of("kubernetes", "service_cidr"),
        pod_cidr: of("kubernetes", "pod_cidr"),
        node_mask: of("kubernetes", "node_mask"),
        vips: vips
            .iter()
            .filter(is_vip)
            .map(|entry| span(entry.node.get("address"), &entry.key_span))
            .collect(),
        router_ids: vips
            .iter()
            .filter(is_vip)
            .map(|entry| span(entry.node.get("router_id"), &entry.key_span))
            .collect(),
        endpoint: of("kubernetes", "endpoint"),
        version: of("kubernetes", "version"),
        nodes,
    }
}
