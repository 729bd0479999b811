//! The hard way on real machines at native speed: Debian 12 with systemd, sshd, containerd and kubelet in
//! namespaces of their own, from nothing to a verified cluster, by the real engine over its own SSH.
//!
//! `make test` runs these; they need root, the Kubernetes binaries and the machines' file system. What
//! a kernel of its own would show (modules, swap, clocks) is left to the tests on guests.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod addons;
mod archives;
mod cluster;
mod commands;
mod company;
mod components;
mod course;
mod existing;
mod faults;
mod fences;
mod firewall;
mod groups;
mod hall;
mod kubeadm;
mod lessons;
mod machine;
mod mirrors;
#[path = "../rig/mod.rs"]
mod rig;
mod rotation;
mod told;
mod undone;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cluster::{Cluster, MAIN, TOPOLOGY};
use lab::engine::{Outcome, Verdict};
use lab::kubernetes::DEFAULT;

/// One cluster for all tests that leave it as they found it.
static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// Has a test work on the cluster, which is made where there is none, and anew after a test that failed.
fn on_cluster(test: impl FnOnce(&mut Cluster)) {
    let mut slot = CLUSTER.lock().unwrap_or_else(|failed| {
        CLUSTER.clear_poison();
        let mut slot = failed.into_inner();
        *slot = None;
        slot
    });
    test(slot.get_or_insert_with(from_nothing));
}

/// Machines with nothing on them become a cluster, by all stages.
fn from_nothing() -> Cluster {
    let cluster = Cluster::bare();
    let run = cluster.up_done();
    let lab = cluster.session().lab;
    for stage in DEFAULT.stages.iter().filter(|stage| !(stage.nodes)(&lab).is_empty()) {
        let mut spent = run.finished.iter().filter(|(task, _)| task.ends_with(stage.name));
        assert!(
            spent.clone().count() > 0,
            "{} was not carried out: {:?}",
            stage.name,
            run.finished
        );
        let longest = spent.try_fold(0.0_f64, |longest, (_, s)| Some(longest.max(*s))).unwrap();
        cluster.say(&format!("  {:<16} {longest:5.1} s", stage.name));
    }
    cluster.say("the cluster is up");
    cluster
}

/// Makes every check until all pass in one go. On a computer that is too busy to answer in time a floating
/// address is given up, as it must be, and comes back; what is wrong stays wrong.
fn verified(cluster: &Cluster) {
    let fewest = 40 * cluster.session().lab.nodes.len();
    for attempt in 1.. {
        let results = cluster.verify();
        assert!(results.len() > fewest, "only {} checks", results.len());
        let other: Vec<_> =
            results.iter().filter(|result| result.verdict != Verdict::Passed).collect();
        cluster.say(&format!("{} checks made, {} not passed", results.len(), other.len()));
        let names: Vec<_> = other.iter().map(|result| &result.name).collect();
        match other.is_empty() {
            true => return,
            false if attempt < 3 => cluster.say(&format!("once more, for {names:?}")),
            false => panic!("{other:#?}"),
        }
    }
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_cluster_comes_up_from_nothing_and_passes_every_check() {
    on_cluster(|cluster| {
        cluster.up_unchanged();
        cluster.say("up again: nothing to do");
        verified(cluster);
    });
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_machine_whose_power_was_cut_comes_back() {
    on_cluster(|cluster| {
        for node in ["worker2", MAIN] {
            let boot = cluster.run(node, "cat /proc/sys/kernel/random/boot_id");
            cluster.cut(node);
            cluster.start(node);
            assert_ne!(cluster.run(node, "cat /proc/sys/kernel/random/boot_id"), boot);
            cluster.say(&format!("{node} is back"));
        }
        // What the API said of a worker before is still believed: its kubelet must have said it since.
        let boot = cluster.run("worker2", "cat /proc/sys/kernel/random/boot_id");
        let ask = "get node worker2 -o 'jsonpath={.status.nodeInfo.bootID} {.status.conditions[?(@.type==\"Ready\")].status}'";
        cluster.until_kubectl_says(ask, |said| said == format!("{} True", boot.trim()));
        cluster.say("worker2 is Ready");
        cluster.up_unchanged();
    });
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_unit_that_was_changed_by_hand_is_put_right() {
    on_cluster(|cluster| {
        let unit = "/etc/systemd/system/kubelet.service";
        cluster.run("worker1", &format!("sed -i 's/RestartSec=3/RestartSec=33/' {unit}"));
        cluster.run("worker2", "systemctl disable --quiet --now kube-proxy");
        cluster.run(MAIN, "systemctl stop haproxy");
        let Outcome::Done(changes) = cluster.up_done().outcome else { panic!("nothing was done") };
        let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let wanted = [
            "> run stage load-balancer on main1  (changed by hand: haproxy.service is inactive)",
            "> run stage worker on worker1  (changed by hand: /etc/systemd/system/kubelet.service was changed)",
            "> run stage worker on worker2  (changed by hand: kube-proxy.service is inactive)",
        ];
        assert_eq!(shown, wanted);
        cluster.run("worker1", &format!("grep -qx RestartSec=3 {unit}"));
        cluster.run("worker2", "systemctl is-active kube-proxy && systemctl is-enabled kube-proxy");
        cluster.run(MAIN, "systemctl is-active haproxy");
        cluster.up_unchanged();
        cluster.say("what was changed by hand is put right");
    });
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_worker_joins_and_leaves_again() {
    on_cluster(|cluster| {
        let before = serving(cluster);
        // A machine beside the cluster comes along.
        let jumpbox = "count: 3\n    first_address: 10.249.0.31\n  jumpbox: {roles: [], first_address: 10.249.0.41}";
        let (two, three) = ("count: 2\n    first_address: 10.249.0.31", jumpbox);
        assert!(TOPOLOGY.contains(two));
        cluster.change(&TOPOLOGY.replace(two, three));
        let plan = cluster.plan();
        for untouched in ["stage etcd", "stage control-plane", "stage worker on worker1", "restart"]
        {
            assert!(!plan.iter().any(|change| change.contains(untouched)), "{plan:#?}");
        }
        cluster.up_done();
        cluster.say("worker3 has joined");
        let known =
            cluster.run("jumpbox", "getent hosts worker3 api; ls /etc/kubernetes 2>&1 || true");
        assert!(known.contains("10.249.0.33") && known.contains("10.249.0.10"), "{known}");
        assert!(
            known.contains("No such file"),
            "a machine beside the cluster is part of it: {known}"
        );
        let nodes = cluster.kubectl("get nodes --no-headers");
        assert!(nodes.contains("worker3") && !nodes.contains("jumpbox"), "{nodes}");
        for node in [MAIN, "worker1", "worker2"] {
            let routes = cluster.run(node, "ip route show proto 76");
            assert!(routes.contains("10.200.33.0/24 via 10.249.0.33"), "{node}: {routes}");
        }
        for stage in ["worker", "pod-network"] {
            cluster.until_verified(DEFAULT.stage(stage).unwrap());
        }
        cluster.kubectl("create deployment stays --image=lab.local/pause:1");
        cluster.kubectl("scale deployment/stays --replicas=6");
        cluster.kubectl("rollout status deployment/stays --timeout=120s");
        let pods =
            "get pods -l app=stays --field-selector=status.phase=Running -o wide --no-headers";
        let pods = |cluster: &Cluster| cluster.kubectl(pods);
        assert!(pods(cluster).contains("worker3"), "{}", pods(cluster));
        cluster.change(TOPOLOGY);
        cluster.up_done();
        cluster.discard("worker3");
        cluster.discard("jumpbox");
        let nodes = cluster.kubectl("get nodes --no-headers");
        assert!(!nodes.contains("worker3") && nodes.matches(" Ready ").count() == 2, "{nodes}");
        cluster.kubectl("rollout status deployment/stays --timeout=120s");
        let moved = pods(cluster);
        assert!(!moved.contains("worker3") && moved.lines().count() == 6, "{moved}");
        let known = cluster.run("worker1", "ip route; cat /etc/hosts");
        assert!(!known.contains("10.200.33.0") && !known.contains("worker3"), "{known}");
        cluster.kubectl("delete deployment stays");
        assert_eq!(serving(cluster), before, "what serves was restarted");
        cluster.up_unchanged();
        cluster.say("worker3 has left");
    });
}

/// The processes that serve, by node.
fn serving(cluster: &Cluster) -> Vec<String> {
    let ask = "systemctl show -p Id,MainPID etcd kube-apiserver kubelet kube-proxy containerd";
    [MAIN, "worker1", "worker2"].map(|node| cluster.run(node, ask)).to_vec()
}

/// Says to the process of a test that it is the one to be killed.
const VICTIM: &str = "LAB_MACHINES_VICTIM";

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_test_that_is_killed_leaves_nothing() {
    if std::env::var_os(VICTIM).is_some() {
        let cluster = Cluster::bare();
        let (dir, groups) = cluster.places();
        println!("\nplaces {} {}", dir.display(), shown(&groups));
        std::thread::sleep(Duration::from_secs(600));
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "a_test_that_is_killed_leaves_nothing"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let places = lines.find_map(|line| Some(line.strip_prefix("places ")?.to_owned()));
    let places = places.expect("machines");
    let mut places = places.split(' ').map(PathBuf::from);
    let (dir, groups) = (places.next().unwrap(), places.collect::<Vec<_>>());
    assert!(dir.is_dir() && groups.len() > 1 && groups.iter().all(|group| group.is_dir()));
    assert!(members(&dir) > 10, "{} processes", members(&dir));
    victim.kill().unwrap();
    victim.wait().unwrap();
    nothing_is_left(&dir, &groups);
}

fn shown(groups: &[PathBuf]) -> String {
    groups.iter().map(|group| group.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// How many processes are in control groups of the rig in `dir`.
fn members(dir: &Path) -> usize {
    let name = dir.file_name().unwrap().to_str().unwrap();
    let group = |entry: &fs::DirEntry| fs::read_to_string(entry.path().join("cgroup"));
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|entry| group(entry).is_ok_and(|text| text.contains(name))).count()
}

/// Waits until processes, control groups and files of the rig in `dir` are gone.
fn nothing_is_left(dir: &Path, groups: &[PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let left = || {
        let places = groups.iter().map(PathBuf::as_path).chain([dir]);
        let mut left: Vec<String> =
            places.filter(|p| p.exists()).map(|p| p.display().to_string()).collect();
        left.extend(Some(members(dir)).filter(|n| *n > 0).map(|n| format!("{n} processes")));
        left
    };
    while !left().is_empty() {
        assert!(Instant::now() < deadline, "{:?} is left", left());
        std::thread::sleep(Duration::from_millis(50));
    }
}
