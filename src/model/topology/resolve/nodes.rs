//! Nodes of groups: names, roles, addresses, and what of defaults, group and override counts for each.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use uuid::Uuid;

use crate::model::lab::{Machine, Node};
use crate::model::name;
use crate::model::near::nearest;
use crate::model::pattern::Pattern;
use crate::model::role::Role;
use crate::model::taint::Told;
use crate::model::topology::draft::NodeDraft;
use crate::model::topology::given::{Entry, Given, Value, span, text};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span, printable};
use crate::model::topology::resolve::{disks, firewall, images};
use crate::model::user_data::UserData;
use crate::model::{code, os, size};

/// Nodes of one lab, at most.
const MAX_NODES: u64 = 5000;

/// True where the groups ask for more nodes than a lab can have, which is reported.
pub(super) fn too_many(root: &Given, problems: &mut Vec<Problem>) -> bool {
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
pub(super) struct Nodes<'a> {
    pub lab: Uuid,
    pub lab_name: &'a str,
    pub domain: &'a str,
    pub cidr: Option<Ipv4Net>,
    /// Nothing of Kubernetes is set up.
    pub machines_alone: bool,
    /// What all nodes stand on.
    pub machine: Machine,
    /// What counts where a group says nothing.
    pub defaults: Option<&'a Given>,
    pub problems: &'a mut Vec<Problem>,
}

/// What nodes of one group have in common.
struct OfGroup<'a> {
    roles: BTreeSet<Role>,
    default_os: &'a str,
    user_data: Arc<UserData>,
}

impl Nodes<'_> {
    pub fn all(&mut self, root: &Given) -> Vec<NodeDraft> {
        let default_os = images::name(root.get("image")).unwrap_or(os::DEFAULT);
        let groups = root.get("nodes").map(Given::entries).unwrap_or_default();
        groups.iter().flat_map(|group| self.of_group(group, default_os)).collect()
    }

    fn of_group(&mut self, group: &Entry, default_os: &str) -> Vec<NodeDraft> {
        let names = self.names(group);
        let roles = self.roles(group);
        // Of a name or a number that was refused nobody knows which nodes there are.
        let is_refused = |field: &str| {
            group.given.get(field).is_some_and(|given| matches!(given.value, Value::Refused))
        };
        if !["name", "count"].into_iter().any(is_refused) {
            self.unknown_overrides(&group.given, &names);
            self.listed_addresses(group, names.len());
        }
        // Of roles that were refused nobody knows what they are.
        let is_beside = group.given.get("roles").is_some_and(Given::is_empty_list);
        let is_told = self.machines_alone || is_beside || !roles.is_empty();
        if is_told && !roles.contains(&Role::Worker) {
            self.told_of_nobody(group);
        }
        let user_data = Arc::new(user_data([self.defaults, Some(&group.given), None]));
        let all = OfGroup { roles, default_os, user_data };
        let mut number = |(index, (name, at))| self.node(group, index, name, at, &all);
        names.into_iter().enumerate().map(&mut number).collect()
    }

    fn node(
        &mut self,
        group: &Entry,
        index: usize,
        name: String,
        name_span: Span,
        all: &OfGroup<'_>,
    ) -> NodeDraft {
        let (group, defaults) = (&group.given, self.defaults);
        let over = group.get("overrides").and_then(|all| all.get(&name));
        let own = |key: &str| over.and_then(|over| over.get(key));
        let default = |key: &str| defaults.and_then(|defaults| defaults.get(key));
        let field = |key: &str| own(key).or_else(|| group.get(key)).or_else(|| default(key));
        let listed = group.get("addresses").and_then(|list| list.items().get(index));
        let first = listed.or(group.get("first_address"));
        let step = if listed.is_some() { 0 } else { index as u32 };
        let counted = first
            .and_then(Given::address)
            .and_then(|first| u32::from(first).checked_add(step))
            .map(Ipv4Addr::from);
        let address = own("address").and_then(Given::address).or(counted);
        let nowhere = self.cidr.map_or(Ipv4Addr::UNSPECIFIED, |cidr| cidr.network());
        let memory = field("memory").and_then(Given::bytes).unwrap_or(preset::MEMORY);
        let cpus = field("cpus").and_then(Given::number).unwrap_or(preset::CPUS);
        if address.is_none() && self.machine == Machine::Existing {
            self.no_address(&name, &name_span);
        }
        NodeDraft {
            has_address: own("address").is_some() || first.is_some(),
            address_span: span(own("address").or(first), &name_span),
            mac_span: span(own("mac"), &name_span),
            pod_span: span(own("pod_subnet"), &name_span),
            name_span,
            node: Node {
                fqdn: format!("{name}.{}", self.domain),
                machine: self.machine,
                domain: format!("{}-{name}", self.lab_name),
                uuid: name::object_id(self.lab, "domain", &name),
                roles: all.roles.clone(),
                address: address.unwrap_or(nowhere),
                mac: text(own("mac")).map_or_else(|| name::mac(self.lab, &name), str::to_owned),
                cpus: cpus as u32,
                memory_mib: memory / size::MIB,
                disks: disks::of([defaults, Some(group), over], self.problems),
                disk_bytes: field("disk").and_then(Given::bytes).unwrap_or(preset::DISK),
                cpu_model: text(field("cpu_model")).map(str::to_owned),
                xml: text(field("xml")).map(str::to_owned),
                os: images::name(field("image")).unwrap_or(all.default_os).to_owned(),
                pod_subnet: own("pod_subnet").and_then(Given::network),
                user_data: match over.and_then(|over| over.get("user_data")) {
                    Some(_) => Arc::new(user_data([defaults, Some(group), over])),
                    None => Arc::clone(&all.user_data),
                },
                told: match all.roles.contains(&Role::Worker) {
                    true => told([defaults, Some(group), over]),
                    false => Told::default(),
                },
                open_ports: firewall::open_ports([defaults, Some(group), over]),
                host_key: text(own("host_key")).map(str::to_owned),
                name,
            },
        }
    }

    /// A machine that is there has its address already.
    fn no_address(&mut self, name: &str, at: &Span) {
        let message = format!("the existing machine '{}' has no address", printable(name));
        self.problems.push(
            Problem::error(&code::MISSING_FIELD, at, message)
                .help("add `addresses: [ADDRESS]` to its group"),
        );
    }

    fn names(&mut self, group: &Entry) -> Vec<(String, Span)> {
        let (key, at) = (&group.key, &group.key_span);
        let get = |field: &str| group.given.get(field);
        if let Some(names) = get("names") {
            self.named_twice(group, names);
            let named = |item: &Given| Some((item.text()?.to_owned(), item.span.clone()));
            return names.items().iter().filter_map(named).collect();
        }
        let first = get("first_number").and_then(Given::number).unwrap_or(1);
        let pattern = get("name").and_then(Given::pattern);
        let at = span(get("name"), at);
        match (pattern, get("count")) {
            (Some(pattern), None) => {
                if get("first_number").is_some() && !pattern.is_counted() {
                    self.all_the_same(&pattern.at(first), &at);
                }
                vec![(pattern.at(first), at)]
            }
            (None, None) if get("first_number").is_none() => vec![(key.clone(), at)],
            (_, count) => {
                let count = count.and_then(Given::number).unwrap_or(1);
                let of_group = Pattern::of_group(key);
                let pattern = pattern.unwrap_or(&of_group);
                if count > 1 && !pattern.is_counted() {
                    self.all_the_same(&pattern.at(first), &at);
                    return vec![(pattern.at(first), at)];
                }
                (first..first + count).map(|number| (pattern.at(number), at.clone())).collect()
            }
        }
    }

    /// Each node has one of the addresses, and no other way to one.
    fn listed_addresses(&mut self, group: &Entry, nodes: usize) {
        let Some(list) = group.given.get("addresses") else { return };
        let (name, listed) = (printable(&group.key), list.items().len());
        if let Some(first) = group.given.get("first_address") {
            let message = format!("group '{name}' has both 'addresses' and 'first_address'");
            self.problems.push(
                Problem::error(&code::COUNT_AND_NAMES, &first.span, message)
                    .also(&list.span, "the addresses are here")
                    .help("keep `addresses`, remove `first_address`"),
            );
        } else if listed > 0 && listed != nodes {
            let message = format!("group '{name}' has {nodes} nodes and {listed} addresses");
            self.problems.push(
                Problem::error(&code::ADDRESSES_OF_GROUP, &list.span, message)
                    .help(format!("give each node one, or write `count: {listed}`")),
            );
        }
    }

    /// Names say already how many nodes there are, and how they are called.
    fn named_twice(&mut self, group: &Entry, names: &Given) {
        for field in ["count", "name", "first_number"] {
            let Some(other) = group.given.get(field) else { continue };
            let message =
                format!("group '{}' has both '{field}' and 'names'", printable(&group.key));
            self.problems.push(
                Problem::error(&code::COUNT_AND_NAMES, &other.span, message)
                    .also(&names.span, "the names are here")
                    .help(format!("keep `names`, remove `{field}`")),
            );
        }
    }

    fn all_the_same(&mut self, name: &str, at: &Span) {
        let message = format!("'{name}' has no place for a number");
        let cure = format!("write `{name}%d`, where the number has its place");
        self.problems.push(Problem::error(&code::BAD_NAME, at, message).help(cure));
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

    /// Without a kubelet Kubernetes does not know a node.
    fn told_of_nobody(&mut self, group: &Entry) {
        let overrides = group.given.get("overrides").map(Given::entries).unwrap_or_default();
        let all = std::iter::once(&group.given).chain(overrides.iter().map(|entry| &entry.given));
        let fields = all.flat_map(Given::entries);
        for field in
            fields.filter(|field| ["labels", "annotations", "taints"].contains(&&*field.key))
        {
            let message = format!(
                "nodes of '{}' are no workers: Kubernetes does not know them",
                printable(&group.key)
            );
            let problem = Problem::error(&code::TOLD_OF_NOBODY, &field.key_span, message);
            self.problems
                .push(problem.help(format!("remove `{}`, or add `worker` to `roles`", field.key)));
        }
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

/// What Kubernetes is told: of one key the last that says it.
fn told(all: [Option<&Given>; 3]) -> Told {
    let mut told = Told::default();
    for given in all.into_iter().flatten() {
        let pairs = |key: &str| {
            let entries = given.get(key).map(Given::entries).unwrap_or_default();
            entries
                .iter()
                .filter_map(|entry| Some((entry.key.clone(), entry.given.text()?.to_owned())))
        };
        told.labels.extend(pairs("labels"));
        told.annotations.extend(pairs("annotations"));
        let taints = given.get("taints").map(Given::items);
        if taints.is_some_and(<[Given]>::is_empty) {
            told.taints.clear();
        }
        for taint in taints.unwrap_or_default() {
            let Some(taint) = taint.taint() else { continue };
            told.taints.retain(|old| (&old.key, old.effect) != (&taint.key, taint.effect));
            told.taints.insert(taint.clone());
        }
    }
    told
}
