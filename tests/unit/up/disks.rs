//! Disks: further ones come and go, all of them grow in place, and nothing on them is lost unasked.

use lab::engine::{Event, Outcome};

use crate::rig::fakes::{Rig, Up};

/// One node with one further disk.
const LAB: &str = "name: disks\nkubernetes: none\nnetwork: {cidr: 10.240.0.0/24}\nnodes:\n  \
    files:\n    roles: []\n    first_address: 10.240.0.10\n    disk: 20GiB\n    disks:\n      \
    data: {size: 10GiB, mount: /srv/data}\n";

fn up() -> Rig {
    let rig = Rig::of(LAB);
    rig.done(Up::PLAIN);
    rig.clear();
    rig
}

fn calls(rig: &Rig) -> Vec<String> {
    rig.hypervisor.calls()
}

fn volumes(rig: &Rig) -> Vec<String> {
    use lab::drivers::provider::Provider;
    let pools = rig.hypervisor.inventory().unwrap().pools;
    let all = pools.into_iter().flat_map(|pool| pool.volumes);
    all.filter(|name| name.starts_with("files")).collect()
}

#[test]
fn a_further_disk_is_made_mounted_and_asked_for() {
    let mut rig = up();
    let files = rig.guests["files"].files();
    let unit = &files["/etc/systemd/system/srv-data.mount"];
    assert!(
        unit.contains("What=/dev/disk/by-id/virtio-data\nWhere=/srv/data\nType=ext4\n"),
        "{unit}"
    );
    assert_eq!(volumes(&rig), ["files.qcow2", "files-seed.img", "files.disk-data.qcow2"]);
    rig.edit("data: {size", "more: {size: 1GiB, serial: more-1}\n      data: {size");
    let (_, events) = rig.done(Up::PLAIN);
    let made = calls(&rig);
    assert!(made.iter().any(|call| call.ends_with("files.disk-more.qcow2")), "{made:?}");
    let restarted = made.iter().position(|call| call.starts_with("shut down")).unwrap();
    let volume = made.iter().position(|call| call.starts_with("volume")).unwrap();
    assert!(volume < restarted, "{made:?}");
    assert!(events.iter().any(|e| matches!(e, Event::Finished { task, .. } if task == "os")));
    rig.clear();
    rig.is_as_wanted();
}

#[test]
fn a_disk_that_the_topology_no_longer_has_goes_only_when_agreed() {
    let mut rig = up();
    rig.edit("    disks:\n      data: {size: 10GiB, mount: /srv/data}\n", "");
    let message = rig.up(Up::PLAIN).0.unwrap_err();
    assert!(message.starts_with("error[L0604]"), "{message}");
    assert!(message.contains("the disk files.disk-data.qcow2 would be lost"), "{message}");
    assert_eq!(rig.calls(), 0);
    rig.done(Up::AGREED);
    let made = calls(&rig);
    let at = |begin: &str| made.iter().position(|call| call.starts_with(begin)).unwrap();
    assert!(at("shut down") < at("remove volume"), "{made:?}");
    assert_eq!(volumes(&rig), ["files.qcow2", "files-seed.img"]);
    assert!(rig.session().store.path("ssh/host-files").exists(), "the node was taken for gone");
    rig.clear();
    rig.is_as_wanted();
}

/// Also beside a node that comes.
#[test]
fn a_disk_goes_after_its_node_let_go_of_it() {
    let mut rig = up();
    rig.edit("    disks:\n      data: {size: 10GiB, mount: /srv/data}\n", "");
    rig.edit("  files:\n", "  files:\n    names: [files, more]\n");
    rig.done(Up::AGREED);
    let made = calls(&rig);
    let at = |begin: &str| made.iter().position(|call| call.starts_with(begin)).unwrap();
    assert!(at("shut down") < at("remove volume"), "{made:?}");
    assert!(rig.session().store.path("ssh/host-files").exists(), "the node was taken for gone");
    rig.clear();
    rig.is_as_wanted();
}

#[test]
fn disks_grow_while_their_node_runs() {
    let mut rig = up();
    rig.edit("disk: 20GiB", "disk: 30GiB");
    rig.edit("size: 10GiB", "size: 15GiB");
    let (_, events) = rig.done(Up::PLAIN);
    let made = calls(&rig);
    let grown: Vec<&String> = made.iter().filter(|call| call.starts_with("grow")).collect();
    assert_eq!(grown, ["grow lab-disks/files.qcow2", "grow lab-disks/files.disk-data.qcow2"]);
    for lost in ["stop", "shut down", "remove", "volume"] {
        assert!(!made.iter().any(|call| call.starts_with(lost)), "{lost}: {made:?}");
    }
    assert!(events.iter().any(|e| matches!(e, Event::Finished { task, .. } if task == "os")));
    rig.clear();
    rig.is_as_wanted();
}

/// A run that was cut between a disk and its mark must not take the disk for another node's.
#[test]
fn a_growth_that_was_cut_anywhere_goes_on() {
    for at in 1.. {
        let mut rig = up();
        rig.edit("disk: 20GiB", "disk: 30GiB");
        rig.edit("    disk: 30GiB\n", "    disk: 30GiB\n    cpus: 3\n");
        rig.edit("size: 10GiB", "size: 15GiB");
        rig.hypervisor.fail_at(at);
        let uncut = matches!(rig.up(Up::PLAIN).0, Ok(Outcome::Done(_)));
        rig.hypervisor.fail_at(usize::MAX);
        if !uncut {
            rig.done(Up::PLAIN);
        }
        assert!(!calls(&rig).iter().any(|call| call.starts_with("remove")), "cut at {at}");
        rig.clear();
        rig.is_as_wanted();
        if uncut {
            assert!(at > 5, "{at}");
            return;
        }
    }
}

#[test]
fn a_disk_that_would_become_smaller_is_refused_before_anything() {
    let mut rig = up();
    rig.edit("size: 10GiB", "size: 5GiB");
    let message = rig.up(Up::AGREED).0.unwrap_err();
    assert!(
        message.contains("the disk data of files has 10 GiB and cannot become smaller"),
        "{message}"
    );
    assert_eq!(rig.calls(), 0);
}

#[test]
fn what_is_to_be_kept_outlives_its_node() {
    let kept = LAB.replace("mount: /srv/data", "mount: /srv/data, keep: true");
    let rig = Rig::of(&kept);
    rig.done(Up::PLAIN);
    // Another address means another disk to boot from.
    let mut rig = rig;
    rig.edit("first_address: 10.240.0.10", "first_address: 10.240.0.11");
    rig.clear();
    rig.done(Up::AGREED);
    let made = calls(&rig);
    assert!(made.iter().any(|call| call == "remove volume lab-disks/files.qcow2"), "{made:?}");
    assert!(!made.iter().any(|call| call.contains("files.disk-data")), "{made:?}");
    // It leaves, and its disk stays; it comes again, and has it.
    rig.edit(
        "  files:\n    roles: []\n    first_address: 10.240.0.11",
        "  other:\n    roles: []\n    first_address: 10.240.0.12",
    );
    rig.clear();
    rig.done(Up::AGREED);
    assert_eq!(volumes(&rig), ["files.disk-data.qcow2"]);
    rig.edit(
        "  other:",
        "  files:\n    roles: []\n    disks:\n      data: {size: 10GiB, keep: true}\n  other:",
    );
    rig.clear();
    rig.done(Up::AGREED);
    assert!(!calls(&rig).iter().any(|call| call.contains("files.disk-data")), "{:?}", calls(&rig));
    // What is not kept goes with its node.
    rig.edit("size: 10GiB, keep: true", "size: 10GiB");
    rig.done(Up::AGREED);
    rig.edit("  files:\n    roles: []\n    disks:\n      data: {size: 10GiB}\n", "");
    rig.done(Up::AGREED);
    assert_eq!(volumes(&rig), Vec::<String>::new());
}

#[test]
fn a_disk_that_somebody_deleted_is_made_anew_and_told() {
    let rig = up();
    rig.hypervisor.plant(|all| {
        for pool in &mut all.pools {
            pool.volumes.retain(|name| name != "files.disk-data.qcow2");
        }
    });
    rig.done(Up::PLAIN);
    let made = calls(&rig);
    assert!(made.iter().any(|call| call.ends_with("files.disk-data.qcow2")), "{made:?}");
    assert!(made.iter().any(|call| call.starts_with("shut down")), "{made:?}");
    assert!(!made.iter().any(|call| call.starts_with("remove")), "{made:?}");
}

/// True when no node was stopped or made anew.
fn runs_on(rig: &Rig) -> bool {
    let stops = ["sh", "stop", "remove"];
    !calls(rig).iter().any(|call| stops.iter().any(|stop| call.starts_with(stop)))
}

#[test]
fn whether_a_disk_stays_is_written_down_while_its_node_runs() {
    let mut rig = up();
    rig.edit("mount: /srv/data", "mount: /srv/data, keep: true");
    rig.done(Up::PLAIN);
    assert!(runs_on(&rig), "{:?}", calls(&rig));
    rig.clear();
    rig.is_as_wanted();
}

/// Sizes that libvirt rounds, and a disk that is smaller than its image.
#[test]
fn any_size_is_found_again_and_grows() {
    for (before, after) in [("25GB", "30GB"), ("3GiB", "20GiB"), ("5300MB", "5301MB")] {
        let text = LAB.replace("disk: 20GiB", &format!("disk: {before}")).replace("10GiB", before);
        let mut rig = Rig::of(&text);
        rig.done(Up::PLAIN);
        // As libvirt does.
        rig.hypervisor.plant(|all| {
            for size in all.pools.iter_mut().flat_map(|pool| pool.sizes.values_mut()) {
                *size = size.next_multiple_of(1024);
            }
        });
        rig.is_as_wanted();
        let grown = rig.text.replace(before, after);
        rig.becomes(grown);
        rig.clear();
        rig.done(Up::PLAIN);
        assert!(runs_on(&rig), "{before} to {after}: {:?}", calls(&rig));
        rig.clear();
        rig.is_as_wanted();
    }
}

#[test]
fn a_growth_that_was_cut_and_taken_back_loses_nothing() {
    for at in 1..=3 {
        let mut rig = up();
        rig.edit("disk: 20GiB", "disk: 30GiB");
        rig.hypervisor.fail_at(at);
        let cut = matches!(rig.up(Up::PLAIN).0, Ok(Outcome::Failed(_)));
        rig.hypervisor.fail_at(usize::MAX);
        rig.edit("disk: 30GiB", "disk: 20GiB");
        if at == 2 {
            assert!(cut, "the resize was not the second call: {:?}", calls(&rig));
            rig.done(Up::PLAIN);
            assert!(runs_on(&rig), "{:?}", calls(&rig));
            rig.clear();
            rig.is_as_wanted();
        }
    }
}

#[test]
fn a_kept_disk_grows_beside_a_node_that_is_made_anew() {
    let kept = LAB.replace("mount: /srv/data", "mount: /srv/data, keep: true");
    let mut rig = Rig::of(&kept);
    rig.done(Up::PLAIN);
    rig.edit("first_address: 10.240.0.10", "first_address: 10.240.0.11");
    rig.edit("size: 10GiB", "size: 15GiB");
    rig.clear();
    rig.done(Up::AGREED);
    assert!(calls(&rig).contains(&"grow lab-disks/files.disk-data.qcow2".to_owned()));
    rig.clear();
    rig.is_as_wanted();
}

#[test]
fn a_disk_that_is_not_kept_is_made_anew_with_its_node() {
    let mut rig = up();
    rig.edit("first_address: 10.240.0.10", "first_address: 10.240.0.11");
    rig.done(Up::AGREED);
    let made = calls(&rig);
    let at = |begin: &str| made.iter().position(|call| call.starts_with(begin)).unwrap();
    let disk = "lab-disks/files.disk-data.qcow2";
    assert!(at(&format!("remove volume {disk}")) < at(&format!("volume {disk}")), "{made:?}");
    rig.clear();
    rig.is_as_wanted();
}

/// Nobody agreed to more than a disk to boot from.
#[test]
fn a_lost_root_disk_takes_no_other_disk_along() {
    let rig = up();
    rig.hypervisor.plant(|all| {
        for pool in &mut all.pools {
            pool.volumes.retain(|name| name != "files.qcow2");
        }
    });
    rig.done(Up::PLAIN);
    assert!(!calls(&rig).iter().any(|call| call.contains("disk-data")), "{:?}", calls(&rig));
    rig.done(Up::PLAIN);
    rig.clear();
    rig.is_as_wanted();
}

/// A pool that does not run shows nothing of what is in it.
#[test]
fn a_pool_that_is_stopped_is_not_an_empty_one() {
    let rig = up();
    rig.hypervisor.plant(|all| all.pools.iter_mut().for_each(|pool| pool.active = false));
    let (outcome, _) = rig.up(Up::PLAIN);
    assert!(!matches!(outcome, Ok(Outcome::Failed(_)) | Err(_)), "{outcome:?}");
    assert!(!calls(&rig).iter().any(|call| call.contains("volume")), "{:?}", calls(&rig));
}
