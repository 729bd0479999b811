//! `lab validate`.

use std::process::ExitCode;

use super::args::{Format, Global};
use super::failure::Failure;
use super::output::{counted, print, print_json};
use super::{diagnostic, load};
use crate::drivers::host::Dirs;

pub(super) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let source = load::source(global, &Dirs::from_environment())?;
    let loaded = load::topology(global, &source)?;
    match global.output {
        Format::Json => {
            print_json(&diagnostic::json(&loaded.warnings, &source.shown, &source.text));
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
