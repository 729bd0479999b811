//! Labels, annotations and taints of a topology: brought, kept, and gone with their line; those of others stay.

use lab::kubernetes::DEFAULT;

use crate::cluster::TOPOLOGY;
use crate::on_cluster;

const WORKERS: &str = "    first_address: 10.249.0.31
";

const TOLD: &str = "    first_address: 10.249.0.31
    labels: {disk: ssd, example.com/rack: 1}
    annotations: {note: \"it's \\\"mine\\\", a=b\\nand more\"}
    overrides:
      worker2: {labels: {disk: hdd}, taints: [\"dedicated=db:NoSchedule\", \"example.com/odd:PreferNoSchedule\"]}
";

/// What the API has of a node: its labels, the annotation of the topology, and its taints.
fn known(cluster: &crate::cluster::Cluster, node: &str) -> String {
    let labels = cluster.kubectl(&format!("get node {node} --show-labels --no-headers"));
    let rest = "-o 'jsonpath={.metadata.annotations.note}{range .spec.taints[*]} <{.key}={.value}:{.effect}>{end}'";
    labels + &cluster.kubectl(&format!("get node {node} {rest}"))
}

fn has(text: &str, wanted: &[&str], unwanted: &[&str]) {
    for word in wanted {
        assert!(text.contains(word), "{word} is not there: {text}");
    }
    for word in unwanted {
        assert!(!text.contains(word), "{word} is there: {text}");
    }
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn what_is_told_of_nodes_is_kept() {
    on_cluster(|cluster| {
        assert!(TOPOLOGY.contains(WORKERS));
        cluster.change(&TOPOLOGY.replace(WORKERS, TOLD));
        let plan = cluster.plan();
        let of_nodes = |change: &String| change.contains("stage nodes on main1");
        assert!(plan.iter().any(of_nodes), "{plan:#?}");
        assert!(!plan.iter().any(|change| change.contains("stage worker")), "{plan:#?}");
        cluster.up_done();
        let note = "it's \"mine\", a=b\nand more";
        let role = "node-role.kubernetes.io/worker=";
        has(&known(cluster, "worker1"), &["disk=ssd", "example.com/rack=1", note, role], &["db"]);
        let taints = ["<dedicated=db:NoSchedule>", "<example.com/odd=:PreferNoSchedule>"];
        has(&known(cluster, "worker2"), &[&["disk=hdd", "rack=1"][..], &taints].concat(), &["ssd"]);
        // Pods of checks come to tainted workers, too, where it is the topology that says so.
        for stage in ["nodes", "verify"] {
            cluster.until_verified(DEFAULT.stage(stage).unwrap());
        }
        cluster.say("labels, annotations and taints are there");

        cluster.kubectl("label node worker2 own=kept disk=tape --overwrite");
        cluster.kubectl("taint node worker2 own=kept:PreferNoSchedule dedicated-");
        let plan = cluster.plan();
        let told = "changed by hand: labels, annotations and taints of the nodes were changed";
        assert!(plan.iter().any(|change| change.contains(told)), "{plan:#?}");
        cluster.up_done();
        let wanted = ["disk=hdd", "own=kept", "<own=kept:PreferNoSchedule>"];
        has(&known(cluster, "worker2"), &[&wanted[..], &taints].concat(), &["tape"]);
        cluster.say("what was changed by hand is put right, what is others' stays");

        cluster.change(TOPOLOGY);
        cluster.up_done();
        has(&known(cluster, "worker1"), &[role], &["disk=", "rack", "mine"]);
        let wanted = [role, "own=kept", "<own=kept:PreferNoSchedule>"];
        has(&known(cluster, "worker2"), &wanted, &["disk=", "rack", "mine", "db", "odd"]);
        cluster.kubectl("label node worker2 own-");
        cluster.kubectl("taint node worker2 own-");
        cluster.up_unchanged();
    });
}
