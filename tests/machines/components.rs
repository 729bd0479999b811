//! Flags, feature gates, configuration and names of certificates as a topology says them, on a cluster that runs.

use lab::kubernetes::DEFAULT;

use crate::cluster::{MAIN, TOPOLOGY};
use crate::on_cluster;

/// More of the topology's last section.
const TOLD: &str = "  certificate_names: [api.corp.example, 203.0.113.9]
  arguments:
    etcd: {quota-backend-bytes: 4294967296}
    kube-apiserver: {max-requests-inflight: 801, enable-admission-plugins: AlwaysPullImages, audit-log-maxage: 7}
    kube-scheduler: {v: 3}
  feature_gates: {TTLAfterFinished: true}
  kubelet:
    maxPods: 42
    evictionHard: {memory.available: 3%, nodefs.available: 1%}
  kube_proxy: {conntrack: {min: 65536}}
";

/// Words of the command line of a program that runs.
fn runs_with(cluster: &crate::cluster::Cluster, node: &str, program: &str) -> String {
    cluster.run(node, &format!("tr '\\0' ' ' < /proc/$(pidof -s {program})/cmdline"))
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn components_are_as_the_topology_says() {
    on_cluster(|cluster| {
        cluster.change(&format!("{TOPOLOGY}{TOLD}"));
        cluster.up_done();
        let api = runs_with(cluster, MAIN, "kube-apiserver");
        for flag in [
            "--max-requests-inflight=801 ",
            "EventRateLimit",
            ",AlwaysPullImages ",
            "--audit-log-maxage=7 ",
            "TTLAfterFinished=true",
        ] {
            assert!(api.contains(flag), "{flag}: {api}");
        }
        assert!(runs_with(cluster, MAIN, "etcd").contains("--quota-backend-bytes=4294967296 "));
        let scheduler = runs_with(cluster, MAIN, "kube-scheduler");
        assert!(scheduler.contains("--v=3 ") && scheduler.contains("TTLAfterFinished=true"));
        // Whoever asks by one of the names finds it in the certificate.
        for name in ["api.corp.example", "203.0.113.9"] {
            let ask = format!(
                "curl -s --max-time 20 --cacert /etc/kubernetes/pki/ca.crt --connect-to {name}:6443:10.249.0.11:6443 -o /dev/null -w '%{{http_code}}' https://{name}:6443/readyz"
            );
            assert_eq!(cluster.run(MAIN, &ask), "401", "{name}");
        }
        let pods = "get nodes -o 'jsonpath={range .items[*]}{.status.capacity.pods} {end}'";
        cluster.until_kubectl_says(pods, |said| said.trim() == "42 42");
        let kubelet = cluster.kubectl("get --raw /api/v1/nodes/worker1/proxy/configz");
        assert!(
            kubelet.contains("\"memory.available\":\"3%\"") && kubelet.contains("TTLAfterFinished"),
            "{kubelet}"
        );
        cluster.until_verified(DEFAULT.stage("worker").unwrap());
        cluster.until_verified(DEFAULT.stage("control-plane").unwrap());
        cluster.up_unchanged();
        cluster.change(TOPOLOGY);
        cluster.up_done();
        assert!(!runs_with(cluster, MAIN, "kube-apiserver").contains("801"));
        cluster.until_kubectl_says(pods, |said| said.trim() == "110 110");
    });
}
