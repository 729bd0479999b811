//! The NoCloud seed: who the node is, where it lives, who may log in, and its host key.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::templates::{RenderError, Templates};
use crate::model::{Lab, Node, cloud_config};

/// The three files of a seed disk. `user_data` holds the host key and is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// `meta-data`.
    pub meta_data: String,
    /// `user-data`.
    pub user_data: String,
    /// `network-config`.
    pub network_config: String,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(<redacted>)")
    }
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    prefix: u8,
    config: Vec<(String, Json)>,
}

/// Renders a node's seed. `host_key` is the OpenSSH private key the node will show, `host_public`
/// its public half, `login` the public key `lab` logs in with.
///
/// # Errors
/// When a template cannot be rendered.
pub fn seed(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    host_key: &str,
    host_public: &str,
    login: &str,
) -> Result<Seed, RenderError> {
    let mut config = base_config(lab, node, host_key, host_public, login);
    cloud_config::merge(&mut config, &node.user_data);
    let config = config.into_iter().collect();
    let data = Data { lab, node, prefix: lab.network.cidr.prefix_len(), config };
    Ok(Seed {
        meta_data: templates.render("cloud-init/meta-data.yaml.j2", &data)?,
        user_data: templates.render("cloud-init/user-data.yaml.j2", &data)?,
        network_config: templates.render("cloud-init/network-config.yaml.j2", &data)?,
    })
}

fn base_config(
    lab: &Lab,
    node: &Node,
    host_key: &str,
    host_public: &str,
    login: &str,
) -> Map<String, Json> {
    let mut keys = vec![login.to_owned()];
    keys.extend(lab.ssh.authorized_keys.iter().cloned());
    let user = json!({
        "name": lab.ssh.user,
        "gecos": "lab",
        "shell": "/bin/bash",
        "lock_passwd": true,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": keys,
    });
    let config = json!({
        "hostname": node.name,
        "fqdn": node.fqdn,
        "prefer_fqdn_over_hostname": false,
        "manage_etc_hosts": false,
        "users": [user],
        "disable_root": true,
        "ssh_pwauth": false,
        "ssh_deletekeys": true,
        "ssh_keys": {"ed25519_private": host_key, "ed25519_public": host_public},
        "no_ssh_fingerprints": true,
    });
    match config {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
