//! Snapshots of nodes with several disks.

use lab::drivers::provider::{Machines, Storage};
use lab::model::snapshot::Kind;

use super::{World, YES};

/// A snapshot holds all disks of a node, or there is none.
#[test]
fn further_disks_are_part_of_it_and_those_of_another_topology_are_refused() {
    let world = World::up("machines");
    world.save("one", Kind::Disk).unwrap();
    // A run that was stopped left a disk in the domain that the topology no longer has.
    let change = |there: bool| {
        world.rig.hypervisor.plant(|all| {
            let mut domains = all.domains.iter_mut().filter(|d| d.name == "machines-server1");
            let disks = &mut domains.next().unwrap().hardware.as_mut().unwrap().disks;
            match there {
                true => drop(disks.insert("vde".into(), "/pools/server1.disk-more.qcow2".into())),
                false => drop(disks.remove("vde")),
            }
        });
    };
    change(true);
    let refused = world.save("two", Kind::Disk).unwrap_err();
    assert!(refused.to_string().contains("has other disks than its topology says"), "{refused}");
    change(false);
    world.save("two", Kind::Disk).unwrap();
    let pool = world.rig.lab().pool();
    world.rig.hypervisor.remove_volume(&pool, "server1.disk-data.qcow2").unwrap();
    let refused = world.restore("one", &YES).0.unwrap_err();
    assert!(refused.to_string().contains("a further disk of server1 is gone"), "{refused}");
    assert!(world.delete("one").is_ok());
}

#[test]
fn a_disk_that_was_made_anew_makes_a_snapshot_useless_and_it_says_so() {
    let world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    let session = world.rig.session();
    let (pool, worker) = (session.lab.pool(), session.lab.node("worker1").unwrap().uuid);
    world.rig.hypervisor.remove(worker).unwrap();
    world.rig.hypervisor.remove_volume(&pool, "worker1.qcow2").unwrap();
    world.rig.clear();
    let (refused, _) = world.restore("one", &YES);
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("the disk of worker1 is gone"), "{refused}");
    world.again();
    world.rig.clear();
    let (refused, _) = world.restore("one", &YES);
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("worker1 was made anew since"), "{refused}");
    assert!(world.rig.hypervisor.calls().is_empty());
    // Deleting it leaves the new disk alone.
    world.delete("one").unwrap();
    let calls = world.rig.hypervisor.calls();
    assert!(!calls.iter().any(|call| call.contains(&worker.to_string())), "{calls:?}");
    assert!(world.names().is_empty());
}
