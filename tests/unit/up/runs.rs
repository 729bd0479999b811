//! First run, rerun, and all that lies between them: the order of stages, a run that was stopped, a plan that
//! was saved.

use std::collections::BTreeSet;

use lab::engine::{Event, Outcome, Stop};
use lab::kubernetes::{DEFAULT, marker};

use super::shown;
use crate::rig::fakes::{Rig, Up};

#[test]
fn first_run_builds_everything_and_the_second_changes_nothing() {
    let rig = Rig::new("book");
    rig.done(Up::PLAIN);
    assert_eq!(rig.hypervisor.calls().iter().filter(|call| call.starts_with("start ")).count(), 9);
    for stage in DEFAULT.stages {
        for node in (stage.nodes)(&rig.lab()) {
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
    rig.is_as_wanted();
    assert_eq!(rig.calls(), 0, "a rerun made calls");
}

#[test]
fn a_stage_waits_for_what_it_needs_on_other_nodes() {
    let rig = Rig::new("book");
    let (_, events) = rig.up(Up::PLAIN);
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
    let (_, events) = rig.up(Up::PLAIN);
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
    let (_, events) = rig.up(Up::PLAIN);
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
fn a_changed_stage_reruns_there_and_only_there() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    // A new serving certificate for one kubelet changes one stage on one node.
    rig.secrets.bundle.entries.remove("kubelet-server-worker1");
    rig.secrets.complete(&rig.lab());
    rig.clear();
    let (changes, _) = rig.done(Up::PLAIN);
    let shown = shown(&changes);
    assert_eq!(shown, ["> run stage worker on worker1  (what it does has changed)"]);
    assert_eq!(rig.hypervisor.calls().len(), 0);
    for quiet in ["etcd1", "controller1"] {
        assert_eq!(rig.guests[quiet].calls().len(), 0, "{quiet} was touched");
    }
}

#[test]
fn a_stopped_run_goes_on_later() {
    let rig = Rig::new("three");
    let stop = Stop::default();
    stop.request();
    let (outcome, _) = rig.up(Up { stop: Some(stop), ..Up::PLAIN });
    assert!(matches!(outcome, Ok(Outcome::Stopped)), "{outcome:?}");
    rig.done(Up::PLAIN);
}

#[test]
fn what_cannot_be_had_is_said_and_gone_without() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    let manifest = "/etc/kubernetes/lab/addons/coredns.yaml";
    assert!(rig.guests["controller1"].files().contains_key(manifest));
    // What is there stays, though it could not be had any more.
    rig.no_dns = true;
    let keeps = |rig: &Rig, wanted: &str| {
        rig.clear();
        assert!(rig.up(Up::PLAIN).0.is_ok());
        let case = format!("-vxE '({wanted})'");
        rig.guests["controller1"].calls().iter().any(|call| call.contains(&case))
    };
    assert!(keeps(&rig, "coredns"));
    rig.becomes(format!("{}kubernetes: {{addons: []}}\n", rig.text));
    assert!(keeps(&rig, ""), "it is wanted no more");
    let rig = Rig { no_dns: true, ..Rig::new("three") };
    let (_, events) = rig.done(Up::PLAIN);
    assert!(
        events.iter().any(
            |e| matches!(e, Event::Warning { text } if text.contains("Cluster DNS is left out"))
        )
    );
    assert!(!rig.guests["controller1"].files().contains_key(manifest));
    let (outcome, events) = rig.up(Up::PLAIN);
    assert!(
        matches!(outcome, Ok(Outcome::Unchanged)) && events.is_empty(),
        "{outcome:?} {events:?}"
    );
}

#[test]
fn a_node_that_was_stopped_does_not_repeat_its_stages() {
    let rig = Rig::new("three");
    rig.done(Up::PLAIN);
    rig.hypervisor.plant(|all| all.domains.iter_mut().for_each(|domain| domain.active = false));
    rig.clear();
    rig.done(Up::PLAIN);
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
    let (_, events) = first.done(Up::PLAIN);
    let plan = planned(&events).unwrap();
    assert!(plan.as_array().unwrap().len() > 10, "{plan}");

    let mut other = Rig::new("three");
    other.agreed = Some(plan);
    // Somebody lost a change on the way.
    let mut less = other.agreed.clone().unwrap();
    less.as_array_mut().unwrap().pop();
    let whole = other.agreed.replace(less);
    let (outcome, events) = other.up(Up::PLAIN);
    let refused = outcome.unwrap_err();
    assert!(refused.starts_with("error[L0605]"), "{refused}");
    assert!(refused.contains("no longer what it was made for"), "{refused}");
    assert!(
        planned(&events).is_none()
            && other.hypervisor.calls().iter().all(|c| !c.contains("define"))
    );
    other.agreed = whole;
    other.done(Up::PLAIN);
    // Done is done: what it says is no longer to be done.
    let (outcome, _) = other.up(Up::PLAIN);
    assert!(outcome.unwrap_err().contains("no longer what it was made for"));
}

#[test]
fn a_plan_says_which_certificates_are_made_anew_and_why() {
    let mut rig = Rig::new("three");
    rig.keep();
    let certificates = |rig: &Rig| {
        let session = rig.session();
        let desired = lab::engine::preview(&session)
            .unwrap()
            .desired(&session, DEFAULT.stages.iter().collect::<Vec<_>>().as_slice());
        let changes = lab::plan::diff(&desired.unwrap(), &lab::plan::Observed::default());
        let about = changes.iter().filter(|change| change.object == lab::plan::Object::Certificate);
        about.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(certificates(&rig), [] as [&str; 0]);
    let end = time::Date::from_calendar_date(2026, time::Month::March, 9).unwrap();
    let lab = rig.lab();
    let bundle = &mut rig.secrets.bundle;
    let entry = bundle.entries.get_mut("kubelet-server-worker1").unwrap();
    entry.made.not_after = end.midnight().assume_utc().unix_timestamp();
    bundle.renew(&lab, &["admin".into()]).unwrap();
    rig.keep();
    assert_eq!(
        certificates(&rig),
        [
            "~ update certificate admin  (as asked)",
            "~ update certificate kubelet-server-worker1  (it ends on 2026-03-09)",
        ]
    );
}

#[test]
fn other_nodes_are_left_where_few_are_named() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    rig.edit("memory: 1GiB", "memory: 1100MiB");
    rig.edit("    memory: 2GiB\n    disk: 20GiB", "    memory: 2200MiB\n    disk: 10GiB");
    rig.limit = Some(["etcd1".to_owned()].into());
    rig.clear();
    // What would be lost of another node is nobody's business now.
    let (changes, events) = rig.done(Up::PLAIN);
    let nodes: BTreeSet<&str> =
        changes.iter().filter_map(|change| change.node.as_deref()).collect();
    assert_eq!(nodes, ["etcd1"].into());
    assert!(rig.calls_of("worker1").is_empty(), "{:?}", rig.calls_of("worker1"));
    let is_told = |event: &Event| matches!(event, Event::Note { text } if text.contains("of other nodes are left"));
    assert!(events.iter().any(is_told), "{events:#?}");
    rig.clear();
    rig.is_as_wanted();
    rig.limit = None;
    let message = rig.up(Up::PLAIN).0.unwrap_err();
    assert!(message.contains("three-worker1 would be removed"), "{message}");
}

/// What the other nodes were is known until they are changed, too; and controllers come before workers.
#[test]
fn a_part_of_the_nodes_is_not_the_whole_lab() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    rig.limit = Some(["worker1".to_owned()].into());
    rig.edit("first_address: 10.240.0.11", "first_address: 10.240.0.16");
    rig.edit("    memory: 2GiB\n    disk: 20GiB", "    memory: 2200MiB\n    disk: 20GiB");
    rig.done(Up::PLAIN);
    let saved = rig.store().read("topology.yaml").unwrap().unwrap();
    assert!(saved.contains("10.240.0.11"), "{saved}");
    rig.version = "1.36.9";
    rig.artifacts = "9876543210fedcba";
    rig.clear();
    let message = rig.up(Up::PLAIN).0.unwrap_err();
    assert!(message.contains("upgrade some nodes alone"), "{message}");
    assert_eq!(rig.calls(), 0);
}

/// Whoever comes alone is let in by those that are there.
#[test]
fn others_let_in_who_comes_alone() {
    let mut rig = Rig::new("three");
    rig.edit("nodes:\n", "firewall: on\nnodes:\n");
    rig.done(Up::PLAIN);
    rig.edit(
        "  worker:\n",
        "  second:\n    roles: [control-plane]\n    first_address: 10.240.0.99\n  worker:\n",
    );
    rig.limit = Some(["second".to_owned()].into());
    let (changes, _) = rig.done(Up::PLAIN);
    let of_others: BTreeSet<(&str, &str)> = changes
        .iter()
        .filter(|change| change.node.as_deref() != Some("second"))
        .filter_map(|change| Some((change.node.as_deref()?, &*change.name)))
        .collect();
    assert_eq!(of_others, [("etcd1", "firewall"), ("worker1", "firewall")].into());
}
