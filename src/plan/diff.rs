//! diff(desired, observed).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use uuid::Uuid;

use super::change::{Change, ChangeKind};
use crate::model::inventory::{FoundDomain, Inventory};
use crate::render::{DomainSpec, NetworkSpec, PoolSpec};
use crate::stages::stage;
use crate::stages::upkeep::{Facts, Upkeep};

/// A stage on a node, as it should have run.
#[derive(Clone, Debug)]
pub struct StageGoal {
    /// Stage name.
    pub stage: String,
    /// Node name.
    pub node: String,
    /// Fingerprint of its steps.
    pub fingerprint: String,
    /// What it leaves behind.
    pub upkeep: Upkeep,
}

/// What the topology asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Lab id.
    pub lab: Uuid,
    /// The lab's pool.
    pub pool: PoolSpec,
    /// The lab's network.
    pub network: NetworkSpec,
    /// Shared volumes by name, and the nodes' own.
    pub volumes: Vec<(Option<String>, String)>,
    /// Domains in file order.
    pub domains: Vec<DomainSpec>,
    /// Stages in the order they are told.
    pub stages: Vec<StageGoal>,
    /// The computer's routes to pods.
    pub routes: BTreeMap<Ipv4Net, Ipv4Addr>,
    /// Names of the stages that this plan is about.
    pub about: Vec<&'static str>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// False when a private engine must be started first.
    pub engine_running: bool,
    /// Objects of the hypervisor.
    pub inventory: Inventory,
    /// Fingerprints by node and stage, of the nodes that could be asked.
    pub markers: BTreeMap<String, BTreeMap<String, String>>,
    /// What nodes that went through stages are like now, of those that could be asked.
    pub facts: BTreeMap<String, Facts>,
    /// The computer's routes to pods, through the lab's bridge.
    pub routes: BTreeMap<Ipv4Net, Ipv4Addr>,
}

/// All changes that lead from `observed` to `desired`, in the order they are made.
pub fn diff(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    if !observed.engine_running {
        let why = "a libvirt of the lab's own, in namespaces of its own";
        changes.push(Change::shared(ChangeKind::Start, "engine", "private", why));
    }
    removals(desired, observed, &mut changes);
    let pool = observed.inventory.pools.iter().find(|pool| pool.uuid == desired.pool.uuid);
    if !pool.is_some_and(|pool| pool.active) {
        let kind = if pool.is_some() { ChangeKind::Start } else { ChangeKind::Create };
        changes.push(Change::shared(kind, "pool", &desired.pool.name, ""));
    }
    network(desired, observed, &mut changes);
    if desired.routes != observed.routes {
        let why = format!("{} to the workers' pods", desired.routes.len());
        changes.push(Change::shared(ChangeKind::UpdateLive, "routes", &desired.network.name, &why));
    }
    let has = |name: &String| pool.is_some_and(|pool| pool.volumes.contains(name));
    for (_, name) in desired.volumes.iter().filter(|(node, name)| node.is_none() && !has(name)) {
        changes.push(Change::shared(ChangeKind::Create, "volume", name, ""));
    }
    for domain in &desired.domains {
        let own = desired.volumes.iter().filter(|(node, _)| node.as_ref() == Some(&domain.node));
        for (_, name) in own.filter(|(_, name)| !has(name)) {
            changes.push(Change::of_node(ChangeKind::Create, "volume", name, &domain.node, ""));
        }
        changes.extend(domain_change(domain, observed));
    }
    stages(desired, observed, &mut changes);
    retirements(desired, observed, &mut changes);
    changes
}

/// Stages that a node went through, but no longer has: it lost a role.
fn retirements(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    for domain in &desired.domains {
        let Some(markers) = observed.markers.get(&domain.node) else { continue };
        for name in desired.about.iter().filter(|name| markers.contains_key(**name)) {
            let wanted = desired.stages.iter().any(|g| g.stage == *name && g.node == domain.node);
            let leaves = stage(name).is_some_and(|stage| !stage.retire.is_nothing());
            if !wanted && leaves {
                let why = "the node no longer has the role; what the stage keeps there goes, too";
                changes.push(Change::of_node(ChangeKind::Retire, "stage", name, &domain.node, why));
            }
        }
    }
}

/// Domains of ours whose node the topology no longer has.
fn removals(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    for found in &observed.inventory.domains {
        let Some(node) = found.node_of(desired.lab) else { continue };
        if desired.domains.iter().any(|domain| domain.uuid == found.uuid) {
            continue;
        }
        let why = "the topology no longer has this node; its disk goes, too";
        changes.push(Change::of_node(ChangeKind::Remove, "domain", &found.name, node, why));
    }
}

fn network(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    let name = &desired.network.name;
    let found = observed.inventory.networks.iter().find(|n| n.uuid == desired.network.uuid);
    let change = match found {
        None => Some((ChangeKind::Create, "")),
        Some(found) if found.mark.as_ref().is_none_or(|m| m.hash != desired.network.hash) => {
            Some((ChangeKind::UpdateLive, "its records changed"))
        }
        Some(found) if !found.active => Some((ChangeKind::Start, "it is stopped")),
        Some(_) => None,
    };
    if let Some((kind, why)) = change {
        changes.push(Change::shared(kind, "network", name, why));
    }
}

fn domain_change(domain: &DomainSpec, observed: &Observed) -> Option<Change> {
    let found = observed.inventory.domains.iter().find(|found| found.uuid == domain.uuid);
    let change = |kind, why: &str| Change::of_node(kind, "domain", &domain.name, &domain.node, why);
    let reshaped = found.and_then(|found| reshaped(domain, found));
    let (kind, why) = match found {
        None => (ChangeKind::Create, ""),
        Some(found) if found.mark.as_ref().is_some_and(|mark| mark.disk != domain.disk) => (
            ChangeKind::Replace,
            "image, disk, address, login or user-data changed; its data is lost",
        ),
        Some(found) if found.mark.as_ref().is_none_or(|mark| mark.hash != domain.hash) => {
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
    let changed = domain.shape.changed(found.shape.as_ref()?);
    let changed = changed.join(", ");
    (!changed.is_empty()).then(|| format!("changed with other tools: {changed}; the disk stays"))
}

fn stages(desired: &Desired, observed: &Observed, changes: &mut Vec<Change>) {
    for goal in &desired.stages {
        let replaced = changes.iter().any(|change| {
            change.kind == ChangeKind::Replace && change.node.as_ref() == Some(&goal.node)
        });
        if replaced {
            let why = "the node is made anew";
            changes.push(Change::of_node(
                ChangeKind::RunStage,
                "stage",
                &goal.stage,
                &goal.node,
                why,
            ));
            continue;
        }
        let marker = observed.markers.get(&goal.node).map(|markers| markers.get(&goal.stage));
        let why = match marker {
            Some(Some(fingerprint)) if *fingerprint == goal.fingerprint => {
                match drift(goal, observed) {
                    Some(why) => why,
                    None => continue,
                }
            }
            Some(Some(_)) => "what it does has changed".into(),
            Some(None) => String::new(),
            None if observed.inventory.domains.iter().any(|d| is_node(d, goal)) => {
                "the node does not answer, so nobody knows".into()
            }
            None => String::new(),
        };
        changes.push(Change::of_node(ChangeKind::RunStage, "stage", &goal.stage, &goal.node, &why));
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

fn is_node(domain: &FoundDomain, goal: &StageGoal) -> bool {
    domain.mark.as_ref().is_some_and(|mark| mark.node.as_ref() == Some(&goal.node))
}
