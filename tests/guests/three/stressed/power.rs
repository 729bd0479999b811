//! Power that is lost, and definitions that somebody edits.

use std::time::{Duration, Instant};

use lab::drivers::provider::Power;
use lab::drivers::provider::libvirt::Libvirt;

use crate::rig::guests::{text, tool};
use crate::three::{nothing_to_do, rough_chapter};

/// Those that lose power: what etcd wrote, and pods, must be there again.
const LOST: [&str; 2] = ["three-etcd1", "three-worker1"];

/// Guests lose power at once; `up` brings them back, and the cluster with them. The controller's power is
/// cut on machines (tests/machines), where it does not take minutes to be back.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn nodes_survive_a_power_loss() {
    rough_chapter(|rig| {
        let uri = rig.uri();
        // A definition that somebody edits is told, and is none of our business once it is as it was.
        for (memory, changes) in [("3G", 1), ("2G", 0)] {
            tool("virsh", &["-c", &uri, "setmaxmem", "three-worker1", memory, "--config"]);
            let plan = rig.json(&["plan", "-o", "json"]);
            assert_eq!(plan["changes"].as_array().unwrap().len(), changes, "{plan}");
            let why = plan["changes"][0]["why"].as_str().unwrap_or_default();
            assert!(
                changes == 0 || why.contains("3072 MiB of memory instead of 2048 MiB"),
                "{plan}"
            );
        }
        lives(&uri, "three-controller1");
        for domain in LOST {
            lives(&uri, domain);
            tool("virsh", &["-c", &uri, "destroy", domain]);
        }
        let plan = rig.json(&["plan", "-o", "json"]);
        let starts = plan["changes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|change| change["kind"] == "start")
            .count();
        assert_eq!(starts, LOST.len(), "{plan}");
        rig.ok(&["up"]);
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let ready = rig.lab(&[
                "kubectl",
                "wait",
                "--for=condition=Ready",
                "pod/web",
                "node/worker1",
                "--timeout=60s",
            ]);
            if ready.status.success() {
                break;
            }
            assert!(Instant::now() < deadline, "not Ready again: {}", text(&ready.stderr));
            std::thread::sleep(Duration::from_secs(3));
        }
        nothing_to_do(rig, &["up"]);
    });
}

/// What tells a guest that hangs is there to be seen: processor time, disk requests and packets.
fn lives(uri: &str, domain: &str) {
    let uuid = tool("virsh", &["-c", uri, "domuuid", domain]).trim().parse().unwrap();
    let seen = Libvirt::open(uri).unwrap().activity(uuid).unwrap().unwrap();
    assert!(seen.cpu > Duration::from_secs(1) && seen.io > 100, "{domain}: {seen:?}");
}
