//! How other programs reach the nodes: an OpenSSH configuration and an Ansible inventory.

use std::path::Path;

use crate::model::Lab;
use crate::model::role::ROLES;
use crate::model::ssh::Bastion;
use crate::render::shell::quote;

/// Where the lab's SSH files are, and the way to a network that this computer is not part of.
#[derive(Debug)]
pub struct Access<'a> {
    /// The private key; those of the person where it is `None`.
    pub key: Option<&'a Path>,
    /// The nodes' host keys.
    pub known_hosts: &'a Path,
    /// Program and arguments that connect their standard streams with a node; host and port are added.
    pub proxy: Option<Vec<String>>,
}

/// An OpenSSH configuration: every node by its names and address, host keys pinned.
pub fn ssh_config(lab: &Lab, access: &Access<'_>) -> String {
    let mut text = format!("# lab {}\n", lab.name);
    let identity = access.key.map_or_else(String::new, |key| {
        let key = word(&key.display().to_string());
        format!("    IdentityFile {key}\n    IdentitiesOnly yes\n")
    });
    for node in &lab.nodes {
        text.push_str(&format!(
            "Host {} {} {} {}\n    HostName {}\n    User {}\n{}    \
             UserKnownHostsFile {}\n    GlobalKnownHostsFile none\n    StrictHostKeyChecking yes\n    \
             PasswordAuthentication no\n",
            node.name,
            node.fqdn,
            node.domain,
            node.address,
            node.address,
            lab.ssh.user,
            identity,
            word(&access.known_hosts.display().to_string()),
        ));
        if !node.machine.is_guest() {
            text.push_str(&format!("    Port {}\n", lab.ssh.existing.port));
            if let Some(Bastion { host, user, port, .. }) = &lab.ssh.existing.bastion {
                text.push_str(&format!("    ProxyJump {user}@{host}:{port}\n"));
            }
        }
        if let Some(proxy) = &access.proxy {
            let words: Vec<String> = proxy.iter().map(|part| percent(&quote(part))).collect();
            text.push_str(&format!("    ProxyCommand {} %h %p\n", words.join(" ")));
        }
    }
    text
}

/// A value of a configuration file: quoted, and nothing in it expanded.
fn word(value: &str) -> String {
    format!("\"{}\"", percent(value))
}

fn percent(value: &str) -> String {
    value.replace('%', "%%")
}

/// An Ansible inventory: nodes by role, reached by the OpenSSH configuration at `config`.
pub fn inventory(lab: &Lab, config: &Path) -> String {
    let mut text = String::new();
    for node in &lab.nodes {
        text.push_str(&format!("{} ansible_host={}\n", node.name, node.address));
    }
    for role in ROLES {
        let names: Vec<&str> = lab.with_role(*role).map(|node| node.name.as_str()).collect();
        if !names.is_empty() {
            text.push_str(&format!("\n[{}]\n{}\n", group(role.name()), names.join("\n")));
        }
    }
    let arguments = format!("-F {}", quote(&config.display().to_string()));
    text.push_str(&format!(
        "\n[all:vars]\nansible_user={}\nansible_ssh_common_args={arguments:?}\n\
         ansible_python_interpreter=auto_silent\n",
        lab.ssh.user
    ));
    text
}

/// The same for programs: Ansible's own JSON, as a dynamic inventory prints it.
pub fn inventory_json(lab: &Lab, config: &Path) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    for role in ROLES {
        let names: Vec<&str> = lab.with_role(*role).map(|node| node.name.as_str()).collect();
        if !names.is_empty() {
            all.insert(group(role.name()), serde_json::json!({"hosts": names}));
        }
    }
    let hosts: serde_json::Map<String, serde_json::Value> = lab
        .nodes
        .iter()
        .map(|node| (node.name.clone(), serde_json::json!({"ansible_host": node.address})))
        .collect();
    all.insert(
        "all".into(),
        serde_json::json!({
            "hosts": lab.nodes.iter().map(|node| &node.name).collect::<Vec<_>>(),
            "vars": {
                "ansible_user": lab.ssh.user,
                "ansible_ssh_common_args": format!("-F {}", quote(&config.display().to_string())),
                "ansible_python_interpreter": "auto_silent",
            }
        }),
    );
    all.insert("_meta".into(), serde_json::json!({"hostvars": hosts}));
    serde_json::Value::Object(all)
}

/// Group names of Ansible are identifiers.
fn group(role: &str) -> String {
    role.replace('-', "_")
}
