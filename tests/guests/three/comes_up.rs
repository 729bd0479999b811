//! The cluster has come up, whatever happened on the way: it is Ready, serves, and knows its names.

use super::{chapter, with_the_cluster};
use crate::rig::dns_image;

/// The first one, by its name.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_cluster_comes_up_although_it_is_killed_left_and_interrupted() {
    with_the_cluster(|cluster| {
        let runs = cluster.runs.as_array().unwrap();
        let outcomes: Vec<&str> = runs.iter().map(|run| run["outcome"].as_str().unwrap()).collect();
        // Killed twice or more, interrupted once, and then it came up.
        for outcome in ["cut", "stopped", "done"] {
            assert!(outcomes.contains(&outcome), "{outcomes:?}");
        }
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn all_nodes_are_up_and_the_worker_is_ready() {
    chapter(|rig| {
        let status = rig.json(&["status", "-o", "json"]);
        assert_eq!(status["nodes"].as_array().unwrap().len(), 3, "{status}");
        assert!(!status["stages"].as_array().unwrap().is_empty(), "{status}");
        for node in status["nodes"].as_array().unwrap() {
            assert_eq!(node["state"], "up", "{node}");
            let worker = node["roles"].as_array().unwrap().iter().any(|role| role == "worker");
            assert_eq!(node["ready"].as_bool(), worker.then_some(true), "{node}");
        }
        for stage in status["stages"].as_array().unwrap() {
            assert!(stage["missing"].as_array().unwrap().is_empty(), "{stage}");
        }
        let image = rig.ok(&[
            "kubectl",
            "-n",
            "kube-system",
            "get",
            "pods",
            "-o",
            "jsonpath={.items[*].spec.containers[*].image}",
        ]);
        assert!(image.contains(dns_image::NAME), "{image}");
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_pod_of_ones_own_serves_to_every_node() {
    chapter(|rig| {
        let pods = rig.ok(&["kubectl", "get", "pods", "-o", "wide"]);
        assert!(pods.contains("Running") && pods.contains("worker1"), "{pods}");
        assert!(
            pods.contains("10.200.31."),
            "the pod's address is not of its worker's subnet: {pods}"
        );
        assert!(rig.ok(&["kubectl", "logs", "web"]).contains("serving"));
        let answer = rig.ok(&[
            "kubectl",
            "exec",
            "web",
            "--",
            "wget",
            "-qO-",
            "http://127.0.0.1:8080/index.html",
        ]);
        assert_eq!(answer.trim(), "hello from web");
        // The routed pod network from another node; the service address from the worker, where
        // kube-proxy is.
        let address = rig.ok(&["kubectl", "get", "pod", "web", "-o", "jsonpath={.status.podIP}"]);
        let url = format!("curl -fsS -m 20 http://{}:8080/index.html", address.trim());
        assert_eq!(rig.ok(&["ssh", "controller1", "--", &url]).trim(), "hello from web");
        let service =
            rig.ok(&["kubectl", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
        let url = format!(
            "curl -fsS -m 20 --retry 10 --retry-connrefused --retry-delay 1 http://{}/index.html",
            service.trim()
        );
        assert_eq!(rig.ok(&["ssh", "worker1", "--", &url]).trim(), "hello from web");
        let port = "curl -fsS -m 20 --retry 10 --retry-connrefused --retry-delay 1 http://worker1:30080/index.html";
        assert_eq!(rig.ok(&["ssh", "etcd1", "--", port]).trim(), "hello from web");
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn names_resolve_both_ways_on_every_node() {
    chapter(|rig| {
        // From the network's DNS, not from /etc/hosts: the whole records, both ways.
        let nodes =
            [("etcd1", "10.240.0.11"), ("controller1", "10.240.0.21"), ("worker1", "10.240.0.31")];
        let ask = |(name, address): &(&str, &str)| {
            format!("dig +short @10.240.0.1 {name}.three.lab; dig +short @10.240.0.1 -x {address}")
        };
        let told =
            |(name, address): &(&str, &str)| [(*address).into(), format!("{name}.three.lab.")];
        let ask = nodes.iter().map(ask).collect::<Vec<_>>().join("; ");
        let told: Vec<String> = nodes.iter().flat_map(told).collect();
        for from in ["etcd1", "worker1"] {
            let said = rig.ok(&["ssh", from, "--", &ask]);
            assert!(said.lines().eq(&told), "{from}: {said}");
        }
        let ask = |(name, address): &(&str, &str)| format!("getent hosts {name} {address}");
        let ask = nodes.iter().map(ask).collect::<Vec<_>>().join("; ");
        let hosts = rig.ok(&["ssh", "worker1", "--", &ask]);
        for (name, address) in nodes {
            let name = format!("{name}.three.lab");
            let right = |line: &&str| line.starts_with(address) && line.contains(&name);
            assert_eq!(hosts.lines().filter(right).count(), 2, "{hosts}");
        }
        let block = rig.ok(&["ssh", "worker1", "--", "cat /etc/hosts"]);
        assert_eq!(block.matches("# BEGIN lab").count(), 1, "{block}");
        assert!(block.contains("127.0.0.1 localhost"), "the rest of the file is gone: {block}");
        let own = rig.ok(&["exec", "--", "hostname; hostname -f"]);
        assert!(own.contains("worker1.three.lab"), "{own}");
    });
}
