//! The difference to nothing: what goes when a lab goes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use uuid::Uuid;

use crate::model::Lab;
use crate::model::inventory::Inventory;
use crate::plan::change::{Change, ChangeKind};
use crate::plan::object::Object;

/// What `down` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Disks with the snapshots in them, keys and certificates: what a restore needs.
    Snapshots,
}

/// What there is of a lab besides what its provider holds.
#[derive(Clone, Debug, Default)]
pub struct Remains {
    /// Providers in which golden guests were being made.
    pub builders: bool,
    /// A private provider runs.
    pub provider_runs: bool,
    /// There is something of a private provider, running or not.
    pub provider: bool,
    /// The computer's hosts file, where it has a block of the lab's.
    pub hosts_file: Option<PathBuf>,
    /// Kubeconfigs that have the lab's context.
    pub kubeconfigs: Vec<PathBuf>,
    /// The lab's directory.
    pub files: Option<PathBuf>,
}

fn remove(object: Object, name: impl std::fmt::Display) -> Change {
    Change::shared(ChangeKind::Remove, object, &name.to_string(), "")
}

/// Removals of the lab's domains that are not `wanted`.
pub(crate) fn domains(
    lab: Uuid,
    wanted: &BTreeSet<Uuid>,
    inventory: &Inventory,
    why: &str,
) -> Vec<Change> {
    let left = inventory.domains.iter().filter(|found| !wanted.contains(&found.uuid));
    let ours = left.filter_map(|found| Some((found, found.node_of(lab)?)));
    ours.map(|(found, node)| {
        Change::of_node(ChangeKind::Remove, Object::Domain, &found.name, node, why)
    })
    .collect()
}

/// Machines that are given back: those of the lab that are not `wanted` nodes.
pub(crate) fn machines(
    lab: Uuid,
    wanted: &BTreeSet<&str>,
    inventory: &Inventory,
    why: &str,
) -> Vec<Change> {
    let ours = inventory.machines.iter().filter(|found| found.lab == lab);
    let left = ours.filter(|found| !wanted.contains(found.node.as_str()));
    let change = |node: &str| Change::of_node(ChangeKind::Remove, Object::Machine, node, node, why);
    left.map(|found| change(&found.node)).collect()
}

/// All changes that lead to nothing of the lab being left but what shall be kept, in the order they are
/// made: what says that there is more to do goes last.
pub fn removal(lab: &Lab, keep: Keep, inventory: &Inventory, remains: &Remains) -> Vec<Change> {
    let mut changes = Vec::new();
    if remains.builders {
        changes.push(remove(Object::Builders, &lab.name));
    }
    match keep {
        Keep::Snapshots if remains.provider_runs => {
            changes.push(Change::shared(ChangeKind::Stop, Object::Provider, "private", ""));
        }
        Keep::Nothing if remains.provider => changes.push(remove(Object::Provider, "private")),
        _ => {}
    }
    changes.extend(domains(lab.id, &BTreeSet::new(), inventory, ""));
    changes.extend(machines(lab.id, &BTreeSet::new(), inventory, ""));
    for network in &inventory.networks {
        // The stable id stands in for the metadata that old libvirts drop from networks.
        let marked = network.mark.as_ref().is_some_and(|mark| mark.lab == lab.id);
        if marked || network.uuid == lab.network.uuid {
            changes.push(remove(Object::Network, &network.name));
        }
    }
    if keep == Keep::Snapshots {
        return changes;
    }
    let pools = inventory.pools.iter().filter(|found| found.uuid == lab.pool_id());
    changes.extend(pools.map(|pool| remove(Object::Pool, &pool.name)));
    changes
        .extend(remains.hosts_file.iter().map(|path| remove(Object::HostsBlock, path.display())));
    let contexts = remains.kubeconfigs.iter();
    changes.extend(contexts.map(|path| remove(Object::Context, path.display())));
    changes.extend(remains.files.iter().map(|path| remove(Object::Files, path.display())));
    changes
}
