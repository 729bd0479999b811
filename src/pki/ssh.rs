//! SSH keys: one for `lab` itself, one host key per node, all ed25519 and all made here, so that
//! no connection is ever trusted on first use.

use std::collections::BTreeMap;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

use crate::model::Lab;
use crate::pki::certificate::PkiError;

/// The lab's SSH keys in OpenSSH format.
#[derive(Clone, Default)]
pub struct SshKeys {
    /// `lab`'s own private key.
    pub user: String,
    /// Host keys by node name.
    pub hosts: BTreeMap<String, String>,
}

impl std::fmt::Debug for SshKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SshKeys(<redacted>, {} hosts)", self.hosts.len())
    }
}

/// Makes a private key, OpenSSH format.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate_ssh_key() -> Result<String, PkiError> {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)
        .and_then(|key| key.to_openssh(LineEnding::LF))
        .map(|text| text.to_string())
        .map_err(|error| PkiError(format!("make an SSH key: {error}")))
}

impl SshKeys {
    /// Completes the keys for `lab`; returns the nodes that got a new host key, and `user`.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn ensure(&mut self, lab: &Lab) -> Result<Vec<String>, PkiError> {
        let mut made = Vec::new();
        if self.user.is_empty() {
            self.user = generate_ssh_key()?;
            made.push("user".into());
        }
        for node in lab.guests() {
            if !self.hosts.contains_key(&node.name) {
                self.hosts.insert(node.name.clone(), generate_ssh_key()?);
                made.push(node.name.clone());
            }
        }
        Ok(made)
    }

    /// The public half of a private key, one line without comment.
    ///
    /// # Errors
    /// When `private` is not an OpenSSH private key.
    pub fn public(private: &str) -> Result<String, PkiError> {
        let key = PrivateKey::from_openssh(private)
            .map_err(|error| PkiError(format!("read an SSH key: {error}")))?;
        key.public_key().to_openssh().map_err(|error| PkiError(format!("show an SSH key: {error}")))
    }

    /// A known_hosts file that pins every node by name and address.
    ///
    /// # Errors
    /// When a host key cannot be read.
    pub fn known_hosts(&self, lab: &Lab) -> Result<String, PkiError> {
        let mut text = String::new();
        for node in &lab.nodes {
            if let Some(private) = self.hosts.get(&node.name) {
                let public = Self::public(private)?;
                text.push_str(&format!("{},{},{} {public}\n", node.name, node.fqdn, node.address));
            }
        }
        Ok(text)
    }

    /// Keys of the right shape that are markers, see `Bundle::placeholder`.
    pub fn placeholder(lab: &Lab) -> Self {
        let hosts = lab.nodes.iter().map(|n| (n.name.clone(), "<redacted host key>\n".into()));
        Self { user: "<redacted>\n".into(), hosts: hosts.collect() }
    }
}
