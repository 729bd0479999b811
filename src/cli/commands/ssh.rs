//! `lab ssh`: a shell on a node, or one command.

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::cli::args::Ssh;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::remote::{Input, command_line, execute};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::known_node;

pub(crate) fn run(global: &Global, ssh: &Ssh) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let node = known_node(&session.lab, &ssh.node)?;
    load::refuse_new(&session)?;
    let command = (!ssh.command.is_empty()).then(|| command_line(&ssh.command));
    let interactive = command.is_none() && std::io::stdin().is_terminal();
    runtime()?.block_on(execute(&session, node, command, Input::Stdin, interactive))
}
