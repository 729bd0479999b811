//! Run again, a cluster that is up is left alone but for what is missing.

use super::{chapter, nothing_to_do};
use crate::rig::guests::{Rig, text, tool};

/// Times of change of everything that stages write, by node.
fn written(rig: &Rig) -> String {
    rig.ok(&["exec", "--", "sudo find /etc /var/lib/lab /var/lib/kubelet/config.yaml /usr/local -xdev -type f -printf '%p %T@ %i\\n' 2>/dev/null | sort"])
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_rerun_changes_nothing() {
    chapter(|rig| {
        let pids = || tool("pgrep", &["-f", "qemu-system.*three-"]);
        let (files, guests) = (written(rig), pids());
        assert!(!files.is_empty() && !guests.is_empty(), "{files} {guests}");
        nothing_to_do(rig, &["up"]);
        let plan = rig.lab(&["plan", "--detailed-exitcode", "-o", "json"]);
        assert_eq!(plan.status.code(), Some(0), "{}", text(&plan.stdout));
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&plan.stdout).unwrap()["changes"],
            serde_json::json!([])
        );
        assert_eq!(written(rig), files, "a rerun wrote to a node");
        assert_eq!(pids(), guests, "a rerun restarted a guest");
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_lost_marker_reruns_one_stage() {
    chapter(|rig| {
        rig.ok(&["ssh", "worker1", "--", "sudo rm /var/lib/lab/stages/pod-network"]);
        let plan = rig.json(&["plan", "-o", "json"]);
        let changes = plan["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{plan}");
        assert_eq!(
            (&changes[0]["name"], &changes[0]["node"]),
            (&"pod-network".into(), &"worker1".into())
        );
        rig.ok(&["up"]);
        nothing_to_do(rig, &["up"]);
    });
}
