//! `three` under a private libvirt, from nothing to a Ready cluster and to nothing again. Each test is a
//! chapter on the one cluster of its process: whichever comes first brings it up, `to_nothing` takes it down.
//! A chapter begins with the cluster as it was when it had come up, and runs alone by its name, too.

mod comes_up;
mod files;
mod lessons;
mod programs;
mod reruns;
mod stressed;
mod to_nothing;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::rig::dns_image;
use crate::rig::guard::Guard;
use crate::rig::guests::{Rig, text};
use crate::rig::shared::Shared;
use crate::rig::traces::traces;

/// The snapshot of the cluster as it was when it had come up.
const BASE: &str = "base";

static CLUSTER: Shared<Cluster> = Shared::new();

/// The cluster, and what is known of the time before it.
struct Cluster {
    rig: Rig,
    guard: Guard,
    /// Its topology.
    text: String,
    /// What the computer looked like before.
    before: Vec<(&'static str, BTreeSet<String>)>,
    /// The runs that it took to bring it up.
    runs: serde_json::Value,
    /// A chapter left it otherwise than it found it.
    dirty: bool,
}

impl Cluster {
    /// Killed without warning while the guests boot; left at once, interrupted, and killed in the middle of
    /// stages; back at a chapter; and then it comes up, with a pod that serves.
    fn come_up() -> Self {
        let before = traces();
        let mut rig = Rig::new("three");
        // Where processors are emulated, a second one costs more than it brings (docs/timings.md).
        let text = rig.shipped().replace("cpus: 2", "cpus: 1");
        assert_ne!(text, rig.shipped());
        rig.edit(&text);
        dns_image::write(&rig.images());
        let guard = Guard::over(&[rig.command(&["down"])], rig.home.path());
        rig.up_killed_at(|event| is_started(event, "boot"));
        rig.up_left_in("os");
        rig.up_interrupted_at("etcd1", "etcd");
        rig.ok(&["up", "--until", "etcd", "--checkpoint"]);
        rig.up_killed_at(|event| is_started(event, "control-plane"));
        back_to_a_chapter(&rig);
        rig.ok(&["up"]);
        let runs = rig.json(&["runs", "list", "-o", "json"]);
        serve_a_page(&rig);
        rig.ok(&["snapshot", "create", BASE]);
        Self { rig, guard, text, before, runs, dirty: false }
    }

    /// As it was when it had come up.
    fn begin_anew(&mut self) {
        self.rig.edit(&self.text);
        self.rig.ok(&["snapshot", "restore", BASE, "--yes"]);
        let listed = self.rig.json(&["snapshot", "list", "-o", "json"]);
        let names = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        for name in names.filter(|name| *name != BASE) {
            self.rig.ok(&["snapshot", "delete", name]);
        }
        self.dirty = false;
    }
}

/// A chapter that leaves the cluster as it finds it.
fn chapter(proves: impl FnOnce(&mut Rig)) {
    with_the_cluster(|cluster| {
        cluster.dirty = true;
        proves(&mut cluster.rig);
        cluster.dirty = false;
    });
}

/// A chapter after which the next one finds the cluster as if it had just come up.
fn rough_chapter(proves: impl FnOnce(&mut Rig)) {
    with_the_cluster(|cluster| {
        cluster.dirty = true;
        proves(&mut cluster.rig);
    });
}

fn with_the_cluster(proves: impl FnOnce(&mut Cluster)) {
    CLUSTER.with(Cluster::come_up, |cluster| {
        let proved = catch_unwind(AssertUnwindSafe(|| {
            if cluster.dirty {
                cluster.begin_anew();
            }
            proves(cluster);
        }));
        if let Err(failure) = proved {
            cluster.rig.show_last_words();
            resume_unwind(failure);
        }
    });
}

fn is_started(event: &serde_json::Value, task: &str) -> bool {
    event["event"] == "started" && event["task"] == task
}

/// Back to the end of stage etcd: what its nodes went through they remember, what came later they do not.
fn back_to_a_chapter(rig: &Rig) {
    let listed = rig.json(&["snapshot", "list", "-o", "json"]);
    let last = listed.as_array().unwrap().last().unwrap().clone();
    assert!(last["name"] == "after-etcd" && last["stage"] == "etcd", "{listed}");
    let later = "sudo test -e /etc/kubernetes/pki/apiserver.crt";
    rig.ok(&["snapshot", "restore", "after-etcd"]);
    assert!(!rig.lab(&["ssh", "controller1", "--", later]).status.success(), "it is still there");
    nothing_to_do(rig, &["up", "--until", "etcd"]);
    let plan = rig.ok(&["plan"]);
    assert!(plan.contains("stage control-plane") && !plan.contains("stage etcd"), "{plan}");
    for one in listed.as_array().unwrap() {
        rig.ok(&["snapshot", "rm", one["name"].as_str().unwrap()]);
    }
}

/// An `up` that finds all as it should be.
fn nothing_to_do(rig: &Rig, arguments: &[&str]) {
    let output = rig.lab(arguments);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("nothing to do"), "{said}");
}

/// A pod of a person's own, from a local manifest, with a service in front.
fn serve_a_page(rig: &Rig) {
    let manifest = rig.home.path().join("web.yaml");
    fs::write(&manifest, WEB).unwrap();
    rig.ok(&["kubectl", "apply", "-f", manifest.to_str().unwrap()]);
    rig.ok(&["kubectl", "wait", "--for=condition=Ready", "pod/web", "--timeout=300s"]);
}

const WEB: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - name: web
      image: lab.local/busybox:1
      imagePullPolicy: Never
      command: [sh, -c, "echo hello from web > /index.html; echo serving; exec httpd -f -p 8080 -h /"]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
"#;
