//! `lab up`.

use std::process::ExitCode;

use crate::cli::args::Up;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::session::bring_up::bring_up;
use crate::cli::session::load;

pub(crate) fn run(global: &Global, up: &Up) -> Result<ExitCode, Failure> {
    bring_up(global, up, load::session(global)?)
}
