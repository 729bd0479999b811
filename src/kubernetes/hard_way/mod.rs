//! The flavour `hard-way`: every component a systemd unit of its own.

pub(crate) mod components;
pub(crate) mod control_plane;
pub mod etcd;
mod operations;
pub(crate) mod version;
pub(crate) mod worker;

use crate::kubernetes::flavour::{Benchmark, Flavour};
use crate::kubernetes::stages::{
    addons, firewall, load_balancer, nodes, os, outside, pod_network, registry_logins, runtime,
    verify,
};
use crate::pki::leaf_specs;

/// The table of contents of a bootstrap by hand.
pub const FLAVOUR: Flavour = Flavour {
    name: "hard-way",
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
    templates: &[
        ("stages/timers.service.j2", include_str!("timers.service.j2")),
        ("stages/version.sh.j2", include_str!("version.sh.j2")),
    ],
    operations: operations::OPERATIONS,
    certificates: leaf_specs,
    binaries: &[
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    ],
    images: |_| Vec::new(),
    client: "kubectl",
    roles_come_and_go: true,
    benchmark: Benchmark::PLAIN,
};
