//! `lab repair`: what `up` cannot mend.

use std::process::ExitCode;

use crate::cli::args::RepairCommand;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::session::etcd;

pub(crate) fn run(global: &Global, command: &RepairCommand) -> Result<ExitCode, Failure> {
    let RepairCommand::Etcd { yes } = command;
    etcd::mend(global, *yes)
}
