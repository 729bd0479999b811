//! What a node is for.

use serde::Serialize;

/// A node's job in the cluster; a node may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A member of the etcd cluster.
    Etcd,
    /// API server, controller manager and scheduler.
    ControlPlane,
    /// Runs pods.
    Worker,
    /// Takes traffic from outside.
    LoadBalancer,
}

/// Every role, in the order a lab comes up.
pub const ROLES: &[Role] = &[Role::Etcd, Role::ControlPlane, Role::Worker, Role::LoadBalancer];

impl Role {
    /// The name used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Etcd => "etcd",
            Role::ControlPlane => "control-plane",
            Role::Worker => "worker",
            Role::LoadBalancer => "load-balancer",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Role> {
        ROLES.iter().copied().find(|role| role.name() == text)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
