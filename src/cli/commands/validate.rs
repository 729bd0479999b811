//! `lab validate`.

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, diagnostic, print, print_data};
use crate::cli::session::load;
use crate::drivers::host::Dirs;

pub(crate) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let source = load::source(global, &Dirs::from_environment())?;
    let loaded = load::topology(global, &source)?;
    match global.output {
        Format::Json => {
            print_data(&diagnostic::json(&loaded.warnings, &source.shown, &source.text));
        }
        Format::Table => {
            let lab = &loaded.lab;
            print(&format!(
                "{} is valid: lab '{}', {}",
                source.shown,
                lab.name,
                counted(lab.nodes.len(), "node")
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
