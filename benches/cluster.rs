//! `make bench`: how long a cluster takes to come, to be saved and to come back, on real guests, against
//! the same stages by hand and against Ansible on the same nodes. Goes to docs/benchmarks-cluster.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "parts/ansible.rs"]
mod ansible;
#[path = "../tests/rig/mod.rs"]
mod rig;
#[path = "parts/table.rs"]
mod table;
#[path = "parts/usage.rs"]
mod usage;

use std::time::Instant;

use ansible::{inventory, ping};
use rig::guests::Rig;
use table::{Table, number, rounds};
use usage::measured;

/// A cluster: from nothing to Ready, and from a snapshot to Ready.
fn cluster(table: &mut Table, rounds: usize) {
    let mut rig = Rig::new("three");
    // Without golden guests, so that both ways begin with nodes that boot.
    rig.own_cache();
    table.add("the same stages by hand, one node after another", "s", by_hand(&rig));
    rig.ok(&["down"]);
    let up = measured(&rig, &["up"]);
    table.add("`up` from nothing to Ready", "s", up.seconds);
    table.add("processors' time of `lab` for it", "s", up.cpu);
    table.add("peak memory of `lab` for it", "MiB", up.memory);
    let inventory = inventory(&rig);
    for _ in 0..rounds {
        table.add("`up` with nothing to do", "s", again(&rig));
        table.add("`ansible all -m ping`", "s", ping(&rig, &inventory));
    }
    let made = rig.json(&["snapshot", "create", "ready", "-o", "json"]);
    table.add("pause, memory and disks", "s", number(&made, "pause_seconds"));
    for _ in 0..rounds {
        let back = rig.json(&["snapshot", "restore", "ready", "-o", "json"]);
        table.add("restore, guests run", "s", number(&back, "running_seconds"));
        table.add("restore to Ready", "s", number(&back, "whole_seconds"));
        let nodes = rig.ok(&["kubectl", "get", "nodes"]);
        assert!(nodes.contains(" Ready "), "{nodes}");
    }
    let live = rig.json(&["snapshot", "create", "disks", "--disk-only", "-o", "json"]);
    table.add("pause, disks alone", "s", number(&live, "pause_seconds"));
    rig.ok(&["down"]);
}

/// Seconds of an `up` with nothing to do.
fn again(rig: &Rig) -> f64 {
    let start = Instant::now();
    rig.ok(&["up"]);
    start.elapsed().as_secs_f64()
}

/// Seconds from nothing to Ready where a person waits for each stage on each node before they type the
/// next one.
fn by_hand(rig: &Rig) -> f64 {
    let start = Instant::now();
    rig.ok(&["up", "--until", "ssh", "--concurrency", "1"]);
    let plan = rig.json(&["plan", "-o", "json"]);
    let stages =
        plan["changes"].as_array().unwrap().iter().filter(|change| change["object"] == "stage");
    for stage in stages {
        rig.ok(&["stage", "run", stage["node"].as_str().unwrap(), stage["name"].as_str().unwrap()]);
    }
    let seconds = start.elapsed().as_secs_f64();
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert!(nodes.contains(" Ready "), "{nodes}");
    seconds
}

fn main() {
    let mut table = Table::default();
    cluster(&mut table, rounds());
    let up = "`up` from nothing to Ready";
    let nothing = "`up` with nothing to do";
    let by_hand = "the same stages by hand, one node after another";
    let ratios = [
        ("`up` against the same stages by hand", table.ratio(up, by_hand)),
        (
            "processors' time of `lab`, % of `up`",
            100.0 * table.ratio("processors' time of `lab` for it", up),
        ),
        (
            "`up` with nothing to do against `ansible all -m ping`",
            table.ratio(nothing, "`ansible all -m ping`"),
        ),
        ("`up` against restore to Ready", table.ratio(up, "restore to Ready")),
    ];
    table.write("benchmarks-cluster", "Benchmarks of the cluster `three`", &ratios);
}
