//! Another Kubernetes comes to a cluster that serves.

use lab::engine::{Event, Outcome};

use super::{place, shown};
use crate::rig::fakes::{Rig, Up};

#[test]
fn kubernetes_goes_up_one_minor_release_at_a_time_and_never_back() {
    let mut rig = Rig::new("three");
    rig.version = "1.34.1";
    rig.done(Up::PLAIN);
    let state = rig.state();
    for (version, why) in [
        ("1.36.2", "one minor release at a time"),
        ("1.34.0", "does not understand"),
        ("1.33.9", "does not understand"),
    ] {
        rig.version = version;
        let (outcome, _) = rig.up(Up::PLAIN);
        let refused = outcome.unwrap_err();
        assert!(refused.starts_with("error[L1009]"), "{version}: {refused}");
        assert!(refused.contains(why), "{version}: {refused}");
        assert_eq!(rig.state(), state, "nothing was touched");
    }
    for version in ["1.34.3", "1.35.0", "1.36.2"] {
        rig.version = version;
        rig.done(Up::PLAIN);
    }
}

/// A `book` that serves with 1.34.1, before binaries of 1.35.0.
fn before_another_kubernetes() -> Rig {
    let mut rig = Rig::new("book");
    rig.version = "1.34.1";
    rig.done(Up::PLAIN);
    rig.version = "1.35.0";
    rig.artifacts = "fedcba9876543210";
    rig.clear();
    rig
}

#[test]
fn another_kubernetes_comes_to_one_node_after_the_other_controllers_first() {
    let rig = before_another_kubernetes();
    let (changes, events) = rig.done(Up::PLAIN);
    let shown = shown(&changes);
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
    let nodes = rig.lab().nodes;
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
    rig.is_as_wanted();
}

#[test]
fn an_upgrade_stops_at_the_first_controller_that_fails_and_goes_on_from_there() {
    let mut rig = before_another_kubernetes();
    rig.guests["controller2"].fail_at(3);
    let (outcome, events) = rig.up(Up::PLAIN);
    assert!(matches!(outcome, Ok(Outcome::Failed(_))), "{outcome:?}");
    let touched = |event: &Event| matches!(event, Event::Started { node: Some(node), .. } if node.starts_with("worker"));
    assert!(!events.iter().any(touched), "workers would be newer than controller2");
    rig.version = "1.36.2";
    let (outcome, _) = rig.up(Up::PLAIN);
    assert!(outcome.is_err_and(|error| error.contains("from 1.34.1 to 1.36.2")));
    rig.version = "1.35.0";
    let (_, events) = rig.done(Up::PLAIN);
    assert!(
        place(&events, false, "control-plane", "controller2")
            < place(&events, true, "drain", "worker1")
    );
}

#[test]
fn a_worker_that_cannot_be_emptied_stays_as_it_is() {
    let rig = before_another_kubernetes();
    // Everything but this worker's stage is done: the next run has nothing to ask but to empty it.
    rig.guests["worker1"].fail_at(1);
    assert!(matches!(rig.up(Up::PLAIN).0, Ok(Outcome::Failed(_))));
    rig.clear();
    rig.guests["controller1"].fail_at(1);
    let (outcome, _) = rig.up(Up::PLAIN);
    let Ok(Outcome::Failed(failures)) = outcome else { panic!("{outcome:?}") };
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!((failure.node.as_deref(), failure.task.as_str()), (Some("worker1"), "drain"));
    assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("lab up --force")));
    assert_eq!(rig.calls_of("worker1"), [] as [&str; 0]);
    assert!(matches!(rig.up(Up::PLAIN).0, Ok(Outcome::Done(_))));
    rig.is_as_wanted();
}
