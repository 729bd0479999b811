//! The NoCloud seed: who the node is, where it lives, who may log in, and its host key.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::model::topology::cloud_config;
use crate::model::{Lab, Node};
use crate::render::golden;
use crate::render::templates::{RenderError, Templates};

/// The files of a seed disk. `user_data` and `personality` hold the host key and are secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// `meta-data`.
    pub meta_data: String,
    /// `user-data`.
    pub user_data: String,
    /// `network-config`.
    pub network_config: String,
    /// Files of the directory `lab`, by name: the same facts for a copy of a golden guest, in which
    /// cloud-init does not run again. What reads them is `cloud-init/golden/personality.sh`.
    pub personality: Vec<(&'static str, String)>,
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
    let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
    let personality = vec![
        ("hostname", format!("{}\n", node.name)),
        // What systemd makes of the domain's id when it boots for the first time.
        ("machine-id", format!("{}\n", node.uuid.simple())),
        ("product_uuid", format!("{}\n", node.uuid)),
        ("user", format!("{}\n", lab.ssh.user)),
        ("authorized_keys", lines(&logins(lab, login))),
        ("host_key", host_key.to_owned()),
        ("host_key.pub", format!("{host_public}\n")),
        ("network", templates.render("cloud-init/golden/network.j2", &data)?),
    ];
    Ok(Seed {
        meta_data: templates.render("cloud-init/meta-data.yaml.j2", &data)?,
        user_data: templates.render("cloud-init/user-data.yaml.j2", &data)?,
        network_config: templates.render("cloud-init/network-config.yaml.j2", &data)?,
        personality,
    })
}

/// Renders the seed of a golden guest: at the end of its boot it waits for a seed of a node.
/// `host_key` is one that it loses then.
///
/// # Errors
/// When a template cannot be rendered.
pub fn golden_seed(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    host_key: &str,
    host_public: &str,
) -> Result<Seed, RenderError> {
    let config = json!({
        "users": [],
        "ssh_deletekeys": true,
        "ssh_keys": {"ed25519_private": host_key, "ed25519_public": host_public},
        "no_ssh_fingerprints": true,
        "write_files": [
            {"path": "/run/lab/golden/personality.sh", "content": golden::PERSONALITY},
            {"path": "/run/lab/golden/wait.sh", "content": golden::WAIT},
        ],
        "runcmd": [["sh", "-c", golden::BEGIN]],
    });
    let config = config.as_object().cloned().unwrap_or_default().into_iter().collect();
    let data = Data { lab, node, prefix: lab.network.cidr.prefix_len(), config };
    Ok(Seed {
        meta_data: templates.render("cloud-init/meta-data.yaml.j2", &data)?,
        user_data: templates.render("cloud-init/user-data.yaml.j2", &data)?,
        network_config: "version: 2\nethernets: {}\n".into(),
        personality: Vec::new(),
    })
}

/// Keys that may log in.
fn logins(lab: &Lab, login: &str) -> Vec<String> {
    let own = std::iter::once(login.to_owned());
    own.chain(lab.ssh.authorized_keys.iter().cloned()).collect()
}

fn base_config(
    lab: &Lab,
    node: &Node,
    host_key: &str,
    host_public: &str,
    login: &str,
) -> Map<String, Json> {
    let user = json!({
        "name": lab.ssh.user,
        "gecos": "lab",
        "shell": "/bin/bash",
        "lock_passwd": true,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": logins(lab, login),
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
