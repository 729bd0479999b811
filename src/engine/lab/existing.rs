//! The way to machines that are there anyway: who they must be, and as whom we come.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{Algorithm, PublicKey};
use serde::{Deserialize, Serialize};

use crate::drivers::guest::Login;
use crate::drivers::guest::ssh::{Gate, Route, Ssh, Target};
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::model::ssh::Bastion;
use crate::model::{Node, code};
use crate::pki::SshKeys;

/// File of the lab's directory that names machines to be given back.
const LEFT: &str = "leaving.json";

/// How long a bastion may take to let us in.
const BASTION_PATIENCE: Duration = Duration::from_secs(10);

/// A machine that is to be given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    name: String,
    address: Ipv4Addr,
    host_key: Option<String>,
}

impl Left {
    fn of(node: &Node) -> Self {
        let Node { name, address, host_key, .. } = node.clone();
        Self { name, address, host_key }
    }

    /// As a node: what it was else is nowhere said, and nobody needs it.
    fn node(&self, like: &Node) -> Node {
        let Self { name, address, host_key } = self.clone();
        let fqdn = like.fqdn.replacen(&like.name, &name, 1);
        Node { name, address, host_key, fqdn, ..like.clone() }
    }
}

impl Session {
    /// A machine over SSH, with the patience given.
    ///
    /// # Errors
    /// When nobody says which host key it has: nothing is trusted on first use.
    pub(crate) fn ssh_to_existing(
        &self,
        node: &Node,
        patience: Duration,
    ) -> Result<Ssh, EngineError> {
        Ok(Ssh::new(Target {
            node: node.name.clone(),
            address: SocketAddr::from((node.address, self.lab.ssh.existing.port)),
            route: self.route_to_existing()?,
            user: self.lab.ssh.user.clone(),
            login: self.login_to_existing(),
            host_keys: self.host_keys(node)?,
            patience,
        }))
    }

    /// The way to all machines, for somebody who does not wait long for those that are off.
    ///
    /// # Errors
    /// Never: machines that nobody vouches for do not answer.
    pub fn way_to_machines(&self) -> Result<Reach, EngineError> {
        let machines = self.lab.machines().chain(&self.leaving);
        // Keys of guests, which may be damaged, open none of them.
        self.reach_some(machines, &SshKeys::default(), self.timeouts().glance())
    }

    /// The public host keys that a machine may show, OpenSSH format; never none.
    ///
    /// # Errors
    /// When nobody says them.
    pub(crate) fn host_keys(&self, node: &Node) -> Result<Vec<String>, EngineError> {
        if let Some(key) = &node.host_key {
            return Ok(vec![key.clone()]);
        }
        let port = self.lab.ssh.existing.port;
        let address = node.address.to_string();
        let keys = self.known_keys(&[&address, &node.fqdn, &node.name], port)?;
        match keys.is_empty() {
            false => Ok(keys),
            true => Err(self.unknown(&format!("existing machine {}", node.name), &address, port)),
        }
    }

    /// What known_hosts has of a server with these names.
    fn known_keys(&self, names: &[&str], port: u16) -> Result<Vec<String>, EngineError> {
        let file = self.known_hosts();
        let mut keys: Vec<PublicKey> = Vec::new();
        for name in names {
            let found = known_host_keys_path(name, port, &file).map_err(|error| {
                let text = format!("read the host key of {name}: {}: {error}", file.display());
                EngineError::of(&code::NO_HOST_KEY, text).preflight()
            })?;
            keys.extend(found.into_iter().map(|(_, key)| key).filter(is_usable));
        }
        Ok(keys.iter().filter_map(|key| key.to_openssh().ok()).collect())
    }

    /// The way to machines: one connection to the bastion serves all, where there is one.
    pub(crate) fn route_to_existing(&self) -> Result<Route, EngineError> {
        let Some(bastion) = &self.lab.ssh.existing.bastion else { return Ok(Route::Direct) };
        if let Some(gate) = self.gate.get() {
            return Ok(Route::Through(Arc::clone(gate) as Arc<dyn Gate>));
        }
        let Bastion { host, user, port, host_key } = bastion;
        let host_keys = match host_key {
            Some(key) => vec![key.clone()],
            None => self.known_keys(&[host], *port)?,
        };
        if host_keys.is_empty() {
            return Err(self.unknown(&format!("bastion {host}"), host, *port));
        }
        let found = (host.as_str(), *port).to_socket_addrs().map(|mut all| all.next());
        let unfound = |why: String| {
            let text = format!("find the bastion {host}: {why}");
            EngineError::of(&code::UNREACHABLE, text).hint("is `bastion.host` right?").preflight()
        };
        let address = found.map_err(|error| unfound(error.to_string()))?;
        let gate = Arc::new(Ssh::new(Target {
            node: format!("{host} (the bastion)"),
            address: address.ok_or_else(|| unfound("it has no address".into()))?,
            route: Route::Direct,
            user: user.clone(),
            login: self.login_to_existing(),
            host_keys,
            patience: BASTION_PATIENCE,
        }));
        let gate = self.gate.get_or_init(|| gate);
        Ok(Route::Through(Arc::clone(gate) as Arc<dyn Gate>))
    }

    fn login_to_existing(&self) -> Login {
        match self.key_for_machines() {
            Some(key) => Login::File(key),
            None => Login::Person(self.dirs.ssh.clone()),
        }
    }

    /// Refuses a machine that has another address than before: it may be another machine, and the one before would
    /// stay as it is.
    pub(crate) fn refuse_moved(&self) -> Result<(), EngineError> {
        let Some(before) = self.before()? else { return Ok(()) };
        let moved = self.lab.machines().find_map(|node| {
            let old = before.machines().find(|old| old.name == node.name)?;
            (old.address != node.address).then_some((node, old.address))
        });
        let Some((node, old)) = moved else { return Ok(()) };
        let text = format!(
            "move {} from {old} to {}: an existing machine has the address that it has",
            node.name, node.address
        );
        Err(EngineError::of(&code::CONFLICT, text)
            .hint("give the new machine another name, and take the old one out of the topology")
            .preflight())
    }

    /// Machines that were nodes, and are none by this topology.
    pub(crate) fn machines_that_left(&self) -> Result<Vec<Node>, EngineError> {
        let is_node = |left: &Left| self.lab.node(&left.name).is_some();
        let mut all: Vec<Left> = self.left()?.into_iter().filter(|left| !is_node(left)).collect();
        if let Some(before) = self.before()? {
            for node in before.machines() {
                let left = Left::of(node);
                if !is_node(&left) && !all.contains(&left) {
                    all.push(left);
                }
            }
        }
        let pattern = self.lab.nodes.first();
        Ok(pattern.map(|node| all.iter().map(|left| left.node(node)).collect()).unwrap_or_default())
    }

    /// Writes down which machines are to be given back, before the topology forgets them.
    pub(crate) fn remember_machines_that_left(&self) -> Result<(), EngineError> {
        match self.leaving.as_slice() {
            [] => Ok(()),
            leaving => self.save_left(&leaving.iter().map(Left::of).collect::<Vec<_>>()),
        }
    }

    /// One of them was given back.
    pub(crate) fn forget_machine(&self, name: &str) -> Result<(), EngineError> {
        let mut left = self.left()?;
        left.retain(|left| left.name != name);
        self.save_left(&left)
    }

    fn left(&self) -> Result<Vec<Left>, EngineError> {
        let text = self.store.read(LEFT)?.unwrap_or_else(|| "[]".into());
        serde_json::from_str(&text).map_err(|error| {
            let path = self.store.path(LEFT);
            EngineError::of(&code::COMPUTER, format!("read {}: {error}", path.display()))
        })
    }

    fn save_left(&self, left: &[Left]) -> Result<(), EngineError> {
        let text = serde_json::to_string_pretty(left).unwrap_or_default();
        Ok(self.store.write(LEFT, &text)?)
    }

    fn unknown(&self, what: &str, address: &str, port: u16) -> EngineError {
        let file = self.known_hosts();
        let text = format!(
            "reach the {what}: nobody says which host key it has, neither `host_key` nor {}",
            file.display()
        );
        EngineError::of(&code::NO_HOST_KEY, text)
            .hint(format!(
                "`ssh-keyscan -t ed25519 -p {port} {address}` shows one; compare it with /etc/ssh/ssh_host_ed25519_key.pub on the machine, then write it as `host_key`, or log in once by `ssh`"
            ))
            .preflight()
    }

    /// A known_hosts file for other programs: guests by their keys, machines by those that they may show.
    pub(crate) fn known_to_others(&self, keys: &SshKeys) -> Result<String, EngineError> {
        let mut text = keys.known_hosts(&self.lab)?;
        let port = self.lab.ssh.existing.port;
        for node in self.lab.machines() {
            let names = [node.name.clone(), node.fqdn.clone(), node.address.to_string()];
            let names = names.map(|name| match port {
                22 => name,
                port => format!("[{name}]:{port}"),
            });
            for key in self.host_keys(node).unwrap_or_default() {
                text.push_str(&format!("{} {key}\n", names.join(",")));
            }
        }
        Ok(text)
    }

    /// The person's own key for machines, where the topology names one.
    pub fn key_for_machines(&self) -> Option<PathBuf> {
        self.lab.ssh.existing.key.as_ref().map(|key| self.base.join(key))
    }

    /// The file that knows host keys of machines.
    pub fn known_hosts(&self) -> PathBuf {
        match &self.lab.ssh.existing.known_hosts {
            Some(file) => self.base.join(file),
            None => self.dirs.ssh.join("known_hosts"),
        }
    }
}

/// What we can check a server's word by.
fn is_usable(key: &PublicKey) -> bool {
    matches!(key.algorithm(), Algorithm::Ed25519 | Algorithm::Ecdsa { .. })
}
