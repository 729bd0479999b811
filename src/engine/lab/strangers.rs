//! Machines whose host keys nobody knows yet.

use std::net::SocketAddr;

use russh::keys::known_hosts::learn_known_hosts_path;
use russh::keys::{HashAlg, PublicKey};

use crate::drivers::guest;
use crate::engine::lab::open::Session;
use crate::engine::task::error::EngineError;
use crate::model::{Node, code};

/// The host key that a machine shows.
#[derive(Debug)]
pub struct ShownKey {
    /// For people, as ssh-keygen prints it.
    pub fingerprint: String,
    key: PublicKey,
}

impl Session {
    /// Machines whose host keys nobody knows.
    pub fn strangers(&self) -> Vec<&Node> {
        let is_stranger = |node: &&Node| {
            self.host_keys(node).is_err_and(|error| *error.code == code::NO_HOST_KEY)
        };
        self.lab.machines().filter(is_stranger).collect()
    }

    /// The host key that a machine shows now; nothing says that it is the right one.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn shown_key(&self, node: &Node) -> Result<ShownKey, EngineError> {
        let address = SocketAddr::from((node.address, self.lab.ssh.existing.port));
        let key = guest::shown_key(&self.route()?, address).await?;
        let name = key.algorithm().to_string();
        let fingerprint = format!("{} ({name})", key.fingerprint(HashAlg::Sha256));
        Ok(ShownKey { fingerprint, key })
    }

    /// A person said that it is the right one: it is written to the file of known hosts.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn acquaint(&self, node: &Node, shown: &ShownKey) -> Result<(), EngineError> {
        let (file, port) = (self.known_hosts(), self.lab.ssh.existing.port);
        self.hit("write a host key")?;
        let learnt = learn_known_hosts_path(&node.address.to_string(), port, &shown.key, &file);
        learnt.map_err(|error| {
            EngineError::of(&code::COMPUTER, format!("write {}: {error}", file.display()))
        })
    }
}
