//! `lab inspect`.

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::checks::{report, told};
use crate::cli::runtime::runtime;
use crate::cli::session::acquaint::acquaint;
use crate::cli::session::load;
use crate::cli::session::lookup::known_node;
use crate::engine::{self, CheckResult, Verdict};

pub(crate) fn run(global: &Global, nodes: &[String]) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    for name in nodes {
        known_node(&session.lab, name)?;
    }
    // Machines that are there can be asked before anything is changed.
    if session.lab.machines().next().is_none() {
        load::refuse_new(&session)?;
    }
    let session = acquaint(session)?;
    let say = |result: &CheckResult| {
        if global.output == Format::Table && (!global.quiet || result.verdict != Verdict::Passed) {
            told(result);
        }
    };
    let results = runtime()?.block_on(engine::inspect(&session, nodes, &say))?;
    report(global, &results)
}
