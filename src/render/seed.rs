//! The NoCloud seed: who the node is, where it lives, who may log in, and its host key.

use minijinja::Value;
use serde::Serialize;
use serde_json::json;

use crate::model::user_data::Document;
use crate::model::{Lab, Node, UserData};
use crate::render::golden;
use crate::render::multipart;
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
    /// Whom the node asks for names.
    nameservers: Vec<String>,
    /// What cloud-init knows this guest by: a disk of somebody's own may remember the node's id.
    instance: String,
    /// Keys and values of cloud-config, as they stand in YAML.
    config: Vec<(Value, Value)>,
}

impl<'a> Data<'a> {
    fn new(lab: &'a Lab, node: &'a Node, config: &UserData, own: Option<&str>) -> Self {
        let line = |text: String| Value::from_safe_string(text);
        let entries = config.config.iter();
        let config = entries.map(|(key, value)| (line(key.line()), line(value.line())));
        let instance = match own.and_then(|digest| digest.get(..12)) {
            Some(digest) => format!("{}-{digest}", node.uuid),
            None => node.uuid.to_string(),
        };
        let prefix = lab.network.cidr.prefix_len();
        let servers = lab.network.nameservers().into_iter();
        let nameservers = servers.map(|server| server.to_string()).collect();
        Self { lab, node, prefix, nameservers, instance, config: config.collect() }
    }
}

/// Renders a node's seed. `host_key` is the OpenSSH private key the node will show, `host_public`
/// its public half, `login` the public key `lab` logs in with. `own` is the digest of the image where that is a
/// person's own.
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
    own: Option<&str>,
) -> Result<Seed, RenderError> {
    let mut config = base_config(lab, node, host_key, host_public, login);
    config.add(&own_identity(node, own));
    config.add(&node.user_data);
    let data = Data::new(lab, node, &config, own);
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
    let cloud_config = templates.render("cloud-init/user-data.yaml.j2", &data)?;
    Ok(Seed {
        meta_data: templates.render("cloud-init/meta-data.yaml.j2", &data)?,
        user_data: multipart::with_scripts(cloud_config, &config.scripts),
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
    own: Option<&str>,
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
    let mut config = user_data(&config);
    config.add(&own_identity(node, own));
    let data = Data::new(lab, node, &config, own);
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

fn base_config(lab: &Lab, node: &Node, host_key: &str, host_public: &str, login: &str) -> UserData {
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
    user_data(&config)
}

/// A disk of somebody's own: each copy gets the machine id that systemd would make of its domain's, once, and
/// forgets what lab told another node. What was done is known by the image: a copy of this node is another one's.
fn own_identity(node: &Node, own: Option<&str>) -> UserData {
    let Some(digest) = own else { return UserData::default() };
    let done = format!("lab-identity-{}", digest.get(..12).unwrap_or(digest));
    let once = ["cloud-init-per", "once", &done, "sh", "-c"];
    let id = node.uuid.simple().to_string();
    let words = [include_str!("../../cloud-init/identity.sh"), "identity", &id];
    user_data(&json!({"bootcmd": [once.iter().chain(&words).collect::<Vec<_>>()]}))
}

fn user_data(config: &serde_json::Value) -> UserData {
    let config = match Document::from(config) {
        Document::Map(entries) => entries,
        _ => Vec::new(),
    };
    UserData { config, scripts: Vec::new() }
}
