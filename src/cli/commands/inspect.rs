//! `lab inspect`.

use std::process::ExitCode;

use crate::cli::args::{Format, Global};
use crate::cli::commands::stage::known_node;
use crate::cli::commands::verify;
use crate::cli::failure::Failure;
use crate::cli::load;
use crate::engine::{self, CheckResult, Verdict};

pub(crate) fn run(global: &Global, nodes: &[String]) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    for name in nodes {
        known_node(&session.lab, name)?;
    }
    load::refuse_new(&session)?;
    let say = |result: &CheckResult| {
        if global.output == Format::Table && (!global.quiet || result.verdict != Verdict::Passed) {
            verify::told(result);
        }
    };
    let results = crate::cli::runtime()?.block_on(engine::inspect(&session, nodes, &say))?;
    verify::report(global, &results)
}
