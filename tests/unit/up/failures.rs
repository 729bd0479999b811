//! A failure at every call, and the next run, which completes what was begun.

use lab::engine::{Event, Outcome};
use std::collections::BTreeSet;

use super::warnings;
use crate::rig::fakes::{Next, Rig, Up, every_failure};

#[test]
fn after_a_failure_at_any_hypervisor_call_the_next_run_completes() {
    let three = || Rig::new("three");
    let clean = three();
    clean.done(Up::PLAIN);
    let calls = clean.hypervisor.calls().len();
    assert!(calls >= 12, "{calls}");
    let fail = |rig: &Rig, call| rig.hypervisor.fail_at(call);
    every_failure(three, calls, fail, &clean.state(), |call, (outcome, _)| {
        assert!(matches!(outcome, Err(_) | Ok(Outcome::Failed(_))), "call {call}: {outcome:?}");
        Next::Rerun
    });
}

#[test]
fn after_a_failure_at_any_remote_step_the_next_run_completes() {
    let three = || Rig::new("three");
    let clean = three();
    clean.done(Up::PLAIN);
    let wanted = clean.state();
    let (mut tried, mut codes) = (0, BTreeSet::new());
    for (node, guest) in &clean.guests {
        let fail = |rig: &Rig, call| rig.guests[node].fail_at(call);
        every_failure(three, guest.calls().len(), fail, &wanted, |call, (outcome, events)| {
            let Ok(Outcome::Failed(failures)) = outcome else {
                panic!("{node} {call}: {outcome:?}")
            };
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert_eq!(failures[0].node.as_ref(), Some(node));
            codes.insert(failures[0].code);
            assert!(events.iter().any(|event| matches!(event, Event::Failed(_))));
            tried += 1;
            Next::Rerun
        });
    }
    assert!(tried > 30, "only {tried} steps were tried");
    assert!(codes.contains("L1001") && codes.contains("L1006"), "{codes:?}");
}

#[test]
fn after_a_failure_at_any_call_a_node_boots_in_the_place_of_its_copy() {
    let with_goldens = || {
        let rig = Rig::new("single");
        rig.bring_goldens();
        rig
    };
    let clean = with_goldens();
    clean.done(Up::PLAIN);
    let calls = clean.hypervisor.calls();
    let mut booted = 0;
    let fail = |rig: &Rig, call| rig.hypervisor.fail_at(call);
    every_failure(with_goldens, calls.len(), fail, &clean.state(), |call, (outcome, events)| {
        let told = warnings(&events).iter().any(|text| text.contains("is no copy, and boots: "));
        let done = matches!(outcome, Ok(Outcome::Done(_)));
        assert_eq!(told, done, "{}: {outcome:?} {events:?}", calls[call - 1]);
        booted += usize::from(told);
        if told { Next::AllDone } else { Next::Rerun }
    });
    assert!(booted >= 9, "{booted} of {calls:#?}");
}
