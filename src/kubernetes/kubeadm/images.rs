//! The images that kubeadm's manifests name.

use crate::kubernetes::hard_way::control_plane::COMPONENTS;
use crate::model::Version;

/// What pods of the control plane, and kube-proxy, run from.
pub(super) fn of(version: Version) -> Vec<String> {
    let named = |name: &str| format!("registry.k8s.io/{name}:v{version}");
    COMPONENTS.iter().copied().chain(["kube-proxy"]).map(named).collect()
}
