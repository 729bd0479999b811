//! Nodes that are copies of a golden guest, on real guests: they share nothing that must be one's own, and
//! what was cut, restarted or frozen is as with nodes that booted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::rig::guests::{Rig, text};

/// Three guests of one shape.
fn topology(name: &str, cidr: &str, clone: &str) -> String {
    let size = "memory: 1GiB, disk: 5GiB";
    format!(
        "name: {name}\nnetwork: {{cidr: {cidr}.0/24}}\nnodes:\n  first: {{roles: [etcd, control-plane], count: 1, first_address: {cidr}.11, {size}}}\n  worker: {{roles: [worker], count: 2, first_address: {cidr}.21, {size}}}\noptions: {{clone: {clone}}}\n"
    )
}

/// Brings the lab up to SSH: the tasks that ended, and the warnings.
fn up(rig: &Rig) -> (Vec<String>, Vec<String>) {
    let events = rig.ok(&["up", "--until", "ssh", "-o", "json"]);
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts = |kind: &str, key: &str| {
        let events = events.iter().filter(|event| event["event"] == kind);
        events.map(|event| event[key].as_str().unwrap().to_owned()).collect()
    };
    (texts("finished", "task"), texts("warning", "text"))
}

/// Processes that have something below `dir` on their command line, but for the test's own.
fn processes(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| text(&line).replace('\0', " "))
        .filter(|line| line.contains(dir))
        .collect()
}

/// Asks a node all that is its own: what it says, no other may have said.
fn is_its_own(rig: &Rig, lab: &str, node: &str, seen: &mut BTreeSet<String>) {
    let asked = OWN.iter().map(|question| format!("echo $( ({question}) | tr '\\n' ' ')"));
    let said = rig.ok(&["ssh", "--lab", lab, node, "--", &asked.collect::<Vec<_>>().join("; ")]);
    let answers: Vec<&str> = said.lines().collect();
    assert_eq!(answers.len(), OWN.len(), "{said}");
    for (question, answer) in OWN.iter().zip(answers) {
        assert!(answer.len() > 5, "{node}: {question}: {answer}");
        assert!(seen.insert(answer.into()), "{question}: {answer} of {node} is another's, too");
    }
}

/// What must not be shared by copies, of both labs.
const OWN: &[&str] = &[
    "cat /etc/machine-id",
    "cat /proc/sys/kernel/random/boot_id",
    "cat /proc/sys/kernel/random/uuid",
    "head -c 32 /dev/urandom | od -An -tx1",
    "cat /etc/ssh/ssh_host_ed25519_key.pub",
    "cat /sys/class/net/en*/address",
    "hostname -f; ip -4 -o address show scope global | awk '{print $4}'",
    "sudo cat /sys/class/dmi/id/product_uuid",
];

#[test]
#[ignore = "boots a golden guest and copies it; `make test` runs it"]
fn nodes_are_copies_of_a_golden_guest() {
    let mut rig = Rig::new("warm");
    rig.own_cache();
    rig.edit(&topology("warm", "10.231.0", "warm"));
    let golden = rig.home.path().join("cache/lab/golden");

    // Killed while the golden guest is made: `down` finds its engine.
    rig.up_killed_at(|event| event["event"] == "started" && begins(event, "golden "));
    assert!(!processes(rig.home.path()).is_empty(), "nothing was killed half way");
    rig.ok(&["down"]);
    let left = processes(rig.home.path());
    assert!(left.is_empty(), "{left:#?}");

    let (tasks, warnings) = up(&rig);
    assert_eq!(tasks.iter().filter(|task| task.starts_with("golden ")).count(), 1, "{tasks:?}");
    assert!(warnings.is_empty(), "{warnings:?}");
    let kept = fs::read_dir(&golden).unwrap().flatten();
    assert_eq!(kept.filter(|entry| entry.path().join("disk.qcow2").exists()).count(), 1);
    assert!(!rig.home.path().join("state/lab/warm/workshop").exists());

    // A second lab takes what is there, without being asked to.
    let other = rig.home.path().join("other.yaml");
    fs::write(&other, topology("other", "10.232.0", "auto")).unwrap();
    rig.ok(&["up", "-f", "other.yaml", "--until", "ssh"]);
    let copied = "test -d /run/lab/golden && systemctl is-active -q ssh && ! systemctl --failed -q --no-legend | grep .";
    let mut seen = BTreeSet::new();
    for lab in ["warm", "other"] {
        rig.ok(&["exec", "--lab", lab, "--", copied]);
        for node in ["first1", "worker1", "worker2"] {
            is_its_own(&rig, lab, node, &mut seen);
        }
        // As at a first boot, the machine's id is the domain's.
        let same =
            "test $(cat /etc/machine-id) = $(sudo cat /sys/class/dmi/id/product_uuid | tr -d -)";
        rig.ok(&["exec", "--lab", lab, "--", same]);
        // However long the way there and back is, their clocks were within it.
        let now = || time::OffsetDateTime::now_utc().unix_timestamp();
        let start = now();
        for clock in rig.ok(&["exec", "--lab", lab, "--", "date +%s"]).lines() {
            let theirs: i64 = clock.split_whitespace().last().unwrap().parse().unwrap();
            let possible = start - 5..=now() + 5;
            assert!(possible.contains(&theirs), "{clock}, and here it was {possible:?}");
        }
    }
    rig.ok(&["down", "--lab", "other"]);

    // A copy is an ordinary node: nothing to do, frozen and back, and itself after a restart.
    let again = rig.lab(&["up", "--until", "ssh"]);
    assert!(text(&again.stderr).contains("nothing to do"), "{}", text(&again.stderr));
    rig.ok(&["snapshot", "create", "copied"]);
    rig.ok(&["ssh", "worker1", "--", "sudo touch /var/tmp/later && sync"]);
    rig.ok(&["snapshot", "restore", "copied"]);
    rig.ok(&["ssh", "worker1", "--", "test ! -e /var/tmp/later"]);
    let identity = "cat /etc/machine-id /etc/hostname; ip -4 -o address show scope global | awk '{print $4}'; sudo cat /etc/ssh/ssh_host_ed25519_key";
    let before = rig.ok(&["ssh", "worker1", "--", identity]);
    rig.ok(&["restart", "worker1"]);
    assert_eq!(rig.ok(&["ssh", "worker1", "--", identity]), before);
    rig.ok(&["ssh", "worker1", "--", "cloud-init status --wait && test ! -e /run/lab/golden"]);
    let again = rig.lab(&["up", "--until", "ssh"]);
    assert!(text(&again.stderr).contains("nothing to do"), "{}", text(&again.stderr));
    rig.ok(&["snapshot", "restore", "copied"]);
    rig.ok(&["ssh", "worker1", "--", "test -d /run/lab/golden"]);
    rig.ok(&["down"]);
    let left = processes(rig.home.path());
    assert!(left.is_empty(), "{left:#?}");
}

fn begins(event: &Value, task: &str) -> bool {
    event["task"].as_str().is_some_and(|found| found.starts_with(task))
}
