//! The pages of the workshop, gone through as a learner does. What takes long to mend is broken by
//! `make test-full`.

use lab::kubernetes::DEFAULT;

use super::{chapter, nothing_to_do};
use crate::pages;
use crate::rig::guests::Rig;

/// Stages whose pages are broken and mended here, each in a chapter of its own.
const BROKEN: [&str; 5] = ["os", "runtime", "pod-network", "worker", "addons"];

/// A page from its first to its last line.
fn is_as_told(rig: &Rig, stage: &str, meanwhile: impl FnOnce()) {
    assert!(BROKEN.contains(&stage));
    pages::looks(rig, stage);
    pages::breaks(rig, stage, meanwhile);
    nothing_to_do(rig, &["up"]);
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_list_of_the_readme_is_as_told() {
    chapter(|rig| {
        pages::only_look(rig);
        let lab = rig.resolved();
        let all = DEFAULT.stages.iter().filter(|stage| !(stage.nodes)(&lab).is_empty());
        for stage in all.filter(|stage| !BROKEN.contains(&stage.name)) {
            pages::looks(rig, stage.name);
        }
        nothing_to_do(rig, &["up"]);
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_page_of_os_is_as_told() {
    chapter(|rig| is_as_told(rig, "os", || {}));
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_page_of_runtime_is_as_told() {
    chapter(|rig| is_as_told(rig, "runtime", || {}));
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_page_of_pod_network_is_as_told() {
    chapter(|rig| is_as_told(rig, "pod-network", || {}));
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_page_of_addons_is_as_told() {
    chapter(|rig| is_as_told(rig, "addons", || {}));
}

/// With what else a learner does: has one stage judged, changes a file by hand, and runs that stage on that
/// node.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_page_of_worker_is_as_told() {
    chapter(|rig| is_as_told(rig, "worker", || only_the_stage_that_broke_is_told(rig)));
}

fn only_the_stage_that_broke_is_told(rig: &Rig) {
    let judged = rig.lab(&["verify", "worker", "-o", "json"]);
    assert_eq!(judged.status.code(), Some(1));
    let result: serde_json::Value = serde_json::from_slice(&judged.stdout).unwrap();
    let bad: Vec<&str> = result["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] != "passed")
        .map(|check| check["proves"].as_str().unwrap())
        .collect();
    assert_eq!(bad, ["kube-proxy runs"]);
    rig.ok(&["verify", "etcd"]);
    rig.ok(&["ssh", "worker1", "--", "echo '# mine' | sudo tee -a /var/lib/kubelet/config.yaml"]);
    let plan = rig.json(&["plan", "-o", "json"]);
    let told = "changed by hand: /var/lib/kubelet/config.yaml was changed, and 1 more";
    assert_eq!(plan["changes"][0]["why"], told, "{plan}");
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan}");
}
