//! diff(desired, observed).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use uuid::Uuid;

use crate::kubernetes::drift::Upkeep;
use crate::kubernetes::facts::Facts;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::{Duty, Retire};
use crate::model::inventory::{FoundDomain, FoundPool, Inventory, Mark};
use crate::model::{Version, size};
use crate::pki::Due;
use crate::plan::change::{ANOTHER_TOPOLOGY, Change, ChangeKind, NOT_ASKED_FOR};
use crate::plan::object::Object;
use crate::plan::removal;
use crate::render::{self, DomainSpec, NetworkSpec, PoolSpec};

/// A stage on a node, as it should have run.
#[derive(Clone, Debug)]
pub struct StageGoal {
    /// Stage name.
    pub stage: &'static str,
    /// Node name.
    pub node: String,
    /// Fingerprint of its steps.
    pub fingerprint: String,
    /// What it leaves behind.
    pub upkeep: Upkeep,
    /// The Kubernetes whose binaries it starts.
    pub kubernetes: Option<Version>,
}

/// What the topology asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Lab id.
    pub lab: Uuid,
    /// How its Kubernetes is set up.
    pub flavour: &'static Flavour,
    /// Names of the nodes, in file order.
    pub nodes: Vec<String>,
    /// The lab's pool; `None` where no node is a guest.
    pub pool: Option<PoolSpec>,
    /// The lab's network; `None` where no node is a guest.
    pub network: Option<NetworkSpec>,
    /// Certificates that are made anew, and why.
    pub certificates: Vec<Due>,
    /// Shared volumes by name, and the nodes' own.
    pub volumes: Vec<(Option<String>, String)>,
    /// Domains of the nodes that are guests, in file order.
    pub domains: Vec<DomainSpec>,
    /// Stages in the order they are told.
    pub stages: Vec<StageGoal>,
    /// The computer's routes to pods.
    pub routes: BTreeMap<Ipv4Net, Ipv4Addr>,
    /// The program by which guests of a private provider reach the outside.
    pub uplink: Option<&'static str>,
    /// Names of the stages that this plan is about.
    pub about: Vec<&'static str>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// False when a private provider must be started first.
    pub provider_running: bool,
    /// Objects of the provider.
    pub inventory: Inventory,
    /// Fingerprints by node and stage, of the nodes that could be asked.
    pub markers: BTreeMap<String, BTreeMap<String, String>>,
    /// The Kubernetes that stages were done for, by node and stage, of the nodes that could be asked.
    pub versions: BTreeMap<String, BTreeMap<String, Version>>,
    /// What nodes that went through stages are like now, of those that could be asked.
    pub facts: BTreeMap<String, Facts>,
    /// The computer's routes to pods, through the lab's bridge.
    pub routes: BTreeMap<Ipv4Net, Ipv4Addr>,
    /// True while a private provider has an uplink.
    pub uplink: bool,
}

impl Observed {
    /// The oldest and the newest Kubernetes that a node has a control plane of: two while an upgrade
    /// was stopped on its way.
    pub fn kubernetes(&self, flavour: &Flavour) -> Option<(Version, Version)> {
        let all = self.versions.keys().filter_map(|node| self.release_of(node, flavour, Duty::Api));
        Some((all.clone().min()?, all.max()?))
    }

    /// The Kubernetes that the node serves with, where it is not the `wanted` one.
    pub fn other_release(&self, node: &str, flavour: &Flavour, wanted: Version) -> Option<Version> {
        let found = [Duty::Api, Duty::Pods].map(|duty| self.release_of(node, flavour, duty));
        found.into_iter().flatten().find(|found| *found != wanted)
    }

    /// The Kubernetes of what the node does for the cluster.
    fn release_of(&self, node: &str, flavour: &Flavour, duty: Duty) -> Option<Version> {
        let stages = self.versions.get(node)?.iter();
        let mut of = stages.filter(|(name, _)| flavour.has([*name], duty));
        of.next().map(|(_, version)| *version)
    }

    fn release(&self, node: &str, stage: &str) -> Option<Version> {
        self.versions.get(node)?.get(stage).copied()
    }
}

/// All changes that lead from `observed` to `desired`, in the order they are made.
pub fn diff(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    if !observed.provider_running {
        let why = "a libvirt of the lab's own, in namespaces of its own";
        changes.push(Change::shared(ChangeKind::Start, Object::Provider, "private", why));
    }
    for Due { name, why } in &desired.certificates {
        changes.push(Change::shared(ChangeKind::UpdateLive, Object::Certificate, name, why));
    }
    removals(desired, observed, &mut changes);
    let wanted = desired.pool.as_ref();
    let pool = wanted
        .and_then(|wanted| observed.inventory.pools.iter().find(|pool| pool.uuid == wanted.uuid));
    if let Some(wanted) = wanted.filter(|_| !pool.is_some_and(|pool| pool.active)) {
        let kind = if pool.is_some() { ChangeKind::Start } else { ChangeKind::Create };
        changes.push(Change::shared(kind, Object::Pool, &wanted.name, ""));
    }
    if let Some(wanted) = &desired.network {
        network(wanted, observed, &mut changes);
        if desired.routes != observed.routes {
            let why = format!("{} to the workers' pods", desired.routes.len());
            let object = Object::Routes;
            changes.push(Change::shared(ChangeKind::UpdateLive, object, &wanted.name, &why));
        }
    }
    if let Some(program) = desired.uplink.filter(|_| !observed.uplink) {
        let why = "guests reach the outside through it";
        changes.push(Change::shared(ChangeKind::Start, Object::Uplink, program, why));
    }
    // Indexes: hundreds of nodes must not be looked for in lists of hundreds.
    let there: BTreeSet<&String> = pool.iter().flat_map(|pool| &pool.volumes).collect();
    let mut lacking: BTreeMap<Option<&str>, Vec<&String>> = BTreeMap::new();
    for (node, name) in desired.volumes.iter().filter(|(_, name)| !there.contains(name)) {
        lacking.entry(node.as_deref()).or_default().push(name);
    }
    for name in lacking.get(&None).into_iter().flatten() {
        changes.push(Change::shared(ChangeKind::Create, Object::Volume, name, ""));
    }
    let found: BTreeMap<Uuid, &FoundDomain> =
        observed.inventory.domains.iter().map(|domain| (domain.uuid, domain)).collect();
    for domain in &desired.domains {
        let lacks = lacking.get(&Some(domain.node.as_str())).map(Vec::as_slice).unwrap_or_default();
        // What is in a pool that is not started nobody sees.
        let unseen = pool.is_some_and(|pool| !pool.active) && found.contains_key(&domain.uuid);
        let lacks = if unseen { &[] } else { lacks };
        for name in lacks {
            changes.push(Change::of_node(
                ChangeKind::Create,
                Object::Volume,
                name,
                &domain.node,
                "",
            ));
        }
        let larger = growing(domain, pool);
        let change = domain_change(domain, found.get(&domain.uuid).copied(), pool);
        let change = change.or_else(|| without_its_disk(domain, lacks));
        let change =
            change.or_else(|| with_the_computer(domain, found.get(&domain.uuid).copied()?));
        let is_larger = !larger.is_empty();
        let change = change
            .or_else(|| remarked(domain, found.get(&domain.uuid).copied()?).filter(|_| !is_larger));
        // A disk that is made anew is made in its size.
        let replaced = change.as_ref().is_some_and(|change| change.kind == ChangeKind::Replace);
        let stays = |volume: &str| {
            let name = render::disk_of(volume).map(|(_, disk)| disk);
            !replaced || domain.kept.iter().any(|kept| Some(kept.as_str()) == name)
        };
        changes.extend(change);
        changes.extend(larger.into_iter().filter(|change| stays(&change.name)));
        changes.extend(disks_that_go(desired, &domain.node, &there));
    }
    stages(desired, observed, &mut changes);
    retirements(desired, observed, &mut changes);
    changes
}

/// Whether a guest starts with the computer changes while it runs.
fn with_the_computer(domain: &DomainSpec, found: &FoundDomain) -> Option<Change> {
    let wanted = domain.autostart.filter(|wanted| *wanted != found.autostart)?;
    let why = match wanted {
        true => "it starts with the computer",
        false => "it no longer starts with the computer",
    };
    let kind = ChangeKind::UpdateLive;
    Some(Change::of_node(kind, Object::Domain, &domain.name, &domain.node, why))
}

/// A guest that runs holds on to a disk that was deleted, and starts with none.
fn without_its_disk(domain: &DomainSpec, lacks: &[&String]) -> Option<Change> {
    let gone = lacks.iter().find_map(|volume| render::disk_of(volume))?;
    let why = format!("its disk {} is gone, and made anew", gone.1);
    let kind = ChangeKind::Restart;
    Some(Change::of_node(kind, Object::Domain, &domain.name, &domain.node, &why))
}

/// Further disks of a node that stays, which the topology no longer has.
fn disks_that_go(desired: &Desired, node: &str, there: &BTreeSet<&String>) -> Vec<Change> {
    let begin = format!("{node}.");
    let own = there.range::<&String, _>(&begin..).take_while(|name| name.starts_with(&begin));
    let is_own = |name: &&&String| render::disk_of(name).is_some_and(|(of, _)| of == node);
    let is_wanted = |name: &String| desired.volumes.iter().any(|(_, wanted)| wanted == name);
    let why = "the topology no longer has this disk; its data is lost";
    let change = |name| Change::of_node(ChangeKind::Remove, Object::Volume, name, node, why);
    own.filter(is_own).filter(|name| !is_wanted(name)).map(|name| change(name)).collect()
}

/// Stages that a node went through, but no longer has: it lost a role.
fn retirements(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    let goals: BTreeSet<(&str, &str)> =
        desired.stages.iter().map(|goal| (goal.stage, goal.node.as_str())).collect();
    for node in &desired.nodes {
        let Some(markers) = observed.markers.get(node) else { continue };
        for name in desired.about.iter().filter(|name| markers.contains_key(**name)) {
            let wanted = goals.contains(&(*name, node.as_str()));
            let stage = desired.flavour.stage(name);
            let why = match stage.map(|stage| stage.retire) {
                None | Some(Retire::Never) => continue,
                Some(Retire::WithData(&[])) => NOT_ASKED_FOR,
                Some(Retire::WithData(_)) => {
                    "the node no longer has the role; what the stage keeps there goes, too"
                }
            };
            if !wanted {
                changes.push(Change::of_node(ChangeKind::Retire, Object::Stage, name, node, why));
            }
        }
    }
}

/// Domains of ours whose node the topology no longer has.
fn removals(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    let wanted: BTreeSet<Uuid> = desired.domains.iter().map(|domain| domain.uuid).collect();
    let why = "the topology no longer has this node; its disk goes, too";
    changes.extend(removal::domains(desired.lab, &wanted, &observed.inventory, why));
    let wanted: BTreeSet<&str> = desired.nodes.iter().map(String::as_str).collect();
    let why = "the topology no longer has this node; what lab put there goes";
    changes.extend(removal::machines(desired.lab, &wanted, &observed.inventory, why));
}

fn network(wanted: &NetworkSpec, observed: &Observed, changes: &mut Vec<Change>) {
    let found = observed.inventory.networks.iter().find(|n| n.uuid == wanted.uuid);
    let change = match found {
        None => Some((ChangeKind::Create, "")),
        Some(found) if found.mark.as_ref().is_none_or(|m| m.hash != wanted.hash) => {
            Some((ChangeKind::UpdateLive, "its records changed"))
        }
        Some(found) if !found.active => Some((ChangeKind::Start, "it is stopped")),
        Some(_) => None,
    };
    if let Some((kind, why)) = change {
        changes.push(Change::shared(kind, Object::Network, &wanted.name, why));
    }
}

/// The changes by which a domain's disks become larger.
fn growing(domain: &DomainSpec, pool: Option<&FoundPool>) -> Vec<Change> {
    let found = |volume: &str| pool.and_then(|pool| pool.sizes.get(volume)).copied();
    let larger = domain.disks.iter().filter_map(|disk| {
        let now = found(&disk.volume).filter(|now| *now < disk.bytes)?;
        let why = format!("from {} to {}", size::human(now), size::human(disk.bytes));
        let kind = ChangeKind::UpdateLive;
        Some(Change::of_node(kind, Object::Volume, &disk.volume, &domain.node, &why))
    });
    larger.collect()
}

/// True where a domain's mark is another one for the size of its disk alone, which is not to become smaller.
fn but_for_size(domain: &DomainSpec, mark: &Mark, pool: Option<&FoundPool>) -> bool {
    let Some(root) = domain.disks.first() else { return false };
    let now = pool.and_then(|pool| pool.sizes.get(&root.volume)).copied();
    let was = mark.size.or(now);
    now.is_none_or(|now| now <= root.bytes)
        && was.is_some_and(|was| domain.disk_of_size(was) == mark.disk)
}

/// What a mark says of disks changes while the guest runs.
fn remarked(domain: &DomainSpec, found: &FoundDomain) -> Option<Change> {
    let mark = found.mark.as_ref()?;
    let is_so = mark.disk == domain.disk
        && mark.kept == domain.kept
        && mark.size.is_none_or(|size| size == domain.size);
    let why = "what is written down of its disks changed";
    let kind = ChangeKind::UpdateLive;
    let change = || Change::of_node(kind, Object::Domain, &domain.name, &domain.node, why);
    (!is_so).then(change)
}

fn domain_change(
    domain: &DomainSpec,
    found: Option<&FoundDomain>,
    pool: Option<&FoundPool>,
) -> Option<Change> {
    let change =
        |kind, why: &str| Change::of_node(kind, Object::Domain, &domain.name, &domain.node, why);
    let reshaped = found.and_then(|found| reshaped(domain, found));
    let (kind, why) = match found {
        None => (ChangeKind::Create, ""),
        Some(found)
            if found.mark.as_ref().is_some_and(|mark| {
                mark.disk != domain.disk && !but_for_size(domain, mark, pool)
            }) =>
        {
            (
                ChangeKind::Replace,
                "image, disk, address, network, login or user-data changed; its data is lost",
            )
        }
        Some(found)
            if found.mark.as_ref().is_none_or(|mark| {
                ![&domain.hash, &domain.hash_with(&mark.disk)].contains(&&mark.hash)
            }) =>
        {
            (ChangeKind::Restart, "its definition changed; the disk stays")
        }
        Some(_) if reshaped.is_some() => {
            (ChangeKind::Restart, reshaped.as_deref().unwrap_or_default())
        }
        Some(found) if !found.active => (ChangeKind::Start, "it is stopped"),
        Some(found) if found.paused => (ChangeKind::Start, "it stands still"),
        Some(_) => return None,
    };
    Some(change(kind, why))
}

/// Where a domain is no longer what its mark says it was made as.
fn reshaped(domain: &DomainSpec, found: &FoundDomain) -> Option<String> {
    let changed = domain.hardware.changed(found.hardware.as_ref()?);
    let changed = changed.join(", ");
    (!changed.is_empty()).then(|| format!("changed with other tools: {changed}; the disk stays"))
}

fn stages(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    let replaced = changes.iter().filter(|change| change.kind == ChangeKind::Replace);
    let replaced: BTreeSet<String> = replaced.filter_map(|change| change.node.clone()).collect();
    let marks = observed.inventory.domains.iter().filter_map(|domain| domain.mark.as_ref());
    let mut known: BTreeSet<&String> = marks.filter_map(|mark| mark.node.as_ref()).collect();
    known.extend(observed.inventory.machines.iter().map(|machine| &machine.node));
    for goal in &desired.stages {
        let marker = observed.markers.get(&goal.node).map(|markers| markers.get(goal.stage));
        let why = match marker {
            _ if replaced.contains(&goal.node) => "the node is made anew".into(),
            // With a node goes what the cluster kept of it.
            Some(Some(_)) if goal.upkeep.is_of_the_cluster() && !replaced.is_empty() => {
                "a node is made anew".into()
            }
            Some(Some(fingerprint)) if *fingerprint == goal.fingerprint => {
                match drift(goal, observed) {
                    Some(why) => why,
                    None => continue,
                }
            }
            Some(Some(_)) => changed(goal, observed),
            Some(None) => String::new(),
            None if known.contains(&goal.node) => {
                "the node does not answer, so nobody knows".into()
            }
            None => String::new(),
        };
        changes.push(Change::of_node(
            ChangeKind::RunStage,
            Object::Stage,
            goal.stage,
            &goal.node,
            &why,
        ));
    }
}

fn changed(goal: &StageGoal, observed: &Observed) -> String {
    match (observed.release(&goal.node, goal.stage), goal.kubernetes) {
        (Some(found), Some(wanted)) if found != wanted => {
            format!("Kubernetes goes from {found} to {wanted}")
        }
        _ => ANOTHER_TOPOLOGY.into(),
    }
}

/// What somebody changed on the node since the stage went through.
fn drift(goal: &StageGoal, observed: &Observed) -> Option<String> {
    let found = goal.upkeep.changed(observed.facts.get(&goal.node)?);
    let (first, more) = found.split_first()?;
    Some(match more.len() {
        0 => format!("changed by hand: {first}"),
        more => format!("changed by hand: {first}, and {more} more"),
    })
}
