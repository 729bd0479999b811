//! The shipped topologies of the seeds, all the way on real guests: `make test-full` runs them one after
//! the other. Each prints what it saw and how long it took; docs/timings.md keeps a run's table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use crate::pages;
use crate::rig::account::{self, Account};
use crate::rig::dns_image;
use crate::rig::guests::{Rig, text};

/// Brings the lab up, and prints how long each phase took on its slowest node.
fn up(rig: &Rig, arguments: &[&str]) {
    let start = Instant::now();
    let mut all = vec!["up", "-o", "json"];
    all.extend(arguments);
    let events = rig.ok(&all);
    let mut phases: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for event in events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if event["event"] == "finished" && event["node"].is_string() {
            let phase = phases.entry(event["task"].as_str().unwrap().into()).or_default();
            phase.0 += 1;
            phase.1 = phase.1.max(event["seconds"].as_f64().unwrap());
        }
    }
    for (phase, (nodes, longest)) in phases {
        rig.say(&format!("  {phase:<16} {nodes} nodes, longest {longest:6.1} s"));
    }
    rig.say(&format!("up {arguments:?} took {:.0} s", start.elapsed().as_secs_f64()));
    let again = rig.lab(&["up"]);
    let said = text(&again.stderr);
    assert!(again.status.success() && said.contains("nothing to do"), "{said}");
}

fn status(rig: &Rig) -> Value {
    let status = rig.json(&["status", "-o", "json"]);
    for vip in status["vips"].as_array().unwrap() {
        assert_eq!(vip["holders"].as_array().unwrap().len(), 1, "{vip}");
    }
    assert!(status["etcd_leader"].is_string(), "{status}");
    assert!(status["certificate"]["days"].as_i64().unwrap() > 300, "{status}");
    for node in status["nodes"].as_array().unwrap() {
        let vitals = &node["vitals"];
        for key in ["memory_mib", "memory_used_mib", "disk_mib", "disk_used_mib", "cpu_percent"] {
            assert!(vitals[key].is_u64(), "{key} of {node}");
        }
        rig.say(&format!(
            "  {:<12} {} of {} MiB, {} MiB of disk",
            node["name"].as_str().unwrap(),
            vitals["memory_used_mib"],
            vitals["memory_mib"],
            vitals["disk_used_mib"]
        ));
    }
    status
}

/// Configuration passes the checkers of the programs that read it, on the nodes that have it.
fn configuration_is_valid(rig: &Rig) {
    let script = "for f in /etc/haproxy/haproxy.cfg; do sudo test ! -e $f || ! sudo systemctl is-enabled -q haproxy || sudo haproxy -c -q -f $f || exit 1; done; \
         sudo test ! -e /etc/lab/floating-address || sudo keepalived -t -f /etc/keepalived/keepalived.conf || exit 1; \
         for u in haproxy keepalived lab-pod-network; do f=/etc/systemd/system/$u.service; sudo test ! -e $f || ! sudo systemd-analyze verify --man=no $f 2>&1 | grep -F $f || exit 1; done; \
         systemctl --failed --no-legend --plain | grep . && exit 1; true";
    rig.ok(&["exec", "--", script]);
}

#[test]
#[ignore = "boots nine guests; `make test-full` runs it"]
fn book_all_the_way() {
    let mut rig = Rig::new("book");
    dns_image::write(&rig.images());
    up(&rig, &[]);
    rig.verified(&[]);
    status(&rig);
    configuration_is_valid(&rig);
    let socket =
        "sudo stat -c '%a %U' /run/haproxy/admin.sock; sudo ss -Hltn | grep -c ':9000 ' || true";
    let socket = rig.ok(&["exec", "--role", "load-balancer", "--", socket]);
    assert_eq!(socket.matches("600 root").count(), 2, "{socket}");

    pages::are_as_told(&rig, &rig.resolved());

    // A worker more: only what must changes, and nothing is restarted that serves.
    let shipped = rig.shipped();
    rig.edit(&shipped.replace("  worker:\n    count: 2", "  worker:\n    count: 3"));
    let plan = rig.json(&["plan", "-o", "json"]);
    let changes: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            format!(
                "{} {} {}",
                c["kind"].as_str().unwrap(),
                c["name"].as_str().unwrap(),
                c["node"].as_str().unwrap_or_default()
            )
        })
        .collect();
    for unwanted in ["restart", "run-stage etcd", "run-stage control-plane"] {
        assert!(!changes.iter().any(|change| change.starts_with(unwanted)), "{changes:?}");
    }
    up(&rig, &[]);
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    // A pod that runs there moves away when the worker leaves.
    rig.ok(&["kubectl", "create", "deployment", "stays", "--image=lab.local/pause:1"]);
    rig.ok(&["kubectl", "scale", "deployment/stays", "--replicas=6"]);
    rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);
    rig.edit(&shipped);
    let refused = rig.lab(&["up"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("book-worker3 would be removed"));
    up(&rig, &["--yes"]);
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert!(!nodes.contains("worker3") && nodes.matches(" Ready ").count() == 2, "{nodes}");
    rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);
    let routes = rig.ok(&["exec", "--", "ip route; cat /etc/hosts"]);
    assert!(!routes.contains("10.200.33.0") && !routes.contains("worker3"), "{routes}");
    rig.ok(&["down"]);
}

#[test]
#[ignore = "boots seven guests; `make test-full` runs it"]
fn the_hard_way_all_the_way() {
    let rig = Rig::new("thw");
    up(&rig, &[]);
    rig.verified(&["cluster-dns", "addon-runs"]);
    status(&rig);
    configuration_is_valid(&rig);
    // A worker is back when it says so itself, not when what it said before is still believed.
    rig.ok(&["snapshot", "create", "disks", "--disk-only"]);
    rig.ok(&["snapshot", "restore", "disks", "--node", "worker00"]);
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    rig.ok(&["down"]);
}

#[test]
#[ignore = "boots three guests and stops each; `make test-full` runs it"]
fn bare_metal_survives_the_loss_of_each_machine() {
    let rig = Rig::new("bare-metal");
    up(&rig, &[]);
    rig.verified(&["cluster-dns", "addon-runs"]);
    status(&rig);
    configuration_is_valid(&rig);
    let output = rig.lab(&["verify", "--failover", "-o", "json"]);
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let found: Vec<&Value> = result["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["name"].as_str().unwrap().starts_with("failover"))
        .collect();
    assert_eq!(found.len(), 9, "{found:#?}");
    for check in found {
        rig.say(&format!("  {}: {} ({})", check["proves"], check["verdict"], check["output"]));
        assert_eq!(check["verdict"], "passed", "{check}");
    }
    rig.ok(&["down"]);
}

#[test]
#[ignore = "boots four guests and starts each again; `make test-full` runs it"]
fn another_kubernetes_comes_while_pods_run() {
    let mut rig = Rig::new("three");
    let two = rig.shipped().replace("  worker:\n    count: 1", "  worker:\n    count: 2");
    assert_ne!(two, rig.shipped());
    rig.edit(&two);
    up(&rig, &[]);
    rig.ok(&["kubectl", "create", "deployment", "stays", "--image=lab.local/pause:1"]);
    rig.ok(&["kubectl", "scale", "deployment/stays", "--replicas=4"]);
    rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);
    let budget = "pdb stays --selector=app=stays --min-available=2";
    rig.ok(&[&["kubectl", "create"], &budget.split(' ').collect::<Vec<_>>()[..]].concat());
    // Closed by a person: it stays so.
    rig.ok(&["kubectl", "cordon", "worker2"]);
    let uids = |rig: &Rig| {
        let pods = rig.ok(&["kubectl", "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"]);
        pods.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = uids(&rig);

    rig.newer_kubernetes();
    let plan = rig.ok(&["plan"]);
    let why = "Kubernetes goes from 1.20.2 to 1.20.3";
    for stage in ["control-plane on controller1", "worker on worker1", "worker on worker2"] {
        assert!(plan.contains(&format!("run stage {stage}  ({why})")), "{plan}");
    }
    up(&rig, &[]);
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    let done = |node: &str| {
        nodes.lines().any(|l| l.starts_with(node) && l.contains(" Ready") && l.ends_with("v1.20.3"))
    };
    assert!(done("worker1") && done("worker2"), "{nodes}");
    let closed: Vec<&str> = nodes.lines().filter(|l| l.contains("SchedulingDisabled")).collect();
    assert!(closed.len() == 1 && closed[0].starts_with("worker2"), "{nodes}");
    rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);
    let after = uids(&rig);
    assert!(after.iter().all(|uid| !before.contains(uid)), "every pod moved once: {after:?}");
    let server = rig.ok(&["kubectl", "version", "--short"]);
    assert!(server.contains("Server Version: v1.20.3"), "{server}");
    rig.ok(&["down"]);
}

/// A workshop on one computer: twenty labs of one person, all with the same names and addresses.
#[test]
#[ignore = "boots twenty guests as a user that it makes; `make test-full` runs it"]
fn twenty_labs_of_one_topology_side_by_side() {
    let mut account = Account::new("lab-test-user");
    account.clone = "warm";
    let names: Vec<String> = (1..=20).map(|number| format!("seat{number}")).collect();
    let begun: Vec<_> = names.iter().map(|name| account.begin_up(name, "none")).collect();
    for up in begun {
        account::came_up(up);
    }
    account.say("all are up");
    let labs: Value = serde_json::from_str(&account.ok(&["list", "-o", "json"])).unwrap();
    let running = |lab: &&Value| lab["state"] == "running" && lab["cidr"] == "10.240.0.0/24";
    assert_eq!(labs["labs"].as_array().unwrap().iter().filter(running).count(), 20, "{labs}");
    let mut seen = BTreeSet::new();
    for name in &names {
        let identity = "cat /etc/machine-id /proc/sys/kernel/random/boot_id";
        let said = account.ok(&["ssh", "--lab", name, "alpha", "--", identity]);
        for line in said.lines() {
            assert!(seen.insert(line.to_owned()), "{line} of {name} is another's, too");
        }
    }
    assert_eq!(seen.len(), 40);
    for name in &names {
        account.ok(&["down", "--lab", name]);
    }
    let labs: Value = serde_json::from_str(&account.ok(&["list", "-o", "json"])).unwrap();
    assert_eq!(labs["labs"], Value::Array(Vec::new()));
}

/// Out of packages, by the mirrors that this computer's own Debian uses.
#[test]
#[ignore = "builds an image and boots it; `make test-full` runs it"]
fn a_newer_debian_is_built_here_and_boots() {
    let mut rig = Rig::new("three");
    rig.edit("name: trixie\nnetwork: {cidr: 10.245.0.0/24}\nimage: debian-13\nkubernetes: none\nfirewall: on\nnodes: {a: {memory: 768MiB}}\n");
    rig.ok(&["images", "build", "debian-13"]);
    rig.ok(&["up"]);
    let release = rig.ok(&["ssh", "a", "--", "cat /etc/debian_version"]);
    assert!(release.starts_with("13."), "{release}");
    let state = rig.ok(&["ssh", "a", "--", "systemctl is-system-running"]);
    assert_eq!(state.trim(), "running");
    rig.ok(&["verify"]);
    rig.ok(&["down"]);
}
