//! Whether a lab fits on this computer, before any of it is there.

use crate::drivers::host::capacity::Capacity;
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::task::error::EngineError;
use crate::model::inventory::{Inventory, MachineState};
use crate::model::{Lab, code};

/// Disk space that a node takes once it has booted, MiB.
const DISK_PER_NODE: u64 = 400;
/// Memory that the computer needs for itself, MiB.
const RESERVE: u64 = 256;

/// What nodes that do not run yet want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Nodes.
    pub nodes: u64,
    /// Nodes without a disk yet.
    pub disks: u64,
    /// Memory, MiB.
    pub memory: u64,
}

impl Demand {
    /// Of the session's lab, where `inventory` is all that is there.
    pub fn of(session: &Session, inventory: &Inventory) -> Self {
        let mut demand = Self::default();
        for node in session.lab.guests() {
            let machine = inventory.machine(node);
            if !machine.is_some_and(MachineState::is_active) {
                demand.nodes += 1;
                demand.disks += u64::from(machine.is_none());
                demand.memory += node.memory_mib;
            }
        }
        demand
    }
}

/// Why `demand` does not fit; `None` when it does.
fn shortage(demand: Demand, capacity: Capacity) -> Option<String> {
    let had = capacity.memory.saturating_sub(capacity.promised + RESERVE);
    if demand.memory > had {
        let promised = match capacity.promised {
            0 => String::new(),
            promised => format!(" ({promised} MiB more are promised to guests that run)"),
        };
        return Some(format!(
            "{} nodes want {} MiB of memory, and {had} can be had{promised}",
            demand.nodes, demand.memory
        ));
    }
    let need = demand.disks * DISK_PER_NODE;
    (need > capacity.disk).then(|| {
        format!(
            "{} new disks want {need} MiB at least, and {} are free",
            demand.disks, capacity.disk
        )
    })
}

/// Refuses a lab that does not fit, unless the person insists. What another computer has is its own
/// libvirt's business.
pub(crate) fn admit(
    session: &Session,
    inventory: &Inventory,
    insists: bool,
) -> Result<(), EngineError> {
    let demand = Demand::of(session, inventory);
    if insists || !is_local(session) || demand.nodes == 0 {
        return Ok(());
    }
    let place = session.provider.layout(&session.lab).pools;
    match shortage(demand, Capacity::read(place.as_ref())) {
        None => Ok(()),
        Some(why) => Err(EngineError::of(&code::NO_ROOM, format!("find room for the lab on this computer: {why}"))
            .hint("`lab list` shows what other labs take; smaller `memory` or fewer nodes, or `--overcommit` to insist")
            .preflight()),
    }
}

/// True when what nodes take is taken from this computer.
fn is_local(session: &Session) -> bool {
    match &session.provider {
        ProviderKind::Private(_) => true,
        ProviderKind::Existing(_) => false,
        ProviderKind::System { uri } => uri.starts_with("qemu:///") || uri.starts_with("qemu+unix"),
    }
}

/// Refuses a snapshot of memory that the disk has no room for: guests would stand still until it is full, and
/// those of other labs with them.
pub(crate) fn admit_memory(session: &Session, lab: &Lab) -> Result<(), EngineError> {
    let place = session.provider.layout(&session.lab).pools;
    let free = Capacity::read(place.as_ref()).disk;
    match memory_shortage(lab, free).filter(|_| is_local(session)) {
        None => Ok(()),
        Some(why) => Err(EngineError::of(
            &code::NO_ROOM,
            format!("find room for the guests' memory: {why}"),
        )
        .hint("`lab snapshot list` shows what others take; `--disk-only` saves the disks alone")
        .preflight()),
    }
}

/// What memory that is saved lacks on a disk with so many MiB free. Guests fill theirs in time, and what
/// describes it takes a little more.
fn memory_shortage(lab: &Lab, free: u64) -> Option<String> {
    let need: u64 = lab.guests().map(|node| node.memory_mib).sum::<u64>() * 11 / 10;
    (need > free).then(|| format!("it may take {need} MiB, and {free} are free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_not_saved_where_it_does_not_fit() {
        let text = "name: a\nnetwork: {cidr: 10.1.0.0/24}\nnodes: {n: {count: 1, roles: [etcd, control-plane, worker], memory: 2000MiB}}\n";
        let owner = crate::model::Owner { machine: "m".into(), uid: 0 };
        let loaded = crate::model::topology::load(text, &owner);
        let lab = loaded.map(|loaded| loaded.lab).map_err(|problems| format!("{problems:?}"));
        let short = |free| lab.as_ref().map(|lab| memory_shortage(lab, free));
        assert_eq!(short(2200), Ok(None));
        let wanted = "it may take 2200 MiB, and 2199 are free";
        assert_eq!(short(2199), Ok(Some(wanted.into())));
    }

    #[test]
    fn what_is_promised_to_others_is_not_had() {
        let demand = Demand { nodes: 3, disks: 3, memory: 5000 };
        let capacity = Capacity { memory: 6000, promised: 0, disk: 2000 };
        assert_eq!(shortage(demand, capacity), None);
        let promised =
            shortage(demand, Capacity { promised: 1000, ..capacity }).unwrap_or_default();
        assert!(promised.contains("4744 can be had (1000 MiB more"), "{promised}");
        let full = shortage(demand, Capacity { disk: 1000, ..capacity }).unwrap_or_default();
        assert!(full.contains("want 1200 MiB at least, and 1000 are free"), "{full}");
        // What is there already wants no new disk.
        assert_eq!(shortage(Demand { disks: 0, ..demand }, Capacity { disk: 0, ..capacity }), None);
    }
}
