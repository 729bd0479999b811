//! What a node is for.

use serde::Serialize;

use crate::model::word::words;

words! {
    /// A node's job in the cluster; a node may have several.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
    pub enum Role {
        /// A member of the etcd cluster.
        Etcd = "etcd",
        /// API server, controller manager and scheduler.
        ControlPlane = "control-plane",
        /// Runs pods.
        Worker = "worker",
        /// Takes traffic from outside.
        LoadBalancer = "load-balancer",
    }
}

/// Every role, in the order a lab comes up.
pub const ROLES: &[Role] = Role::ALL;

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
