//! The engine on drivers that keep everything in memory: first run, rerun, failures at every call
//! and going on after them, foreign objects, interruption.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "rig/fakes.rs"]
mod fakes;
mod rig;

use std::sync::Arc;

use fakes::Rig;
use lab::engine::{Event, Outcome, Stop};
use lab::kubernetes::{DEFAULT, marker};
use lab::model::inventory::{FoundDomain, FoundNetwork};

#[test]
fn first_run_builds_everything_and_the_second_changes_nothing() {
    let rig = Rig::new("book");
    let (bundle, keys) = rig.secrets();
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?} {events:?}");
    assert_eq!(rig.hypervisor.calls().iter().filter(|call| call.starts_with("start ")).count(), 9);
    for stage in DEFAULT.stages {
        for node in (stage.nodes)(&rig.session().lab) {
            let path = format!("{}{}", marker::DIRECTORY, stage.name);
            assert!(
                rig.guests[&node.name].files().contains_key(&path),
                "{} on {}",
                stage.name,
                node.name
            );
        }
    }
    rig.clear();
    let (outcome, _) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Unchanged)), "{outcome:?}");
    assert_eq!(rig.calls(), 0, "a rerun made calls");
}

#[test]
fn a_stage_waits_for_what_it_needs_on_other_nodes() {
    let rig = Rig::new("book");
    let (bundle, keys) = rig.secrets();
    let (_, events) = rig.up(&bundle, &keys);
    let at = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let last_etcd = events
        .iter()
        .rposition(|event| matches!(event, Event::Finished { task, .. } if task == "etcd"))
        .unwrap();
    let first_api =
        at(&|event| matches!(event, Event::Started { task, .. } if task == "control-plane"));
    assert!(last_etcd < first_api, "the control plane started before etcd was complete");
    let first_kubelet = at(
        &|event| matches!(event, Event::Step { task, step, .. } if task == "worker" && step.contains("kubelet.service")),
    );
    let last_api = events
        .iter()
        .rposition(|event| matches!(event, Event::Finished { task, .. } if task == "control-plane"))
        .unwrap();
    assert!(last_api < first_kubelet, "a kubelet started while API servers did");
    let needs =
        lab::kubernetes::DEFAULT.with_needs(lab::kubernetes::DEFAULT.stage("runtime").unwrap());
    assert!(
        needs.iter().all(|stage| stage.name != "control-plane" && stage.name != "etcd"),
        "what workers bring along would wait for the control plane for nothing"
    );
}

#[test]
fn nodes_that_others_wait_for_boot_first() {
    let mut rig = Rig::new("book");
    rig.boots = 1;
    let (bundle, keys) = rig.secrets();
    let (_, events) = rig.up(&bundle, &keys);
    let booted: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Started { node, task } if task == "boot" => node.as_deref(),
            _ => None,
        })
        .collect();
    let wanted = [
        "etcd1",
        "etcd2",
        "etcd3",
        "controller1",
        "controller2",
        "lb1",
        "lb2",
        "worker1",
        "worker2",
    ];
    assert_eq!(booted, wanted);
}

#[test]
fn emulated_workers_join_one_at_a_time() {
    let rig = Rig::new("thw");
    let (bundle, keys) = rig.secrets();
    let (_, events) = rig.up(&bundle, &keys);
    let mut joined: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Step { node, task, .. } if task == "worker" => Some(node.as_str()),
            _ => None,
        })
        .collect();
    joined.dedup();
    joined.sort_unstable();
    assert_eq!(joined, ["worker00", "worker01", "worker02"], "they were in it together");
}

#[test]
fn after_a_failure_at_any_hypervisor_call_the_next_run_completes() {
    let clean = Rig::new("three");
    let (bundle, keys) = clean.secrets();
    clean.up(&bundle, &keys).0.unwrap();
    let (calls, wanted) = (clean.hypervisor.calls().len(), clean.state());
    assert!(calls >= 12, "{calls}");
    for call in 1..=calls {
        let rig = Rig::new("three");
        rig.hypervisor.fail_at(call);
        let (outcome, _) = rig.up(&bundle, &keys);
        assert!(matches!(outcome, Err(_) | Ok(Outcome::Failed(_))), "call {call}: {outcome:?}");
        let (outcome, _) = rig.up(&bundle, &keys);
        assert!(matches!(outcome, Ok(Outcome::Done(_))), "call {call}: {outcome:?}");
        assert_eq!(rig.state(), wanted, "after a failure at call {call}");
    }
}

#[test]
fn after_a_failure_at_any_remote_step_the_next_run_completes() {
    let clean = Rig::new("three");
    let (bundle, keys) = clean.secrets();
    clean.up(&bundle, &keys).0.unwrap();
    let wanted = clean.state();
    let mut tried = 0;
    for (node, guest) in &clean.guests {
        for call in 1..=guest.calls().len() {
            let rig = Rig::new("three");
            rig.guests[node].fail_at(call);
            let (outcome, events) = rig.up(&bundle, &keys);
            let Ok(Outcome::Failed(failures)) = outcome else {
                panic!("{node} {call}: {outcome:?}")
            };
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert_eq!(failures[0].node.as_ref(), Some(node));
            assert!(events.iter().any(|event| matches!(event, Event::Failed(_))));
            let (outcome, _) = rig.up(&bundle, &keys);
            assert!(matches!(outcome, Ok(Outcome::Done(_))), "{node} {call}: {outcome:?}");
            assert_eq!(rig.state(), wanted, "after a failure at call {call} on {node}");
            tried += 1;
        }
    }
    assert!(tried > 30, "only {tried} steps were tried");
}

#[test]
fn a_changed_stage_reruns_there_and_only_there() {
    let rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    // A new serving certificate for one kubelet changes one stage on one node.
    let mut changed = bundle.clone();
    changed.entries.remove("kubelet-server-worker1");
    changed.ensure(&rig.session().lab, time::OffsetDateTime::now_utc()).unwrap();
    rig.clear();
    let (outcome, _) = rig.up(&changed, &keys);
    let Ok(Outcome::Done(changes)) = outcome else { panic!("{outcome:?}") };
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["> run stage worker on worker1  (what it does has changed)"]);
    assert_eq!(rig.hypervisor.calls().len(), 0);
    for quiet in ["etcd1", "controller1"] {
        assert_eq!(rig.guests[quiet].calls().len(), 0, "{quiet} was touched");
    }
}

#[test]
fn objects_of_others_are_refused_before_anything_is_touched() {
    let rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    let lab = rig.session().lab;
    rig.hypervisor.plant(|all| {
        all.domains.push(FoundDomain {
            name: "three-etcd1".into(),
            uuid: uuid::Uuid::from_u128(7),
            mark: None,
            active: true,
            paused: false,
            snapshots: Vec::new(),
            macs: vec![lab.nodes[1].mac.clone()],
            hardware: None,
        });
        all.networks.push(FoundNetwork {
            name: "default".into(),
            uuid: uuid::Uuid::from_u128(8),
            mark: None,
            active: true,
            cidrs: vec!["10.240.0.0/16".parse().unwrap()],
            bridge: None,
        });
    });
    let (outcome, _) = rig.up(&bundle, &keys);
    let message = outcome.unwrap_err();
    for part in ["three-etcd1", "52:54:00", "overlaps the libvirt network 'default'"] {
        assert!(message.contains(part), "'{part}' is missing in: {message}");
    }
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_node_that_left_is_removed_only_when_agreed() {
    let mut rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    let before = rig.state();
    let node = "  worker:\n    count: 1\n    first_address: 10.240.0.31";
    let other = "  worker:\n    names: [other]\n    first_address: 10.240.0.32";
    assert!(rig.text.contains(node));
    rig.text = rig.text.replace(node, other);
    let (mut bundle, mut keys) = (bundle, keys);
    bundle.ensure(&rig.session().lab, time::OffsetDateTime::now_utc()).unwrap();
    keys.ensure(&rig.session().lab).unwrap();
    rig.guests.insert("other".into(), Arc::default());
    rig.clear();
    let (outcome, _) = rig.up(&bundle, &keys);
    let message = outcome.unwrap_err();
    assert!(message.contains("three-worker1 would be removed"), "{message}");
    assert_eq!(rig.hypervisor.calls().len(), 0);
    assert_eq!(rig.state(), before);
}

#[test]
fn a_stopped_run_goes_on_later() {
    let rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    let stop = Stop::default();
    stop.request();
    let (outcome, _) = rig.up_stopping(&bundle, &keys, stop);
    assert!(matches!(outcome, Ok(Outcome::Stopped)), "{outcome:?}");
    let (outcome, _) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
}

#[test]
fn networks_the_computer_already_reaches_are_named_with_a_free_one() {
    use lab::model::inventory::HostNetwork;
    use lab::plan::conflicts;
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("three"), home.path());
    let prepared = rig::prepared_for_real(&session);
    let desired = prepared.desired(&session, &[]).unwrap();
    let used =
        |net: &str, device: &str| HostNetwork { net: net.parse().unwrap(), device: device.into() };
    let inventory = lab::model::inventory::Inventory::default();
    let host = [
        used("192.168.1.0/24", "eth0"),
        used("10.240.0.0/16", "tun0"),
        used("10.240.0.7/32", "tun0"),
    ];
    let found = conflicts(&session.lab, &desired, &inventory, &host);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("10.240.0.0/16 via tun0"), "{found:?}");
    assert!(found[0].help.contains("10.241.0.0/24 is free"), "{found:?}");
    let ours = [used("10.240.0.0/24", &session.lab.network.bridge)];
    assert!(
        conflicts(&session.lab, &desired, &inventory, &ours).is_empty(),
        "the lab's own bridge"
    );
    assert!(!lab::drivers::host::used_networks().iter().any(|used| used.net.prefix_len() == 0));
}

#[test]
fn a_change_that_needs_another_disk_replaces_the_node_only_when_agreed() {
    let mut rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    let before = rig.state();
    rig.clear();
    rig.text = rig.text.replace("disk: 20GiB", "disk: 30GiB");
    let (outcome, _) = rig.up(&bundle, &keys);
    let message = outcome.unwrap_err();
    assert!(message.contains("three-worker1 would be removed"), "{message}");
    assert_eq!(rig.state(), before);
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_copy_of_a_nodes_domain_is_somebody_elses() {
    let rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    rig.hypervisor.plant(|all| {
        let mut copy = all.domains.iter().find(|d| d.name == "three-worker1").unwrap().clone();
        copy.name = "copy-of-worker1".into();
        copy.uuid = uuid::Uuid::from_u128(99);
        copy.macs = vec!["52:54:00:99:99:99".into()];
        all.domains.push(copy);
    });
    let before = rig.state();
    rig.clear();
    let (outcome, _) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Unchanged)), "{outcome:?}");
    assert_eq!(rig.state(), before);
}

#[test]
fn what_cannot_be_had_is_said_and_gone_without() {
    let mut rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    let manifest = "/etc/kubernetes/lab/coredns.yaml";
    assert!(rig.guests["controller1"].files().contains_key(manifest));
    // What is there stays, though it could not be had any more.
    rig.no_dns = true;
    let removes = |events: &[Event]| {
        let is_removal =
            |e: &Event| matches!(e, Event::Step { step, .. } if step.contains("have no coredns"));
        events.iter().any(is_removal)
    };
    assert!(!removes(&rig.up(&bundle, &keys).1));
    rig.text.push_str("kubernetes: {addons: []}\n");
    assert!(removes(&rig.up(&bundle, &keys).1), "it is wanted no more");
    let rig = Rig { no_dns: true, ..Rig::new("three") };
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    assert!(
        events.iter().any(
            |e| matches!(e, Event::Warning { text } if text.contains("cluster DNS is left out"))
        )
    );
    assert!(!rig.guests["controller1"].files().contains_key(manifest));
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(
        matches!(outcome, Ok(Outcome::Unchanged)) && events.is_empty(),
        "{outcome:?} {events:?}"
    );
}

/// `three` with other numbers of nodes, and its guests.
fn resized(rig: &mut Rig, etcd: usize, controllers: usize, workers: usize) {
    let text = rig::shipped("three");
    let parts: Vec<&str> = text.split("count: 1").collect();
    assert_eq!(parts.len(), 4);
    rig.text = format!(
        "{}count: {etcd}{}count: {controllers}{}count: {workers}{}",
        parts[0], parts[1], parts[2], parts[3]
    );
    let lab = rig.session().lab;
    rig.add_guests(&lab);
}

fn secrets_for(
    rig: &Rig,
    mut bundle: lab::pki::Bundle,
    mut keys: lab::pki::SshKeys,
) -> (lab::pki::Bundle, lab::pki::SshKeys) {
    bundle.ensure(&rig.session().lab, time::OffsetDateTime::now_utc()).unwrap();
    keys.ensure(&rig.session().lab).unwrap();
    (bundle, keys)
}

#[test]
fn a_cluster_grows_node_by_node_and_nothing_else_is_restarted() {
    let mut rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    let unit = rig.guests["etcd1"].files()["/etc/systemd/system/etcd.service"].clone();
    resized(&mut rig, 3, 2, 2);
    let (bundle, keys) = secrets_for(&rig, bundle, keys);
    rig.clear();
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
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
    assert!(matches!(rig.up(&bundle, &keys).0, Ok(Outcome::Unchanged)));
}

#[test]
fn a_cluster_shrinks_in_order_and_only_when_agreed() {
    let mut rig = Rig::new("three");
    resized(&mut rig, 3, 2, 2);
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    resized(&mut rig, 2, 1, 1);
    let (smaller, keys) = secrets_for(&rig, bundle, keys);
    rig.clear();
    let message = rig.up(&smaller, &keys).0.unwrap_err();
    for gone in ["three-etcd3", "three-controller2", "three-worker2"] {
        assert!(message.contains(gone), "{message}");
    }
    assert_eq!(rig.calls(), 0);
    let (outcome, events) = rig.up_agreed(&smaller, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    let finished: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Finished { node, task, .. } => {
                Some(format!("{task} {}", node.clone().unwrap_or_default()).trim().to_owned())
            }
            _ => None,
        })
        .collect();
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
    assert!(matches!(rig.up(&smaller, &keys).0, Ok(Outcome::Unchanged)));
}

#[test]
fn nobody_leaves_while_no_controller_answers() {
    let mut rig = Rig::new("three");
    resized(&mut rig, 1, 1, 2);
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    resized(&mut rig, 1, 1, 1);
    rig.hypervisor.plant(|all| {
        for domain in all.domains.iter_mut().filter(|d| d.name.contains("controller")) {
            domain.active = false;
        }
    });
    rig.clear();
    let message = rig.up_agreed(&bundle, &keys).0.unwrap_err();
    assert!(message.contains("controller1 does not answer"), "{message}");
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_node_that_loses_a_role_is_cleared_of_it() {
    let mut rig = Rig::new("single");
    let text = rig.text.clone();
    rig.text = text.replace(
        "nodes:\n",
        "nodes:\n  second:\n    roles: [etcd, control-plane, worker]\n    first_address: 10.240.0.20\n",
    );
    let lab = rig.session().lab;
    rig.add_guests(&lab);
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    rig.text = rig.text.replace(
        "  second:\n    roles: [etcd, control-plane, worker]",
        "  second:\n    roles: [worker]",
    );
    rig.clear();
    let message = rig.up(&bundle, &keys).0.unwrap_err();
    assert!(
        message.contains("etcd of second") && message.contains("control-plane of second"),
        "{message}"
    );
    assert_eq!(rig.calls(), 0);
    let (outcome, events) = rig.up_agreed(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
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
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    rig.text = rig
        .text
        .replace("disk: 20GiB", "disk: 20GiB\n    overrides:\n      worker2: {disk: 30GiB}");
    rig.clear();
    let (outcome, events) = rig.up_agreed(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
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
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    rig.text = rig.text.replace(
        "count: 3\n    first_address: 10.240.0.11",
        "count: 3\n    overrides: {etcd1: {disk: 30GiB}, etcd2: {disk: 30GiB}}\n    first_address: 10.240.0.11",
    );
    rig.clear();
    let message = rig.up_agreed(&bundle, &keys).0.unwrap_err();
    assert!(message.contains("2 of 3 etcd members"), "{message}");
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_node_that_was_stopped_does_not_repeat_its_stages() {
    let rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    rig.hypervisor.plant(|all| all.domains.iter_mut().for_each(|domain| domain.active = false));
    rig.clear();
    let (outcome, _) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    assert_eq!(rig.hypervisor.calls().iter().filter(|call| call.starts_with("start ")).count(), 3);
    for (name, guest) in &rig.guests {
        let puts = guest.calls().iter().filter(|call| call.starts_with("put ")).count();
        assert_eq!(puts, 0, "{name} was written to: {:?}", guest.calls());
    }
}

#[test]
fn a_saved_plan_is_carried_out_as_it_is_or_not_at_all() {
    let planned = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Planned { changes } => Some(lab::engine::as_agreed(changes)),
            _ => None,
        })
    };
    let first = Rig::new("three");
    let (bundle, keys) = first.secrets();
    let (outcome, events) = first.run(&bundle, &keys, Stop::default(), false);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    let plan = planned(&events).unwrap();
    assert!(plan.as_array().unwrap().len() > 10, "{plan}");

    let mut other = Rig::new("three");
    other.agreed = Some(plan);
    // Somebody lost a change on the way.
    let mut less = other.agreed.clone().unwrap();
    less.as_array_mut().unwrap().pop();
    let whole = other.agreed.replace(less);
    let (outcome, events) = other.run(&bundle, &keys, Stop::default(), false);
    assert!(outcome.unwrap_err().contains("no longer what it was made for"));
    assert!(
        planned(&events).is_none()
            && other.hypervisor.calls().iter().all(|c| !c.contains("define"))
    );
    other.agreed = whole;
    let (outcome, _) = other.run(&bundle, &keys, Stop::default(), false);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    // Done is done: what it says is no longer to be done.
    let (outcome, _) = other.run(&bundle, &keys, Stop::default(), false);
    assert!(outcome.unwrap_err().contains("no longer what it was made for"));
}

#[test]
fn a_domain_that_somebody_changed_is_told_and_put_right() {
    let rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.up(&bundle, &keys).0.unwrap();
    let wanted = rig.state();
    let worker = rig.session().lab.node("worker1").unwrap().clone();
    rig.hypervisor.plant(|all| {
        let domain = all.domains.iter_mut().find(|domain| domain.uuid == worker.uuid).unwrap();
        let shape = domain.hardware.as_mut().unwrap();
        shape.memory_kib = 512 << 10;
        shape.cards.insert("52:54:00:00:00:99".into(), "default".into());
    });
    let (outcome, _) = rig.up(&bundle, &keys);
    let Ok(Outcome::Done(changes)) = outcome else { panic!("{outcome:?}") };
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "! redefine and restart domain three-worker1  (changed with other tools: 512 MiB of memory instead of 2048 MiB, other network cards; the disk stays)"
        ]
    );
    assert_eq!(rig.state(), wanted);
    let (outcome, _) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Unchanged)), "{outcome:?}");
}

#[test]
fn kubernetes_goes_up_one_minor_release_at_a_time_and_never_back() {
    let mut rig = Rig::new("three");
    let (bundle, keys) = rig.secrets();
    rig.version = "1.34.1";
    rig.up(&bundle, &keys).0.unwrap();
    let state = rig.state();
    for (version, why) in [
        ("1.36.2", "one minor release at a time"),
        ("1.34.0", "does not understand"),
        ("1.33.9", "does not understand"),
    ] {
        rig.version = version;
        let (outcome, _) = rig.up(&bundle, &keys);
        assert!(outcome.as_ref().is_err_and(|error| error.contains(why)), "{version}: {outcome:?}");
        assert_eq!(rig.state(), state, "nothing was touched");
    }
    for version in ["1.34.3", "1.35.0", "1.36.2"] {
        rig.version = version;
        let (outcome, _) = rig.up(&bundle, &keys);
        assert!(matches!(outcome, Ok(Outcome::Done(_))), "{version}: {outcome:?}");
    }
}

/// A `book` that serves with 1.34.1, before binaries of 1.35.0.
fn before_another_kubernetes() -> (Rig, (lab::pki::Bundle, lab::pki::SshKeys)) {
    let mut rig = Rig::new("book");
    let secrets = rig.secrets();
    rig.version = "1.34.1";
    rig.up(&secrets.0, &secrets.1).0.unwrap();
    rig.version = "1.35.0";
    rig.artifacts = "fedcba9876543210";
    rig.clear();
    (rig, secrets)
}

/// Where a node's task first `begins` or ends among the events.
fn place(events: &[Event], begins: bool, task: &str, node: &str) -> usize {
    let found = events.iter().position(|event| match event {
        Event::Started { node: Some(n), task: t } if begins => n == node && t == task,
        Event::Finished { node: Some(n), task: t, .. } if !begins => n == node && t == task,
        _ => false,
    });
    found.unwrap_or_else(|| panic!("{task} of {node}: {events:#?}"))
}

#[test]
fn another_kubernetes_comes_to_one_node_after_the_other_controllers_first() {
    let (rig, (bundle, keys)) = before_another_kubernetes();
    let (outcome, events) = rig.up(&bundle, &keys);
    let Ok(Outcome::Done(changes)) = outcome else { panic!("{outcome:?}") };
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let why = "Kubernetes goes from 1.34.1 to 1.35.0";
    assert!(shown.contains(&format!("> run stage worker on worker2  ({why})")), "{shown:#?}");
    let told = format!("{why}: one node after the other, controllers before workers");
    assert!(events.iter().any(|event| matches!(event, Event::Note { text } if *text == told)));

    // Whatever is done to a node, nothing is done to another one meanwhile.
    let mut busy: Option<(&str, usize)> = None;
    for event in &events {
        match event {
            Event::Started { node: Some(node), .. } => {
                let (one, tasks) = busy.get_or_insert((node, 0));
                assert_eq!(*one, node, "{events:#?}");
                *tasks += 1;
            }
            Event::Finished { node: Some(node), .. } => {
                let Some((one, tasks)) = &mut busy else { panic!("{events:#?}") };
                assert_eq!(*one, node, "{events:#?}");
                *tasks -= 1;
                busy.take_if(|(_, tasks)| *tasks == 0);
            }
            _ => {}
        }
    }
    let nodes = rig.session().lab.nodes;
    for node in nodes.iter().filter(|node| node.is(lab::model::Role::Worker)) {
        let drained = place(&events, false, "drain", &node.name);
        let controllers = nodes.iter().filter(|node| node.is(lab::model::Role::ControlPlane));
        for controller in controllers {
            assert!(place(&events, false, "control-plane", &controller.name) < drained);
        }
        assert!(drained < place(&events, true, "domain", &node.name));
        let takes_again = format!("{} takes pods again, says controller1", node.name);
        assert!(events.iter().any(|event| matches!(
            event,
            Event::Step { step, .. } if *step == takes_again
        )));
    }
    rig.clear();
    assert!(matches!(rig.up(&bundle, &keys).0, Ok(Outcome::Unchanged)));
}

#[test]
fn an_upgrade_stops_at_the_first_controller_that_fails_and_goes_on_from_there() {
    let (mut rig, (bundle, keys)) = before_another_kubernetes();
    rig.guests["controller2"].fail_at(3);
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Failed(_))), "{outcome:?}");
    let touched = |event: &Event| matches!(event, Event::Started { node: Some(node), .. } if node.starts_with("worker"));
    assert!(!events.iter().any(touched), "workers would be newer than controller2");
    rig.version = "1.36.2";
    let (outcome, _) = rig.up(&bundle, &keys);
    assert!(outcome.is_err_and(|error| error.contains("from 1.34.1 to 1.36.2")));
    rig.version = "1.35.0";
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    assert!(
        place(&events, false, "control-plane", "controller2")
            < place(&events, true, "drain", "worker1")
    );
}

#[test]
fn a_worker_that_cannot_be_emptied_stays_as_it_is() {
    let (rig, (bundle, keys)) = before_another_kubernetes();
    // Everything but this worker's stage is done: the next run has nothing to ask but to empty it.
    rig.guests["worker1"].fail_at(1);
    assert!(matches!(rig.up(&bundle, &keys).0, Ok(Outcome::Failed(_))));
    rig.clear();
    rig.guests["controller1"].fail_at(1);
    let (outcome, _) = rig.up(&bundle, &keys);
    let Ok(Outcome::Failed(failures)) = outcome else { panic!("{outcome:?}") };
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!((failure.node.as_deref(), failure.task.as_str()), (Some("worker1"), "drain"));
    assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("lab up --force")));
    assert_eq!(rig.calls_of("worker1"), [] as [&str; 0]);
    assert!(matches!(rig.up(&bundle, &keys).0, Ok(Outcome::Done(_))));
    assert!(matches!(rig.up(&bundle, &keys).0, Ok(Outcome::Unchanged)));
}

#[test]
fn a_plan_says_which_certificates_are_made_anew_and_why() {
    let rig = Rig::new("three");
    let (mut bundle, keys) = rig.secrets();
    rig.keep(&bundle, &keys);
    let certificates = || {
        let session = rig.session();
        let desired = lab::engine::preview(&session)
            .unwrap()
            .desired(&session, DEFAULT.stages.iter().collect::<Vec<_>>().as_slice());
        let changes = lab::plan::diff(&desired.unwrap(), &lab::plan::Observed::default());
        let about = changes.iter().filter(|change| change.object == "certificate");
        about.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(certificates(), [] as [&str; 0]);
    let end = time::Date::from_calendar_date(2026, time::Month::March, 9).unwrap();
    let entry = bundle.entries.get_mut("kubelet-server-worker1").unwrap();
    entry.made.not_after = end.midnight().assume_utc().unix_timestamp();
    bundle.renew(&rig.session().lab, &["admin".into()]).unwrap();
    rig.keep(&bundle, &keys);
    assert_eq!(
        certificates(),
        [
            "~ update certificate admin  (as asked)",
            "~ update certificate kubelet-server-worker1  (it ends on 2026-03-09)",
        ]
    );
}

/// Warnings of a run.
fn warnings<'a>(events: &'a [Event]) -> Vec<&'a String> {
    let warning = |event: &'a Event| match event {
        Event::Warning { text } => Some(text),
        _ => None,
    };
    events.iter().filter_map(warning).collect()
}

#[test]
fn new_nodes_are_copies_of_golden_guests_where_there_are_some() {
    let booted = Rig::new("three");
    let (bundle, keys) = booted.secrets();
    booted.up(&bundle, &keys).0.unwrap();

    let rig = Rig::new("three");
    rig.bring_goldens();
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    assert!(warnings(&events).is_empty(), "{events:?}");
    let calls = rig.hypervisor.calls();
    let copied: Vec<&String> =
        calls.iter().filter(|call| call.ends_with(" to lab-golden")).collect();
    assert_eq!(copied.len(), 3, "{calls:#?}");
    // The seed comes last of all that is plugged in: what it needs is there by then.
    let plugged: Vec<&String> = calls.iter().filter(|call| call.starts_with("plug ")).collect();
    assert_eq!(plugged.iter().filter(|call| call.starts_with("plug vdb ")).count(), 3);
    assert!(plugged.last().unwrap().starts_with("plug vdb "), "{plugged:#?}");
    // Nothing tells the lab from one that booted.
    assert_eq!(rig.state(), booted.state());
    assert!(matches!(rig.up(&bundle, &keys).0, Ok(Outcome::Unchanged)));
}

#[test]
fn after_a_failure_at_any_call_a_node_boots_in_the_place_of_its_copy() {
    let clean = Rig::new("single");
    let (bundle, keys) = clean.secrets();
    clean.bring_goldens();
    clean.up(&bundle, &keys).0.unwrap();
    let (calls, wanted) = (clean.hypervisor.calls(), clean.state());
    let mut booted = 0;
    for call in 1..=calls.len() {
        let rig = Rig::new("single");
        rig.bring_goldens();
        rig.hypervisor.fail_at(call);
        let (outcome, events) = rig.up(&bundle, &keys);
        let told = warnings(&events).iter().any(|text| text.contains("is no copy, and boots: "));
        assert_eq!(told, matches!(outcome, Ok(Outcome::Done(_))), "{call}: {outcome:?} {events:?}");
        booted += usize::from(told);
        rig.up(&bundle, &keys).0.unwrap();
        assert_eq!(rig.state(), wanted, "after a failure at {}", calls[call - 1]);
    }
    assert!(booted >= 9, "{booted} of {calls:#?}");
}

#[test]
fn who_asks_for_copies_is_told_why_a_node_boots() {
    let mut rig = Rig::new("single");
    rig.bring_goldens();
    let (bundle, keys) = rig.secrets();
    rig.text = rig.text.replace("nodes:\n", "options: {clone: warm}\nnodes:\n");
    let own = "user_data: {packages: [tree]}";
    rig.text = rig.text.replace("    roles:", &format!("    {own}\n    roles:"));
    let (outcome, events) = rig.up(&bundle, &keys);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    let warnings = warnings(&events);
    assert!(warnings[0].ends_with("boots: its user_data wants a first boot"), "{warnings:?}");
    assert!(!rig.hypervisor.calls().iter().any(|call| call.contains("lab-golden")));
}
