//! What a change is done to.

use schemars::JsonSchema;
use serde::Serialize;

// Whoever carries changes out matches all of them: a new one does not compile until somebody knows what to
// do about it.
/// What a change is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// What runs the guests, where it is the lab's own.
    Provider,
    /// Providers in which golden guests were being made.
    Builders,
    /// A certificate.
    Certificate,
    /// The lab's storage pool.
    Pool,
    /// The lab's network.
    Network,
    /// The computer's routes to pods.
    Routes,
    /// The way out of a private provider.
    Uplink,
    /// A volume, shared or a node's own.
    Volume,
    /// A node's domain.
    Domain,
    /// A machine that is there anyway, as a node.
    Machine,
    /// A stage on a node.
    Stage,
    /// The lab's block in the computer's hosts file.
    HostsBlock,
    /// The lab in somebody's kubeconfig.
    Context,
    /// The lab's directory: keys, certificates, logs.
    Files,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Object::Provider => "provider",
            Object::Builders => "builders",
            Object::Certificate => "certificate",
            Object::Pool => "pool",
            Object::Network => "network",
            Object::Routes => "routes",
            Object::Uplink => "uplink",
            Object::Volume => "volume",
            Object::Domain => "domain",
            Object::Machine => "machine",
            Object::Stage => "stage",
            Object::HostsBlock => "hosts-block",
            Object::Context => "context",
            Object::Files => "files",
        })
    }
}
