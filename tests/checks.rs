//! Scripts of checks, run by a shell, with what they ask answered from files.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::stages::checks::{all_ready, checks};

/// What counts as news.
const SINCE: &str = "2026-11-22T22:30:00Z";
const OLD: &str = "2026-11-22T22:26:00Z";
const NEW: &str = "2026-11-22T22:40:00Z";

const TWO_WORKERS: &str = "name: two\nnetwork: {cidr: 10.9.0.0/24}\nnodes:\n  \
    controller: {roles: [etcd, control-plane]}\n  worker: {count: 2, roles: [worker]}\n";

/// Answers with the file that has the name of the last part of what is asked for.
const KUBECTL: &str =
    "#!/bin/sh\nfor last; do :; done\ncat \"$(dirname \"$0\")/${last##*/}.json\"\n";

/// A node as an API server lists it, with most of what it is left away.
fn node(name: &str, ready: &str, said: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","uid":"a","labels":{{"name":"worker1"}}}},"status":{{"conditions":[{{"type":"PIDPressure","status":"False","lastHeartbeatTime":"{NEW}"}},{{"type":"Ready","status":"{ready}","lastHeartbeatTime":"{said}"}}]}}}}"#
    )
}

/// A shell in whose path `dir` comes first.
fn shell(dir: &Path, script: &str) -> Command {
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-euc", script]).env("PATH", path);
    command
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    fn new(nodes: &[String], leases: &[&str]) -> Self {
        let dir = rig::home();
        let list = |kind: &str, items: &str| {
            format!(r#"{{"kind":"{kind}","metadata":{{"resourceVersion":"9"}},"items":[{items}]}}"#)
        };
        let lease = |renewed: &&str| format!(r#"{{"spec":{{"renewTime":"{renewed}"}}}}"#);
        let leases: Vec<String> = leases.iter().map(lease).collect();
        let files = [
            ("nodes.json", list("NodeList", &nodes.join(","))),
            ("leases.json", list("LeaseList", &leases.join(","))),
        ];
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        program(&dir.path().join("kubectl"), KUBECTL);
        Self { dir }
    }

    /// Whether all are ready, as somebody sees it who started `restarted` anew.
    fn is_ready(&self, restarted: &[&str]) -> bool {
        let home = rig::home();
        let lab = rig::session(TWO_WORKERS, home.path()).lab;
        let path: &Path = self.dir.path();
        let script = all_ready(&lab, restarted).unwrap().script;
        let script = script.replace("/run/lab-", &format!("{}/lab-", path.display()));
        let seconds = Command::new("date").args(["-d", SINCE, "+%s"]).output().unwrap().stdout;
        let since = String::from_utf8(seconds).unwrap();
        let told = shell(path, &script).env("LAB_SINCE", since.trim()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&told.stderr), "");
        told.status.success()
    }
}

#[test]
fn a_node_is_ready_when_it_said_so_and_was_heard_of() {
    let nodes = [node("worker1", "True", OLD), node("worker2", "True", NEW)];
    let fresh = [NEW, NEW];
    // Who goes on need not repeat itself; who was started anew must.
    let cluster = Cluster::new(&nodes, &fresh);
    assert!(cluster.is_ready(&[]) && cluster.is_ready(&["worker2"]));
    assert!(!cluster.is_ready(&["worker1"]) && !cluster.is_ready(&["worker1", "worker2"]));
    // A part of a name is not a name.
    assert!(cluster.is_ready(&["worker11", "orker1", "worker"]));

    assert!(!Cluster::new(&nodes, &[NEW, OLD]).is_ready(&[]), "one was not heard of");
    for said in ["False", "Unknown"] {
        let nodes = [node("worker1", "True", NEW), node("worker2", said, NEW)];
        assert!(!Cluster::new(&nodes, &fresh).is_ready(&[]), "{said}");
    }
}

/// Lists what is in the file `namespaces`, when the end of a line is asked for in the way that kubectl
/// understands, and writes down what it is told to delete.
const NAMESPACES: &str = "#!/bin/sh\ncase \" $* \" in\n\
    *' get namespaces -l app.kubernetes.io/managed-by=lab '*'{\"\\n\"}{end} '*) cat \"$(dirname \"$0\")/namespaces\";;\n\
    *' delete namespaces '*) echo \"${*#* delete namespaces }\" > \"$(dirname \"$0\")/deleted\";;\n\
    *) exit 1;;\nesac\n";

#[test]
fn checks_clear_away_what_they_made_and_what_killed_runs_left_an_hour_ago() {
    let home = rig::home();
    let lab = rig::session(TWO_WORKERS, home.path()).lab;
    let (_, script) = checks(&lab).afterwards.unwrap();
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap().stdout;
    let now = String::from_utf8(now).unwrap();
    let (now, long_ago) = (now.trim(), "2020-02-20T20:20:20Z");
    let dir = home.path();
    let namespaces = format!(
        "lab-check-00000001 {long_ago}\nlab-secret-00000002 {long_ago}\nlab-check-00000003 {now}\n\
         lab-failover-00000004 {long_ago}\nlab-check-mine {long_ago}\nmy-lab-check-00000005 {long_ago}\n"
    );
    fs::write(dir.join("namespaces"), namespaces).unwrap();
    program(&dir.join("kubectl"), NAMESPACES);
    assert!(shell(dir, &format!("LAB_RUN=0000abcd\n{script}")).status().unwrap().success());
    let deleted = fs::read_to_string(dir.join("deleted")).unwrap();
    assert_eq!(
        deleted.trim(),
        "lab-check-0000abcd lab-check-00000001 lab-secret-00000002 --ignore-not-found --wait=false"
    );
}
