//! `lab ssh-config` and `lab inventory`: the nodes for ssh and Ansible.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{print, print_data};
use crate::cli::session::load;
use crate::engine::{ProviderKind, Session};
use crate::model::code;
use crate::render::access::{self, Access};

pub(crate) fn ssh_config(global: &Global) -> Result<ExitCode, Failure> {
    print(&config(&load::session(global)?)?);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    // Ansible reads the configuration when it connects, so it must be a file.
    session.store.write("ssh/config", &config(&session)?)?;
    let path = session.store.path("ssh/config");
    match global.output {
        Format::Json => print_data(&access::inventory_json(&session.lab, &path)),
        Format::Table => print(&access::inventory(&session.lab, &path)),
    }
    Ok(ExitCode::SUCCESS)
}

fn config(session: &Session) -> Result<String, Failure> {
    let (key, known_hosts) =
        (session.store.path("ssh/id_ed25519"), session.store.path("ssh/known_hosts"));
    if !known_hosts.exists() {
        return Err(Failure::usage(format!("the lab '{}' has no nodes yet", session.lab.name))
            .code(&code::NOT_UP)
            .hint("`lab up` makes them"));
    }
    let proxy = match &session.provider {
        ProviderKind::System { .. } | ProviderKind::Existing(_) => None,
        ProviderKind::Private(libvirt) => {
            let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("lab"));
            let words = [program, PathBuf::from("connect"), libvirt.control_socket()];
            Some(words.iter().map(|word| word.display().to_string()).collect())
        }
    };
    let is_existing = matches!(session.provider, ProviderKind::Existing(_));
    let key = if is_existing { session.key_for_machines() } else { Some(key) };
    let access = Access { key: key.as_deref(), known_hosts: &known_hosts, proxy };
    Ok(access::ssh_config(&session.lab, &access))
}
