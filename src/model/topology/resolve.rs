//! From a topology as it was read to a draft of the lab: defaults, counting, derived identities.
//!
//! What [`crate::model::topology::check`] refused is not there; a default stands in, and the problem that
//! was found keeps the draft from becoming a lab.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use uuid::Uuid;

use crate::model::lab::{
    Cloning, Ingress, Kubernetes, Machine, NO_KUBERNETES, Network, Node, Options, PodNetwork,
    PodSecurity, Ssh, Uplink, Vip,
};
use crate::model::name::{self, Owner};
use crate::model::near::nearest;
use crate::model::role::Role;
use crate::model::topology::draft::{LabDraft, NodeDraft, Spans};
use crate::model::topology::given::{Entry, Given};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span, printable};
use crate::model::user_data::UserData;
use crate::model::{code, os, router_id, size};

/// The draft of the lab; `None` without a network, which is reported: nothing is left to compare then.
pub(crate) fn resolve(
    root: &Given,
    owner: &Owner,
    problems: &mut Vec<Problem>,
) -> Option<LabDraft> {
    let name = text(root.get("name")).unwrap_or("lab").to_owned();
    let id = name::lab_id(owner, &name);
    let domain = text(root.get("domain")).map_or_else(|| format!("{name}.lab"), str::to_owned);
    let network = network(root.get("network"), &name, id);
    let cidr = network.as_ref().map(|network| network.cidr);
    let machines_alone = text(root.get("kubernetes")) == Some(NO_KUBERNETES);
    let (lab_name, lab_domain) = (&name, &domain);
    let defaults = root.get("defaults");
    if too_many(root, problems) {
        return None;
    }
    let mut nodes =
        Nodes { lab: id, lab_name, domain: lab_domain, cidr, machines_alone, defaults, problems };
    let nodes = nodes.all(root);
    let given_vips = vips(root.get("vips"));
    let mut vips: Vec<Vip> = given_vips.iter().map(|(vip, _)| vip.clone()).collect();
    router_id::assign(id, &mut vips, &BTreeMap::new(), &BTreeSet::new());
    let places: Vec<&Entry> = given_vips.iter().map(|(_, entry)| *entry).collect();
    Some(LabDraft {
        network: network?,
        nodes,
        vips,
        kubernetes: kubernetes(root.get("kubernetes")),
        ssh: ssh(root.get("ssh")),
        options: options(root.get("options")),
        spans: spans(root, &places),
        name,
        id,
        domain,
    })
}

fn text(given: Option<&Given>) -> Option<&str> {
    given?.text()
}

fn span(given: Option<&Given>, default: &Span) -> Span {
    given.map_or_else(|| default.clone(), |given| given.span.clone())
}

fn network(given: Option<&Given>, name: &str, lab: Uuid) -> Option<Network> {
    let given = given?;
    let cidr = given.get("cidr")?.network()?;
    let uplink = text(given.get("uplink")).and_then(Uplink::parse).unwrap_or(preset::UPLINK);
    Some(Network {
        name: name.to_owned(),
        uuid: name::object_id(lab, "network", name),
        cidr,
        gateway: Ipv4Addr::from(u32::from(cidr.network()) + 1),
        dhcp: given.get("dhcp").and_then(Given::range),
        bridge: name::bridge(lab),
        uplink,
    })
}

/// Nodes of one lab, at most.
const MAX_NODES: u64 = 5000;

/// True where the groups ask for more nodes than a lab can have, which is reported.
fn too_many(root: &Given, problems: &mut Vec<Problem>) -> bool {
    let groups = root.get("nodes").map(Given::entries).unwrap_or_default();
    let of_group = |group: &Entry| match group.given.get("names") {
        Some(names) => names.items().len() as u64,
        None => group.given.get("count").and_then(Given::number).unwrap_or(1),
    };
    let all: u64 = groups.iter().map(of_group).sum();
    let Some(first) = groups.first().filter(|_| all > MAX_NODES) else { return false };
    let problem = Problem::error(
        &code::TOO_MANY_NODES,
        &first.key_span,
        format!("{all} nodes are asked for"),
    );
    problems.push(problem.help(format!("a lab has {MAX_NODES} at most")));
    true
}

/// What makes nodes of groups.
struct Nodes<'a> {
    lab: Uuid,
    lab_name: &'a str,
    domain: &'a str,
    cidr: Option<Ipv4Net>,
    /// Nothing of Kubernetes is set up.
    machines_alone: bool,
    /// What counts where a group says nothing.
    defaults: Option<&'a Given>,
    problems: &'a mut Vec<Problem>,
}

impl Nodes<'_> {
    fn all(&mut self, root: &Given) -> Vec<NodeDraft> {
        let default_os = text(root.get("image")).unwrap_or(os::DEFAULT);
        let groups = root.get("nodes").map(Given::entries).unwrap_or_default();
        groups.iter().flat_map(|group| self.of_group(group, default_os)).collect()
    }

    fn of_group(&mut self, group: &Entry, default_os: &str) -> Vec<NodeDraft> {
        let names = self.names(group);
        let roles = self.roles(group);
        self.unknown_overrides(&group.given, &names);
        let number = |(index, (name, at))| self.node(group, index, name, at, &roles, default_os);
        names.into_iter().enumerate().map(number).collect()
    }

    fn node(
        &self,
        group: &Entry,
        index: usize,
        name: String,
        name_span: Span,
        roles: &BTreeSet<Role>,
        default_os: &str,
    ) -> NodeDraft {
        let group = &group.given;
        let over = group.get("overrides").and_then(|all| all.get(&name));
        let own = |key: &str| over.and_then(|over| over.get(key));
        let default = |key: &str| self.defaults.and_then(|defaults| defaults.get(key));
        let field = |key: &str| own(key).or_else(|| group.get(key)).or_else(|| default(key));
        let first = group.get("first_address");
        let counted = first
            .and_then(Given::address)
            .and_then(|first| u32::from(first).checked_add(index as u32))
            .map(Ipv4Addr::from);
        let address = own("address").and_then(Given::address).or(counted);
        let nowhere = self.cidr.map_or(Ipv4Addr::UNSPECIFIED, |cidr| cidr.network());
        let memory = field("memory").and_then(Given::bytes).unwrap_or(preset::MEMORY);
        let cpus = field("cpus").and_then(Given::number).unwrap_or(preset::CPUS);
        NodeDraft {
            has_address: own("address").is_some() || first.is_some(),
            address_span: span(own("address").or(first), &name_span),
            mac_span: span(own("mac"), &name_span),
            pod_span: span(own("pod_subnet"), &name_span),
            name_span,
            node: Node {
                fqdn: format!("{name}.{}", self.domain),
                machine: Machine::Guest,
                domain: format!("{}-{name}", self.lab_name),
                uuid: name::object_id(self.lab, "domain", &name),
                roles: roles.clone(),
                address: address.unwrap_or(nowhere),
                mac: text(own("mac")).map_or_else(|| name::mac(self.lab, &name), str::to_owned),
                cpus: cpus as u32,
                memory_mib: memory / size::MIB,
                disk_bytes: field("disk").and_then(Given::bytes).unwrap_or(preset::DISK),
                os: text(field("image")).unwrap_or(default_os).to_owned(),
                pod_subnet: own("pod_subnet").and_then(Given::network),
                user_data: user_data([self.defaults, Some(group), over]),
                name,
            },
        }
    }

    fn names(&mut self, group: &Entry) -> Vec<(String, Span)> {
        let (key, at) = (&group.key, &group.key_span);
        match (group.given.get("names"), group.given.get("count")) {
            (Some(names), count) => {
                if let Some(count) = count {
                    let message =
                        format!("group '{}' has both 'count' and 'names'", printable(key));
                    self.problems.push(
                        Problem::error(&code::COUNT_AND_NAMES, &count.span, message)
                            .also(&names.span, "the names are here")
                            .help("keep `names`, remove `count`"),
                    );
                }
                let named = |item: &Given| Some((item.text()?.to_owned(), item.span.clone()));
                names.items().iter().filter_map(named).collect()
            }
            (None, Some(count)) => (1..=count.number().unwrap_or(1))
                .map(|n| (format!("{key}{n}"), at.clone()))
                .collect(),
            (None, None) => vec![(key.clone(), at.clone())],
        }
    }

    fn roles(&mut self, group: &Entry) -> BTreeSet<Role> {
        if self.machines_alone {
            let given = group.given.get("roles").filter(|list| !list.items().is_empty());
            if let Some(list) = given {
                let message = format!(
                    "group '{}' has roles, and there is no Kubernetes",
                    printable(&group.key)
                );
                let cure = "remove `roles`, or the line `kubernetes: none`";
                let problem = Problem::error(&code::ROLES_ALONE, &list.span, message).help(cure);
                self.problems.push(problem);
            }
            return BTreeSet::new();
        }
        if let Some(list) = group.given.get("roles") {
            return list.items().iter().filter_map(|item| Role::parse(item.text()?)).collect();
        }
        let of_name = Role::parse(&group.key);
        if of_name.is_none() {
            let message = format!("group '{}' says no roles", printable(&group.key));
            self.problems.push(Problem::error(&code::NO_ROLES, &group.key_span, message).help(
                format!(
                    "add `roles: [worker]`, or `roles: []` for machines beside the cluster, or name the group after its role: {}",
                    Role::NAMES.join(", ")
                ),
            ));
        }
        of_name.into_iter().collect()
    }

    fn unknown_overrides(&mut self, group: &Given, names: &[(String, Span)]) {
        let overrides = group.get("overrides").map(Given::entries).unwrap_or_default();
        for entry in overrides {
            if names.iter().any(|(name, _)| *name == entry.key) {
                continue;
            }
            let known = names.iter().map(|(name, _)| name.as_str());
            let help = match nearest(&entry.key, known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "name a node of this group".into(),
            };
            let message = format!("this group has no node '{}'", printable(&entry.key));
            self.problems
                .push(Problem::error(&code::NO_SUCH_OVERRIDE, &entry.key_span, message).help(help));
        }
    }
}

/// What all say, then the group, then the node itself.
fn user_data(all: [Option<&Given>; 3]) -> UserData {
    let mut merged = UserData::default();
    let given = all.into_iter().flatten().filter_map(|given| given.get("user_data")?.user_data());
    given.for_each(|given| merged.add(given));
    merged
}

/// Floating addresses that could be read, each with its place.
fn vips(given: Option<&Given>) -> Vec<(Vip, &Entry)> {
    let vip = |entry: &Entry| {
        let router_id = entry.given.get("router_id").and_then(Given::number);
        let router_id = router_id.and_then(|id| u8::try_from(id).ok());
        Some(Vip {
            name: entry.key.clone(),
            address: entry.given.get("address")?.address()?,
            role: Role::parse(text(entry.given.get("role"))?)?,
            router_id: router_id.unwrap_or_default(),
            router_id_given: router_id.is_some(),
        })
    };
    let entries = given.map(Given::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((vip(entry)?, entry))).collect()
}

fn kubernetes(given: Option<&Given>) -> Kubernetes {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let network = |key: &str, default| get(key).and_then(Given::network).unwrap_or(default);
    let port = |key: &str| {
        let port = get("ingress").and_then(|ingress| ingress.get(key)).and_then(Given::number);
        port.and_then(|port| u16::try_from(port).ok())
    };
    let words = |list: &Given| {
        list.items().iter().filter_map(|word| word.text().map(str::to_owned)).collect()
    };
    let default_addons = || preset::ADDONS.iter().map(|name| (*name).to_owned()).collect();
    let flavour = text(given).or(text(get("flavour"))).unwrap_or(preset::FLAVOUR);
    let node_mask = get("node_mask").and_then(Given::number).unwrap_or(preset::NODE_MASK);
    Kubernetes {
        flavour: flavour.to_owned(),
        version: get("version").and_then(Given::version),
        service_cidr: network("service_cidr", preset::SERVICE_CIDR),
        pod_cidr: network("pod_cidr", preset::POD_CIDR),
        node_mask: node_mask as u8,
        pod_network: text(get("pod_network"))
            .and_then(PodNetwork::parse)
            .unwrap_or(preset::POD_NETWORK),
        pod_security: text(get("pod_security"))
            .and_then(PodSecurity::parse)
            .unwrap_or(preset::POD_SECURITY),
        host_routes: get("host_routes").and_then(Given::truth).unwrap_or(preset::HOST_ROUTES),
        endpoint: text(get("endpoint")).map(str::to_owned),
        ingress: Ingress {
            http: port("http").unwrap_or(preset::HTTP),
            https: port("https").unwrap_or(preset::HTTPS),
        },
        addons: match flavour {
            NO_KUBERNETES => BTreeSet::new(),
            _ => get("addons").map_or_else(default_addons, words),
        },
        cluster_domain: text(get("cluster_domain")).unwrap_or(preset::CLUSTER_DOMAIN).to_owned(),
        artifacts: text(get("artifacts")).map(str::to_owned),
    }
}

fn ssh(given: Option<&Given>) -> Ssh {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let keys = get("authorized_keys").map(Given::items).unwrap_or_default();
    Ssh {
        user: text(get("user")).unwrap_or(preset::USER).to_owned(),
        authorized_keys: keys.iter().filter_map(|key| key.text().map(str::to_owned)).collect(),
    }
}

fn options(given: Option<&Given>) -> Options {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let seconds = get("boot_timeout").and_then(Given::number);
    Options {
        acceleration: text(get("acceleration")).unwrap_or(preset::ACCELERATION).to_owned(),
        boot_timeout: seconds.unwrap_or(preset::BOOT_TIMEOUT),
        clone: text(get("clone")).and_then(Cloning::parse).unwrap_or(preset::CLONE),
    }
}

/// From a field's name to where the next field begins.
fn whole(root: &Given, field: &str) -> Span {
    let starts = || root.entries().iter().map(|entry| entry.key_span.start);
    let own = root.entries().iter().find(|entry| entry.key == field);
    let Some(start) = own.map(|entry| entry.key_span.start) else { return 0..0 };
    start..starts().filter(|other| *other > start).min().unwrap_or(usize::MAX)
}

fn spans(root: &Given, vips: &[&Entry]) -> Spans {
    let nodes = span(root.get("nodes"), &(0..1));
    let all_nodes = whole(root, "nodes");
    let nodes = nodes.start..(nodes.start + 1).min(nodes.end.max(nodes.start + 1));
    let of = |table: &str, key: &str| {
        let table = root.get(table);
        span(table.and_then(|table| table.get(key)), &nodes)
    };
    let of_vips =
        |key: &str| vips.iter().map(|entry| span(entry.given.get(key), &entry.key_span)).collect();
    Spans {
        cidr: of("network", "cidr"),
        dhcp: of("network", "dhcp"),
        service_cidr: of("kubernetes", "service_cidr"),
        pod_cidr: of("kubernetes", "pod_cidr"),
        node_mask: of("kubernetes", "node_mask"),
        vips: of_vips("address"),
        router_ids: of_vips("router_id"),
        endpoint: of("kubernetes", "endpoint"),
        ingress: of("kubernetes", "ingress"),
        version: of("kubernetes", "version"),
        domain: span(root.get("domain"), &of("kubernetes", "cluster_domain")),
        nodes,
        all_nodes,
    }
}
