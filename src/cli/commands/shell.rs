//! `lab shell`: a shell, or one command, in the lab's network, with kubectl configured.

use std::process::{Command, ExitCode};

use crate::cli::args::Shell;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::info;
use crate::cli::session::load;
use crate::engine::{ProviderKind, Session};

pub(crate) fn run(global: &Global, arguments: &Shell) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    load::refuse_resting(&session)?;
    let text = crate::engine::administrator_kubeconfig(&session, None)?;
    session.store.write("kubeconfig", &text)?;
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
    let words = match arguments.command.as_slice() {
        [] => vec![shell],
        words => words.to_vec(),
    };
    if arguments.command.is_empty() && !global.quiet {
        info(&format!("in the network of the lab '{}'; exit leaves it", session.lab.name));
    }
    let mut command = inside(&session, &words)?;
    command.env("KUBECONFIG", session.store.path("kubeconfig")).env("LAB_NAME", &session.lab.name);
    if let Some(dir) = session.client_dir() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(dir).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(all).unwrap_or(path));
    }
    let failed =
        |error: std::io::Error| Failure::failed(format!("run {}: {error}", words.join(" ")));
    let status = command.status().map_err(failed)?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(255)).unwrap_or(255)))
}

/// The command, where the lab's addresses are reached.
fn inside(session: &Session, words: &[String]) -> Result<Command, Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::usage("there is no command"));
    };
    let ProviderKind::Private(libvirt) = &session.provider else {
        let mut command = Command::new(program);
        command.args(arguments);
        return Ok(command);
    };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("enter the lab's network: {error}"))
    };
    let pid = libvirt.first_process().map_err(|error| failed(&error))?;
    let own = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(own);
    command.arg("engine-inside").arg(pid.to_string()).arg(program).args(arguments);
    Ok(command)
}
