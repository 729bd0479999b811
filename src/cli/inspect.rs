//! `lab inspect`.

use std::process::ExitCode;

use super::args::{Format, Global};
use super::failure::Failure;
use super::stage::known_node;
use super::{load, verify};
use crate::engine::{self, CheckResult, Verdict};

pub(super) fn run(global: &Global, nodes: &[String]) -> Result<ExitCode, Failure> {
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
    let results = super::runtime()?.block_on(engine::inspect(&session, nodes, &say))?;
    verify::report(global, &results)
}
