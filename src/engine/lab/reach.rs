//! The way to a lab's nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::drivers::guest::ssh::{Route, Ssh, Target};
use crate::drivers::guest::{Answer, Guest, GuestError, Login, Output, Put, Reply};
use crate::drivers::provider::Provider;
use crate::engine::lab::open::Session;
use crate::engine::task::error::EngineError;
use crate::model::{Node, code};
use crate::pki::SshKeys;

/// Opens the way to a lab's nodes anew, by the keys in its directory.
pub type Again = fn(&Session) -> Result<Reach, EngineError>;

/// How the nodes of a lab are reached; tests put memory here.
pub type Reach = Arc<dyn Fn(&Node) -> Arc<dyn Guest> + Send + Sync>;

/// What the engine works with: where nodes stand, and how they are reached.
#[derive(Clone)]
pub struct Drivers {
    /// Where nodes stand.
    pub provider: Arc<dyn Provider>,
    /// How nodes are reached.
    pub reach: Reach,
    /// How they are reached after the lab's keys were exchanged; `None` where that changes nothing.
    pub again: Option<Again>,
}

impl std::fmt::Debug for Drivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Drivers({})", self.provider.uri())
    }
}

impl Session {
    /// Nodes over SSH, with the patience given.
    ///
    /// # Errors
    /// When a key is missing or unreadable.
    pub fn ssh(&self, node: &Node, keys: &SshKeys, patience: Duration) -> Result<Ssh, EngineError> {
        if !node.machine.is_guest() {
            return self.ssh_to_existing(node, patience);
        }
        let Some(host_key) = keys.hosts.get(&node.name) else {
            return Err(EngineError::of(
                &code::NOT_UP,
                format!("reach node {}: it has no host key here", node.name),
            )
            .hint("is the lab up? `lab status`"));
        };
        Ok(Ssh::new(Target {
            node: node.name.clone(),
            address: SocketAddr::from((node.address, 22)),
            route: self.provider.route(),
            user: self.lab.ssh.user.clone(),
            login: Login::Key(keys.user.clone()),
            host_keys: vec![SshKeys::public(host_key)?],
            patience,
        }))
    }

    /// The way into the nodes' network.
    ///
    /// # Errors
    /// When nobody knows the bastion.
    pub fn route(&self) -> Result<Route, EngineError> {
        match self.lab.machines().next() {
            Some(_) => self.route_to_existing(),
            None => Ok(self.provider.route()),
        }
    }

    /// The way to the nodes for somebody who only looks; `None` before there are keys. A node without
    /// a key of its own was never made and does not answer.
    ///
    /// # Errors
    /// When a key is unreadable.
    pub(crate) fn glance(&self) -> Result<Option<Reach>, EngineError> {
        let keys = self.load_keys()?;
        if keys.user.is_empty() {
            return Ok(None);
        }
        self.made_by(&keys, self.timeouts().glance()).map(Some)
    }

    /// The way to the nodes that were made; the others do not answer.
    ///
    /// # Errors
    /// When a key is unreadable.
    pub fn reach_made(&self, patience: Duration) -> Result<Reach, EngineError> {
        self.made_by(&self.load_keys()?, patience)
    }

    fn made_by(&self, keys: &SshKeys, patience: Duration) -> Result<Reach, EngineError> {
        let made = |node: &&Node| !node.machine.is_guest() || keys.hosts.contains_key(&node.name);
        self.reach_some(self.everybody().filter(made), keys, patience)
    }

    /// The way to all nodes.
    ///
    /// # Errors
    /// As [`Session::ssh`].
    pub fn reach(&self, keys: &SshKeys, patience: Duration) -> Result<Reach, EngineError> {
        self.reach_some(self.everybody(), keys, patience)
    }

    /// All nodes, and machines that are to be given back.
    fn everybody(&self) -> impl Iterator<Item = &Node> {
        self.lab.nodes.iter().chain(&self.leaving)
    }

    pub(crate) fn reach_some<'n>(
        &self,
        some: impl Iterator<Item = &'n Node>,
        keys: &SshKeys,
        patience: Duration,
    ) -> Result<Reach, EngineError> {
        let mut nodes: BTreeMap<String, Arc<dyn Guest>> = BTreeMap::new();
        for node in some {
            let guest: Arc<dyn Guest> = match self.ssh(node, keys, patience) {
                Ok(ssh) => Arc::new(ssh),
                // One that nobody vouches for is as good as silent; `up` refuses it before it begins.
                Err(error) if !node.machine.is_guest() => Arc::new(Nobody(unknown(error))),
                Err(error) => return Err(error),
            };
            nodes.insert(node.name.clone(), guest);
        }
        Ok(Arc::new(move |node: &Node| {
            nodes.get(&node.name).cloned().unwrap_or_else(|| {
                let text = format!("reach node {}: the lab has no such node", node.name);
                Arc::new(Nobody(GuestError::new(text)))
            })
        }))
    }
}

fn unknown(error: EngineError) -> GuestError {
    let EngineError { code, message, hint, .. } = error;
    GuestError { code, message, hint, retry: false }
}

/// Stands for a node that cannot be reached, and says why.
struct Nobody(GuestError);

impl Nobody {
    fn fail<T: Send + Sync + 'static>(&self) -> Answer<'_, T> {
        Box::pin(std::future::ready(Err(self.0.clone())))
    }
}

impl Guest for Nobody {
    fn run<'a>(&'a self, _script: &'a str) -> Answer<'a, Output> {
        self.fail()
    }

    fn talk<'a>(&'a self, _script: &'a str, _reply: &'a Reply<'a>) -> Answer<'a, Output> {
        self.fail()
    }

    fn put<'a>(&'a self, _items: &'a [Put]) -> Answer<'a, ()> {
        self.fail()
    }
}
