//! A cluster that grows, shrinks, or gets a node anew: in order, and only when agreed.

use lab::engine::Event;

use super::finished;
use crate::rig;
use crate::rig::fakes::{Rig, Up};

#[test]
fn a_node_that_left_is_removed_only_when_agreed() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    let before = rig.state();
    let node = "  worker:\n    count: 1\n    first_address: 10.240.0.31";
    let other = "  worker:\n    names: [other]\n    first_address: 10.240.0.32";
    rig.edit(node, other);
    rig.clear();
    let (outcome, _) = rig.up(Up::PLAIN);
    let message = outcome.unwrap_err();
    assert!(message.starts_with("error[L0604]"), "{message}");
    assert!(message.contains("three-worker1 would be removed"), "{message}");
    assert_eq!(rig.hypervisor.calls().len(), 0);
    assert_eq!(rig.state(), before);
}

#[test]
fn a_change_that_needs_another_disk_replaces_the_node_only_when_agreed() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    let before = rig.state();
    rig.clear();
    rig.edit("disk: 20GiB", "disk: 10GiB");
    let (outcome, _) = rig.up(Up::PLAIN);
    let message = outcome.unwrap_err();
    assert!(message.contains("three-worker1 would be removed"), "{message}");
    assert_eq!(rig.state(), before);
    assert_eq!(rig.calls(), 0);
}

/// `three` with other numbers of nodes, and its guests.
fn resized(rig: &mut Rig, etcd: usize, controllers: usize, workers: usize) {
    let text = rig::shipped("three");
    let parts: Vec<&str> = text.split("count: 1").collect();
    assert_eq!(parts.len(), 4);
    rig.becomes(format!(
        "{}count: {etcd}{}count: {controllers}{}count: {workers}{}",
        parts[0], parts[1], parts[2], parts[3]
    ));
}

#[test]
fn a_cluster_grows_node_by_node_and_nothing_else_is_restarted() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    let unit = rig.guests["etcd1"].files()["/etc/systemd/system/etcd.service"].clone();
    resized(&mut rig, 3, 2, 2);
    rig.clear();
    let (_, events) = rig.done(Up::PLAIN);
    // The first member goes on as it is; the API server learns of the new members.
    let ran = |node: &str, stage: &str| {
        events.iter().any(|e| matches!(e, Event::Finished { node: Some(n), task, .. } if n == node && task == stage))
    };
    assert!(!ran("etcd1", "etcd") && ran("etcd2", "etcd") && ran("etcd3", "etcd"));
    assert!(ran("controller1", "control-plane") && ran("controller2", "control-plane"));
    assert!(!ran("worker1", "worker") && ran("worker1", "pod-network") && ran("worker2", "worker"));
    let files = rig.guests["etcd1"].files();
    assert_eq!(files["/etc/systemd/system/etcd.service"], unit);
    let api = &rig.guests["controller1"].files()["/etc/systemd/system/kube-apiserver.service"];
    assert!(api.contains("https://10.240.0.13:2379"), "{api}");
    // One node at a time: the steps of the controllers do not mix.
    let steps = events.iter().filter_map(|event| match event {
        Event::Step { node, task, .. } if task == "control-plane" => Some(node.as_str()),
        _ => None,
    });
    let mut turns: Vec<&str> = steps.collect();
    turns.dedup();
    assert_eq!(turns.len(), 2, "controllers were restarted at once: {turns:?}");
    assert!(rig.calls_of("etcd1").iter().all(|call| !call.contains("etcd.service")));
    rig.clear();
    rig.is_as_wanted();
}

#[test]
fn a_cluster_shrinks_in_order_and_only_when_agreed() {
    let mut rig = Rig::new("three");
    resized(&mut rig, 3, 2, 2);
    rig.done(Up::PLAIN);
    resized(&mut rig, 2, 1, 1);
    rig.clear();
    let message = rig.up(Up::PLAIN).0.unwrap_err();
    for gone in ["three-etcd3", "three-controller2", "three-worker2"] {
        assert!(message.contains(gone), "{message}");
    }
    assert_eq!(rig.calls(), 0);
    let (_, events) = rig.done(Up::AGREED);
    let finished = finished(&events);
    let at = |wanted: &str| {
        let found = finished.iter().position(|task| task.starts_with(wanted));
        found.unwrap_or_else(|| panic!("no '{wanted}' in {finished:?}"))
    };
    for node in ["worker2", "etcd3", "controller2"] {
        let gone = at(&format!("domain three-{node}"));
        assert!(at("control-plane controller1") < gone, "removed too early: {finished:?}");
    }
    // Each is asked for what it is: pods of a worker, the member of an etcd node.
    assert!(at("drain worker2") < at("control-plane controller1"));
    assert!(at("etcd member etcd3 leaves") < at("control-plane controller1"));
    let asked = |task: &&String| task.starts_with("drain") || task.starts_with("etcd member");
    assert_eq!(finished.iter().filter(asked).count(), 2, "{finished:?}");
    let session = rig.session();
    assert!(!rig.hypervisor.calls().iter().any(|call| call.contains("worker1")));
    assert!(!session.store.path("ssh/host-worker2").exists());
    rig.clear();
    rig.is_as_wanted();
}

#[test]
fn nobody_leaves_while_no_controller_answers() {
    let mut rig = Rig::new("three");
    resized(&mut rig, 1, 1, 2);
    rig.done(Up::PLAIN);
    resized(&mut rig, 1, 1, 1);
    rig.hypervisor.plant(|all| {
        for domain in all.domains.iter_mut().filter(|d| d.name.contains("controller")) {
            domain.active = false;
        }
    });
    rig.clear();
    let message = rig.up(Up::AGREED).0.unwrap_err();
    assert!(message.contains("controller1 does not answer"), "{message}");
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_node_that_loses_a_role_is_cleared_of_it() {
    let mut rig = Rig::new("single");
    rig.edit(
        "nodes:\n",
        "nodes:\n  second:\n    roles: [etcd, control-plane, worker]\n    first_address: 10.240.0.20\n",
    );
    rig.done(Up::PLAIN);
    rig.edit(
        "  second:\n    roles: [etcd, control-plane, worker]",
        "  second:\n    roles: [worker]",
    );
    rig.clear();
    let message = rig.up(Up::PLAIN).0.unwrap_err();
    assert!(
        message.contains("etcd of second") && message.contains("control-plane of second"),
        "{message}"
    );
    assert_eq!(rig.calls(), 0);
    let (_, events) = rig.done(Up::AGREED);
    assert!(
        events.iter().any(
            |e| matches!(e, Event::Finished { task, .. } if task == "etcd member second leaves")
        )
    );
    let calls = rig.calls_of("second");
    assert!(
        calls.iter().any(|call| call.contains("systemctl disable --quiet --now etcd.service")),
        "{calls:?}"
    );
    assert!(!rig.hypervisor.calls().iter().any(|call| call.starts_with("remove")));
}

#[test]
fn a_replaced_node_is_drained_and_made_anew() {
    let mut rig = Rig::new("three");
    resized(&mut rig, 1, 1, 2);
    rig.done(Up::PLAIN);
    rig.edit("disk: 20GiB", "disk: 20GiB\n    overrides:\n      worker2: {disk: 10GiB}");
    rig.clear();
    let (_, events) = rig.done(Up::AGREED);
    assert!(
        events.iter().any(|e| matches!(e, Event::Finished { task, .. } if task == "drain worker2"))
    );
    let calls = rig.hypervisor.calls();
    assert!(calls.iter().any(|call| call.starts_with("remove")), "{calls:?}");
    assert!(calls.iter().any(|call| call.starts_with("start")), "{calls:?}");
    assert!(
        !events
            .iter()
            .any(|e| matches!(e, Event::Finished { task, .. } if task.contains("leaves")))
    );
}

#[test]
fn most_members_of_etcd_are_never_made_anew_at_once() {
    let mut rig = Rig::new("three");
    resized(&mut rig, 3, 1, 1);
    rig.done(Up::PLAIN);
    rig.edit(
        "count: 3\n    first_address: 10.240.0.11",
        "count: 3\n    overrides: {etcd1: {disk: 5GiB}, etcd2: {disk: 5GiB}}\n    first_address: 10.240.0.11",
    );
    rig.clear();
    let message = rig.up(Up::AGREED).0.unwrap_err();
    assert!(message.contains("2 of 3 etcd members"), "{message}");
    assert_eq!(rig.calls(), 0);
}
