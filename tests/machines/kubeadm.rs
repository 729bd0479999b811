//! The other flavour on real machines: kubeadm init and join with certificates that lab made, the control plane
//! in pods, two controllers behind a floating address.

use std::fs;

use lab::engine::Outcome;
use lab::model::lab::KUBEADM;

use crate::cluster::Cluster;
use crate::firewall::open_to_all;
use crate::lessons::{look, type_it};
use crate::rig::documents::{PAGES, block};
use crate::rotation::all_is_rotated;
use crate::verified;

const TOPOLOGY: &str = "name: pods
network:
  cidr: 10.249.0.0/24
firewall: on
nodes:
  main:
    roles: [etcd, control-plane]
    count: 1
    first_address: 10.249.0.11
  other:
    roles: [control-plane]
    count: 1
    first_address: 10.249.0.21
  worker:
    count: 1
    first_address: 10.249.0.31
vips:
  api: {address: 10.249.0.10, role: control-plane}
options:
  # They run at native speed.
  acceleration: kvm
kubernetes:
  flavour: kubeadm
  # Their kernel is another one's: kube-proxy may not say how many connections it knows.
  kube_proxy: {conntrack: {maxPerCore: 0}}
";

const CONTROLLERS: [&str; 2] = ["main1", "other1"];
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
const NODES: [&str; 3] = ["main1", "other1", "worker1"];

fn flags(cluster: &Cluster, node: &str, program: &str) -> String {
    let ask = format!("tr '\\0' '\\n' < /proc/$(pgrep -o -f '^([^ ]*/)?{program} ')/cmdline");
    cluster.run(node, &ask)
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn kubeadm_sets_up_what_lab_gives_it() {
    let mut cluster = Cluster::bare_of(TOPOLOGY);
    let run = cluster.up_done();
    for (task, seconds) in run.finished.iter().filter(|(_, seconds)| *seconds > 2.0) {
        cluster.say(&format!("  {task:<24} {seconds:5.1} s"));
    }
    cluster.say("the cluster is up");
    cluster.up_unchanged();
    verified(&cluster);
    is_of_kubeadm(&cluster);
    assert_eq!(open_to_all(cluster.hall(), "10.249.0.31"), [22]);
    assert_eq!(open_to_all(cluster.hall(), "10.249.0.21"), [22, 6443]);
    pages_are_as_told(&cluster);
    let told = flags_reach_pods(&mut cluster);
    a_controller_leaves(&mut cluster, &told);
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test-full` runs it"]
fn full_everything_of_kubeadm_is_rotated() {
    let mut cluster = Cluster::bare_of(TOPOLOGY);
    cluster.up_done();
    all_is_rotated(&mut cluster);
    verified(&cluster);
}

/// What kubeadm's own tools and people who know it find.
fn is_of_kubeadm(cluster: &Cluster) {
    assert_eq!(cluster.session().lab.kubernetes.flavour, KUBEADM);
    let all = cluster.kubectl("get nodes -o 'jsonpath={range .items[*]}{.metadata.name} {end}'");
    assert_eq!(all.split_whitespace().collect::<Vec<_>>(), NODES);
    let pods = cluster.kubectl("-n kube-system get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.phase}{\"\\n\"}{end}'");
    for node in CONTROLLERS {
        for program in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            assert!(pods.contains(&format!("{program}-{node} Running")), "{pods}");
        }
    }
    let told = cluster.kubectl("-n kube-system get configmap kubeadm-config -o yaml");
    assert!(told.contains("controlPlaneEndpoint: 10.249.0.10:6443"), "{told}");
    // Nobody can join by a word that was overheard, and no authority's key is where it could be taken.
    let tokens =
        "-n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o name";
    assert_eq!(cluster.kubectl(tokens), "");
    for node in NODES {
        let keys = cluster
            .run(node, "find / -xdev -name '*ca.key' -not -path '/proc/*' -not -path '/usr/*'");
        assert_eq!(keys, "", "{node}");
    }
    cluster.say("it is a cluster of kubeadm's, without tokens and authorities' keys");
}

/// The pages of its stages, typed; and what somebody changed elsewhere meanwhile.
fn pages_are_as_told(cluster: &Cluster) {
    for (name, path) in PAGES {
        let (stage, page) = (cluster.stage(name), fs::read_to_string(path).unwrap());
        look(cluster, &page, stage);
        for line in block(&page, "## Break it") {
            type_it(cluster, stage, &line);
        }
        if name == "control-plane" {
            cluster.run(
                "other1",
                &format!("sed -i 's/--profiling=false/--profiling=true/' {MANIFEST}"),
            );
            let plan = cluster.plan();
            let told = "manifests of the control plane were changed";
            for node in CONTROLLERS {
                let is_told = |change: &String| change.contains(told) && change.contains(node);
                assert!(plan.iter().any(is_told), "{node}: {plan:#?}");
            }
        }
        cluster.up_done();
        cluster.until_verified(stage);
        cluster.up_unchanged();
        cluster.say(&format!("what {name} breaks and mends is as told"));
    }
    cluster.run("other1", &format!("grep -q -e --profiling=false {MANIFEST}"));
}

fn flags_reach_pods(cluster: &mut Cluster) -> String {
    // Whoever wants no firewall any more is left none.
    let told = TOPOLOGY.replace("firewall: on\n", "").replace(
        "  flavour: kubeadm\n",
        "  flavour: kubeadm\n  arguments:\n    kube-apiserver: {max-requests-inflight: '321'}\n  kubelet: {maxPods: 42}\n",
    );
    cluster.change(&told);
    let Outcome::Done(changes) = cluster.up_done().outcome else { unreachable!() };
    assert!(changes.iter().any(|change| change.to_string().contains("control-plane on other1")));
    for node in NODES {
        cluster.run(node, "! nft list table inet lab_firewall && ! test -e /etc/lab/firewall.nft");
    }
    for node in CONTROLLERS {
        let flags = flags(cluster, node, "kube-apiserver");
        assert!(flags.contains("--max-requests-inflight=321"), "{node}: {flags}");
    }
    for node in NODES {
        let ask = format!("get node {node} -o 'jsonpath={{.status.allocatable.pods}}'");
        cluster.until_kubectl_says(&ask, |said| said == "42");
    }
    cluster.say("flags and fields of the topology are in all programs");
    told
}

fn a_controller_leaves(cluster: &mut Cluster, told: &str) {
    let other =
        "  other:\n    roles: [control-plane]\n    count: 1\n    first_address: 10.249.0.21\n";
    assert!(told.contains(other));
    cluster.change(&told.replace(other, ""));
    cluster.up_done();
    cluster.discard("other1");
    let all = cluster.kubectl("get nodes -o 'jsonpath={range .items[*]}{.metadata.name} {end}'");
    assert_eq!(all.split_whitespace().collect::<Vec<_>>(), ["main1", "worker1"]);
    cluster.up_unchanged();
    verified(cluster);
    cluster.say("a controller has left, and nobody remembers it");
}
