//! Scripts of checks, run by a shell, with what they ask answered from files.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::stages::checks::all_ready;

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
            ("kubectl", KUBECTL.into()),
        ];
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let program = dir.path().join("kubectl");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
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
        let paths = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
        let told = Command::new("sh")
            .args(["-c", &script])
            .env("PATH", paths)
            .env("LAB_SINCE", String::from_utf8(seconds).unwrap().trim())
            .output()
            .unwrap();
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
