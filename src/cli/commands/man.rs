//! `lab man`: a manual page per command.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::args::Args;
use crate::cli::failure::Failure;
use crate::cli::output::info;

pub(crate) fn run(dir: &Path) -> Result<ExitCode, Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("write to {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Args::command(), dir).map_err(failed)?;
    info(&format!("read them: man -l {}", dir.join("lab.1").display()));
    Ok(ExitCode::SUCCESS)
}
