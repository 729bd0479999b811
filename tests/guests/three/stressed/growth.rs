//! The cluster grows and shrinks.

use crate::rig::guests::text;
use crate::three::chapter;

/// The cluster grows and shrinks by editing the topology; what serves is not restarted for it, and
/// pods of the node that leaves go on elsewhere.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_worker_comes_and_goes_and_nothing_that_serves_is_restarted() {
    chapter(|rig| {
        let three = rig.topology();
        let grown = three.replace("worker:\n    count: 1", "worker:\n    count: 2");
        assert_ne!(grown, three);
        rig.edit(&grown);
        let plan = rig.ok(&["plan"]);
        assert!(
            plan.contains("~ update network three")
                && plan.contains("+ create domain three-worker2")
        );
        for unwanted in ["stage etcd", "stage control-plane", "stage worker on worker1", "restart"]
        {
            assert!(!plan.contains(unwanted), "{plan}");
        }
        rig.ok(&["up"]);
        let nodes = rig.ok(&["kubectl", "get", "nodes"]);
        assert_eq!(nodes.matches(" Ready ").count(), 2, "{nodes}");
        let routes = rig.ok(&["exec", "--", "ip route show proto 76"]);
        assert_eq!(routes.matches("10.200.32.0/24 via 10.240.0.32").count(), 3, "{routes}");
        rig.ok(&["verify", "worker"]);
        rig.ok(&["verify", "pod-network"]);
        rig.ok(&["kubectl", "create", "deployment", "stays", "--image=lab.local/pause:1"]);
        rig.ok(&["kubectl", "scale", "deployment/stays", "--replicas=4"]);
        rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);

        rig.edit(&three);
        let refused = rig.lab(&["up"]);
        let said = text(&refused.stderr);
        assert!(
            refused.status.code() == Some(2) && said.contains("three-worker2 would be removed"),
            "{said}"
        );
        rig.ok(&["up", "--yes"]);
        let nodes = rig.ok(&["kubectl", "get", "nodes"]);
        assert!(!nodes.contains("worker2") && nodes.matches(" Ready ").count() == 1, "{nodes}");
        rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);
        rig.ok(&["kubectl", "delete", "deployment", "stays"]);
        let left = rig.ok(&[
            "exec",
            "--",
            "ip route; cat /etc/hosts; dig +short @10.240.0.1 worker2.three.lab",
        ]);
        assert!(!left.contains("10.200.32.0") && !left.contains("10.240.0.32"), "{left}");
        let keys = rig.home.path().join("state/lab/three");
        for gone in ["ssh/host-worker2", "pki/kubelet-client-worker2.key"] {
            assert!(!keys.join(gone).exists(), "{gone} stayed");
        }
    });
}
