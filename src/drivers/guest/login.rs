//! Logging in to a node: by the key that `lab` has there, or by a person's own keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::Handle;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, load_secret_key};

use crate::drivers::guest::pinned::Pinned;

/// By which key we log in.
#[derive(Clone)]
pub enum Login {
    /// This private key of `lab`'s, OpenSSH format.
    Key(String),
    /// The private key in this file of a person's.
    File(PathBuf),
    /// Whatever the person's SSH agent has, else the keys in this folder.
    Person(PathBuf),
}

/// Names that ssh itself looks for in a person's folder.
const NAMES: &[&str] = &["id_ed25519", "id_ecdsa"];

/// Why nobody was let in.
pub(super) enum Refused {
    /// By the server.
    ByServer,
    /// Here, before the server was asked.
    Here(String),
    /// The connection was lost.
    Lost(russh::Error),
}

impl From<russh::Error> for Refused {
    fn from(error: russh::Error) -> Self {
        Self::Lost(error)
    }
}

impl Login {
    /// Logs in as `user`.
    pub(super) async fn log_in(
        &self,
        handle: &mut Handle<Pinned>,
        user: &str,
    ) -> Result<(), Refused> {
        let is_let_in = match self {
            Self::Key(key) => {
                let key = PrivateKey::from_openssh(key)
                    .map_err(|error| Refused::Here(error.to_string()))?;
                by_key(handle, user, key).await?
            }
            Self::File(path) => by_key(handle, user, read(path)?).await?,
            Self::Person(folder) => by_person(handle, user, folder).await?,
        };
        if is_let_in { Ok(()) } else { Err(Refused::ByServer) }
    }
}

async fn by_key(
    handle: &mut Handle<Pinned>,
    user: &str,
    key: PrivateKey,
) -> Result<bool, russh::Error> {
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    Ok(handle.authenticate_publickey(user, key).await?.success())
}

/// The agent's keys first, as ssh does.
async fn by_person(
    handle: &mut Handle<Pinned>,
    user: &str,
    folder: &Path,
) -> Result<bool, Refused> {
    let mut tried = 0;
    if let Ok(mut agent) = AgentClient::connect_env().await {
        for identity in agent.request_identities().await.unwrap_or_default() {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            let hash = match key.algorithm().is_rsa() {
                true => handle.best_supported_rsa_hash().await?.flatten(),
                false => None,
            };
            tried += 1;
            let asked = handle.authenticate_publickey_with(user, key, hash, &mut agent).await;
            if asked.is_ok_and(|result| result.success()) {
                return Ok(true);
            }
        }
    }
    let mut unread = None;
    for path in NAMES.iter().map(|name| folder.join(name)).filter(|path| path.is_file()) {
        match read(&path) {
            Ok(key) => {
                tried += 1;
                if by_key(handle, user, key).await? {
                    return Ok(true);
                }
            }
            Err(why) => unread = Some(why),
        }
    }
    match (unread, tried) {
        (Some(why), 0) => Err(why),
        (None, 0) => Err(Refused::Here(format!(
            "there is no key: neither has an SSH agent one, nor {}",
            folder.display()
        ))),
        _ => Ok(false),
    }
}

fn read(path: &Path) -> Result<PrivateKey, Refused> {
    load_secret_key(path, None).map_err(|error| {
        let why = match error {
            russh::keys::Error::KeyIsEncrypted => {
                "it has a passphrase: `ssh-add` it to an SSH agent, and leave `key` away".into()
            }
            other => other.to_string(),
        };
        Refused::Here(format!("the private key {} cannot be used: {why}", path.display()))
    })
}
