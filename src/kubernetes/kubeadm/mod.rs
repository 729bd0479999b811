//! The flavour `kubeadm`: the control plane runs in pods that kubelets start by themselves, set up by kubeadm.
//!
//! All secrets are made by lab, as for the hard way, and lie where kubeadm would put its own: it keeps what is
//! there. No authority's key leaves the computer (kubeadm calls that an external CA), so there are no bootstrap
//! tokens, and nothing is copied from node to node. etcd is a unit of its own, external in kubeadm's words.

mod configuration;
mod control_plane;
mod images;
mod kubelet;
mod operations;
mod worker;

use crate::kubernetes::flavour::{Benchmark, Flavour};
use crate::kubernetes::hard_way::etcd;
use crate::kubernetes::stages::{
    addons, firewall, load_balancer, nodes, os, outside, pod_network, registry_logins, runtime,
    verify,
};
use crate::model::lab::KUBEADM;
use crate::pki::leaf_specs;

/// The table of contents of a bootstrap by kubeadm.
pub const FLAVOUR: Flavour = Flavour {
    name: KUBEADM,
    stages: &[
        outside::STAGE,
        os::STAGE,
        firewall::STAGE,
        runtime::STAGE,
        registry_logins::STAGE,
        etcd::STAGE,
        control_plane::STAGE,
        load_balancer::STAGE,
        pod_network::STAGE,
        worker::STAGE,
        nodes::STAGE,
        addons::STAGE,
        verify::STAGE,
    ],
    templates: templates!(
        "kubeadm":
        "api.sh.j2",
        "component-answers.sh.j2",
        "configuration.yaml.j2",
        "images.sh.j2",
        "init.sh.j2",
        "join-control-plane.sh.j2",
        "join-worker.sh.j2",
        "join.yaml.j2",
        "kubelet.conf.j2",
        "kubelet.service.j2",
        "manifests.sh.j2",
        "news.sh.j2",
        "pods.sh.j2",
        "proxy-answers.sh.j2",
        "said.sh.j2",
        "strangers-refused.sh.j2",
        "upload.sh.j2",
    ),
    operations: operations::OPERATIONS,
    certificates: leaf_specs,
    binaries: &["kubelet", "kubeadm", "kubectl"],
    images: images::of,
    client: "kubectl",
    roles_come_and_go: false,
    benchmark: BENCHMARK,
};

/// Where the files are that the benchmark asks for, and what it cannot ask here.
const BENCHMARK: Benchmark = Benchmark {
    moved: &[
        (
            "/etc/systemd/system/kube-apiserver.service",
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
        ),
        (
            "/etc/systemd/system/kube-controller-manager.service",
            "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        ),
        (
            "/etc/systemd/system/kube-scheduler.service",
            "/etc/kubernetes/manifests/kube-scheduler.yaml",
        ),
        ("/var/lib/kubelet/kubeconfig", kubelet::KUBECONFIG),
    ],
    // kubeadm leaves out fields that are zero.
    by_default: &["4.2.4"],
    // Kubelets ask API servers in pods for their health without a credential; kube-proxy has its files from the
    // cluster.
    without: &["1.2.1", "4.1.3", "4.1.4", "4.3.1"],
};
