//! Run again, a cluster that is up is left alone but for what is missing.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

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

/// Somebody has seen enough of `verify` while its pods run: nothing of it stays.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn an_interrupted_verify_leaves_nothing() {
    chapter(|rig| {
        let mut command = rig.command(&["verify", "verify"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("a pod starts on every worker")));
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let said: Vec<String> = lines.collect();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{said:?} {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("is cleared away"), "{}", text(&output.stderr));
        let namespaces = rig.ok(&["kubectl", "get", "namespaces"]);
        let stays = |line: &&str| line.starts_with("lab-") && !line.contains("Terminating");
        assert_eq!(namespaces.lines().find(stays), None, "{namespaces}");
    });
}
