//! The way to a lab's nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::drivers::guest::ssh::{Ssh, Target};
use crate::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
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
            key: keys.user.clone(),
            host_key: SshKeys::public(host_key)?,
            patience,
        }))
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
        let known = |node: &&Node| keys.hosts.contains_key(&node.name);
        self.reach_some(self.lab.nodes.iter().filter(known), &keys, self.timeouts().glance())
            .map(Some)
    }

    /// The way to all nodes.
    ///
    /// # Errors
    /// As [`Session::ssh`].
    pub fn reach(&self, keys: &SshKeys, patience: Duration) -> Result<Reach, EngineError> {
        self.reach_some(self.lab.nodes.iter(), keys, patience)
    }

    fn reach_some<'n>(
        &self,
        some: impl Iterator<Item = &'n Node>,
        keys: &SshKeys,
        patience: Duration,
    ) -> Result<Reach, EngineError> {
        let mut nodes: BTreeMap<String, Arc<dyn Guest>> = BTreeMap::new();
        for node in some {
            nodes.insert(node.name.clone(), Arc::new(self.ssh(node, keys, patience)?));
        }
        Ok(Arc::new(move |node: &Node| {
            nodes.get(&node.name).cloned().unwrap_or_else(|| Arc::new(Nobody(node.name.clone())))
        }))
    }
}

/// Stands for a node that the session was not opened with.
struct Nobody(String);

impl Nobody {
    fn fail<T: Send + Sync + 'static>(&self) -> Answer<'_, T> {
        let error = GuestError::new(format!("reach node {}: the lab has no such node", self.0));
        Box::pin(std::future::ready(Err(error)))
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
