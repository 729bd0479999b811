//! `make bench`: how long a lab takes to come, to be saved and to come back, on real guests, and what
//! others take: a person's own shell loop for the same guests, Ansible on the same nodes. Medians of
//! several runs and ratios of runs of one session go to docs/benchmarks.md with the machine they are of.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "parts/ansible.rs"]
mod ansible;
#[path = "parts/floor.rs"]
mod floor;
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

/// Guests with nothing on them yet, all of one size, that boot or are copies.
fn plain(count: u32, clone: &str) -> String {
    let size = "memory: 1GiB, disk: 5GiB";
    let mut text = format!(
        "name: plain\nnetwork: {{cidr: 10.230.0.0/24}}\noptions: {{clone: {clone}}}\nnodes:\n  first: {{roles: [etcd, control-plane, worker], count: 1, first_address: 10.230.0.11, {size}}}\n"
    );
    if count > 1 {
        let others = count - 1;
        text.push_str(&format!(
            "  other: {{roles: [worker], count: {others}, first_address: 10.230.0.21, {size}}}\n"
        ));
    }
    text
}

/// Guests without a cluster: what saving and restoring themselves cost.
fn plain_guests(table: &mut Table, rounds: usize, count: u32) {
    let mut rig = Rig::new("plain");
    rig.edit(&plain(count, "boot"));
    let name = |what: &str| format!("{what}, {count} plain guests");
    for round in 0..rounds {
        rig.ok(&["down"]);
        let up = measured(&rig, &["up", "--until", "ssh"]);
        table.add(&name("`up --until ssh`"), "s", up.seconds);
        table.add(&name("processors' time of `lab` for it"), "s", up.cpu);
        table.add(&name("peak memory of `lab` for it"), "MiB", up.memory);
        let labs = rig.json(&["list", "-o", "json"]);
        table.add(&name("disk"), "MiB", number(&labs["labs"][0], "bytes") / f64::from(1 << 20));
        let made = rig.json(&["snapshot", "create", "saved", "-o", "json"]);
        table.add(&name("pause, memory and disks"), "s", number(&made, "pause_seconds"));
        for _ in 0..2 {
            let back = rig.json(&["snapshot", "restore", "saved", "-o", "json"]);
            table.add(&name("restore, guests run"), "s", number(&back, "running_seconds"));
            table.add(&name("restore, clocks right"), "s", number(&back, "whole_seconds"));
        }
        let disks = rig.json(&["snapshot", "create", "disks", "--disk-only", "-o", "json"]);
        table.add(&name("pause, disks alone"), "s", number(&disks, "pause_seconds"));
        table.add(&name("the same by a shell loop"), "s", floor::floor(&rig, "plain"));
        eprintln!("round {} of {rounds} with {count} guests", round + 1);
    }
    rig.ok(&["down"]);
}

/// The same guests as copies of a golden one, which is there already.
fn copied_guests(table: &mut Table, rounds: usize, count: u32) {
    let mut rig = Rig::new("plain");
    rig.own_cache();
    rig.edit(&plain(count, "warm"));
    table.add("`up --until ssh` that makes a golden guest first", "s", up(&rig));
    for _ in 0..rounds {
        rig.ok(&["down"]);
        table.add(&format!("`up --until ssh`, {count} copies"), "s", up(&rig));
        let labs = rig.json(&["list", "-o", "json"]);
        let bytes = number(&labs["labs"][0], "bytes") / f64::from(1 << 20);
        table.add(&format!("disk, {count} copies"), "MiB", bytes);
    }
    let inventory = inventory(&rig);
    for _ in 0..rounds {
        let nothing = format!("`up --until ssh` with nothing to do, {count} copies");
        table.add(&nothing, "s", up(&rig));
        table.add(&format!("`ansible all -m ping`, {count} copies"), "s", ping(&rig, &inventory));
    }
    rig.ok(&["down"]);
}

fn up(rig: &Rig) -> f64 {
    let start = Instant::now();
    rig.ok(&["up", "--until", "ssh"]);
    start.elapsed().as_secs_f64()
}

fn main() {
    let rounds = rounds();
    let mut table = Table::default();
    plain_guests(&mut table, rounds, 1);
    plain_guests(&mut table, rounds, 3);
    plain_guests(&mut table, rounds, 6);
    for count in [1, 3, 6, 9] {
        copied_guests(&mut table, rounds, count);
    }
    let of = |what: &str, count: u32| table.median(&format!("{what}, {count} plain guests"));
    let above_floor = |count| of("`up --until ssh`", count) / of("the same by a shell loop", count);
    let copies = |count: u32| {
        let copied = table.median(&format!("`up --until ssh`, {count} copies"));
        copied / of("the same by a shell loop", count)
    };
    let copied_disk = table.median("disk, 6 copies") - table.median("disk, 1 copies");
    let share = 100.0 * of("processors' time of `lab` for it", 3) / of("`up --until ssh`", 3);
    let ratios = [
        ("`up --until ssh` against a shell loop, 1 plain guest", above_floor(1)),
        ("`up --until ssh` against a shell loop, 3 plain guests", above_floor(3)),
        ("`up --until ssh` against a shell loop, 6 plain guests", above_floor(6)),
        ("`up --until ssh`, 1 copy, against a shell loop", copies(1)),
        ("`up --until ssh`, 3 copies, against a shell loop", copies(3)),
        ("`up --until ssh`, 6 copies, against a shell loop", copies(6)),
        ("processors' time of `lab`, % of `up --until ssh` of 3 plain guests", share),
        ("MiB of disk per additional plain guest", (of("disk", 6) - of("disk", 1)) / 5.0),
        ("MiB of disk per additional copy", copied_disk / 5.0),
        (
            "`up --until ssh` with nothing to do against `ansible all -m ping`, 9 copies",
            table.ratio(
                "`up --until ssh` with nothing to do, 9 copies",
                "`ansible all -m ping`, 9 copies",
            ),
        ),
        (
            "`up --until ssh` against restore, 3 plain guests",
            table
                .ratio("`up --until ssh`, 3 plain guests", "restore, clocks right, 3 plain guests"),
        ),
        (
            "restore of 3 guests against restore of 1",
            table.ratio(
                "restore, guests run, 3 plain guests",
                "restore, guests run, 1 plain guests",
            ),
        ),
    ];
    table.write("benchmarks", "Benchmarks", &ratios);
}
