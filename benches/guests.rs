//! `make bench`: how long a lab takes to come, to be saved and to come back, on real guests, and what
//! others take: a person's own shell loop for the same guests, Ansible on the same nodes. Medians of
//! several runs and ratios of runs of one session go to docs/benchmarks.md with the machine they are of.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "parts/floor.rs"]
mod floor;
#[path = "../tests/rig/guests.rs"]
mod guests;
#[path = "parts/usage.rs"]
mod usage;

use std::fs;
use std::time::Instant;

use guests::{Rig, text, tool};
use serde_json::Value;
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

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    if all.len() % 2 == 1 { all[middle] } else { (all[middle - 1] + all[middle]) / 2.0 }
}

/// Rows of the table: what, one column per run, median.
#[derive(Default)]
struct Table(Vec<(String, Vec<f64>, &'static str)>);

impl Table {
    fn add(&mut self, what: &str, unit: &'static str, value: f64) {
        eprintln!("{what}: {value:.2} {unit}");
        match self.0.iter_mut().find(|(name, ..)| name == what) {
            Some((_, values, _)) => values.push(value),
            None => self.0.push((what.into(), vec![value], unit)),
        }
    }

    fn median(&self, what: &str) -> f64 {
        median(self.0.iter().find(|(name, ..)| name == what).unwrap().1.clone())
    }

    fn text(&self) -> String {
        let mut text = String::from("| what | runs | median |\n| --- | --- | --- |\n");
        for (what, values, unit) in &self.0 {
            let runs: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
            let middle = median(values.clone());
            text.push_str(&format!("| {what} | {} | {middle:.1} {unit} |\n", runs.join(", ")));
        }
        text
    }
}

fn timed(rig: &Rig, arguments: &[&str]) -> f64 {
    let start = Instant::now();
    rig.ok(arguments);
    start.elapsed().as_secs_f64()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no {key} in {value}"))
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

/// Ansible's list of the nodes.
fn inventory(rig: &Rig) -> std::path::PathBuf {
    let path = rig.home.path().join("inventory");
    fs::write(&path, rig.ok(&["inventory"])).unwrap();
    path
}

fn up(rig: &Rig) -> f64 {
    timed(rig, &["up", "--until", "ssh"])
}

/// Seconds that Ansible takes to reach all nodes.
fn ping(rig: &Rig, inventory: &std::path::Path) -> f64 {
    let start = Instant::now();
    let output = std::process::Command::new("ansible")
        .args(["-i", inventory.to_str().unwrap(), "all", "-m", "ping", "-f", "20"])
        .env("HOME", rig.home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    start.elapsed().as_secs_f64()
}

/// A cluster: from nothing to Ready, and from a snapshot to Ready.
fn cluster(table: &mut Table, rounds: usize) {
    let rig = Rig::new("three");
    let name = |what: &str| format!("{what}, cluster `three`");
    table.add(&name("`up` from nothing to Ready"), "s", timed(&rig, &["up"]));
    let inventory = inventory(&rig);
    for _ in 0..rounds {
        table.add(&name("`up` with nothing to do"), "s", timed(&rig, &["up"]));
        table.add(&name("`ansible all -m ping`"), "s", ping(&rig, &inventory));
    }
    let made = rig.json(&["snapshot", "create", "ready", "-o", "json"]);
    table.add(&name("pause, memory and disks"), "s", number(&made, "pause_seconds"));
    for _ in 0..rounds {
        let back = rig.json(&["snapshot", "restore", "ready", "-o", "json"]);
        table.add(&name("restore, guests run"), "s", number(&back, "running_seconds"));
        table.add(&name("restore to Ready"), "s", number(&back, "whole_seconds"));
        let nodes = rig.ok(&["kubectl", "get", "nodes"]);
        assert!(nodes.contains(" Ready "), "{nodes}");
    }
    let live = rig.json(&["snapshot", "create", "disks", "--disk-only", "-o", "json"]);
    table.add(&name("pause, disks alone"), "s", number(&live, "pause_seconds"));
    rig.ok(&["down"]);
}

fn machine() -> String {
    let field = |file: &str, key: &str| {
        let all = fs::read_to_string(file).unwrap_or_default();
        let line = all.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let memory: u64 = field("/proc/meminfo", "MemTotal").replace(" kB", "").parse().unwrap_or(0);
    let version =
        |program: &str| tool(program, &["--version"]).lines().next().unwrap_or("").to_owned();
    format!(
        "{} processors, {} GiB of memory, guests emulated or not as `lab up` says; {}; {}; {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        memory >> 20,
        version("libvirtd"),
        version("qemu-system-x86_64"),
        text(LAB_VERSION.as_bytes()),
    )
}

const LAB_VERSION: &str = concat!("lab ", env!("CARGO_PKG_VERSION"));

fn main() {
    let rounds = std::env::var("LAB_BENCH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(3);
    let mut table = Table::default();
    plain_guests(&mut table, rounds, 1);
    plain_guests(&mut table, rounds, 3);
    plain_guests(&mut table, rounds, 6);
    for count in [1, 3, 6, 9] {
        copied_guests(&mut table, rounds, count);
    }
    cluster(&mut table, rounds);
    let ratio = |above: &str, below: &str| table.median(above) / table.median(below);
    let of = |what: &str, count: u32| table.median(&format!("{what}, {count} plain guests"));
    let above_floor = |count| of("`up --until ssh`", count) / of("the same by a shell loop", count);
    let copies = |count: u32| {
        let copied = table.median(&format!("`up --until ssh`, {count} copies"));
        copied / of("the same by a shell loop", count)
    };
    let copied_disk = table.median("disk, 6 copies") - table.median("disk, 1 copies");
    let share = 100.0 * of("processors' time of `lab` for it", 3) / of("`up --until ssh`", 3);
    let ready = "restore to Ready, cluster `three`";
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
            ratio(
                "`up --until ssh` with nothing to do, 9 copies",
                "`ansible all -m ping`, 9 copies",
            ),
        ),
        (
            "`up` with nothing to do against `ansible all -m ping`, cluster `three`",
            ratio(
                "`up` with nothing to do, cluster `three`",
                "`ansible all -m ping`, cluster `three`",
            ),
        ),
        (
            "`up` against restore to Ready, cluster `three`",
            ratio("`up` from nothing to Ready, cluster `three`", ready),
        ),
        (
            "`up --until ssh` against restore, 3 plain guests",
            ratio("`up --until ssh`, 3 plain guests", "restore, clocks right, 3 plain guests"),
        ),
        (
            "restore of 3 guests against restore of 1",
            ratio("restore, guests run, 3 plain guests", "restore, guests run, 1 plain guests"),
        ),
    ];
    let mut text = format!(
        "# Benchmarks\n\nWritten by `make bench`: every run, medians, and ratios of medians of one session.\n\nMachine: {}.\n\n{}\n| ratio | |\n| --- | --- |\n",
        machine(),
        table.text()
    );
    for (what, value) in ratios {
        text.push_str(&format!("| {what} | {value:.2} |\n"));
    }
    eprintln!("{text}");
    fs::write("docs/benchmarks.md", text).unwrap();
}
