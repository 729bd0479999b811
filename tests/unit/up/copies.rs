//! Nodes that are copies of golden guests.

use super::warnings;
use crate::rig::fakes::{Rig, Up};

#[test]
fn new_nodes_are_copies_of_golden_guests_where_there_are_some() {
    let booted = Rig::new("three");
    booted.done(Up::PLAIN);

    let rig = Rig::new("three");
    rig.bring_goldens();
    let (_, events) = rig.done(Up::PLAIN);
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
    rig.is_as_wanted();
}

#[test]
fn who_asks_for_copies_is_told_why_a_node_boots() {
    let mut rig = Rig::new("single");
    rig.bring_goldens();
    rig.edit("nodes:\n", "options: {clone: warm}\nnodes:\n");
    let own = "user_data: {packages: [tree]}";
    rig.edit("    roles:", &format!("    {own}\n    roles:"));
    let (_, events) = rig.done(Up::PLAIN);
    let warnings = warnings(&events);
    assert!(warnings[0].ends_with("boots: its user_data wants a first boot"), "{warnings:?}");
    assert!(!rig.hypervisor.calls().iter().any(|call| call.contains("lab-golden")));
}
