//! How nodes are logged in to.

use serde::Serialize;

/// How people and `lab` log in.
#[derive(Clone, Debug, Serialize)]
pub struct Ssh {
    /// Login name on the nodes.
    pub user: String,
    /// Keys of people who may log in besides `lab`.
    pub authorized_keys: Vec<String>,
    /// Of machines that are there anyway: how `lab` logs in.
    #[serde(skip)]
    pub existing: SshOfExisting,
}

/// How `lab` logs in to machines that are there anyway.
#[derive(Clone, Debug)]
pub struct SshOfExisting {
    /// Where their SSH servers listen.
    pub port: u16,
    /// A private key's file, relative to the topology's folder; the agent's keys and those of the person's
    /// own folder without.
    pub key: Option<String>,
    /// A file of host keys, likewise; the person's own without.
    pub known_hosts: Option<String>,
    /// A machine through which they are reached.
    pub bastion: Option<Bastion>,
}

/// A machine that leads to others by SSH.
#[derive(Clone, Debug)]
pub struct Bastion {
    /// Its name or address.
    pub host: String,
    /// Login name.
    pub user: String,
    /// Where its SSH server listens.
    pub port: u16,
    /// Its public host key; `None` where a known_hosts file says it.
    pub host_key: Option<String>,
}
