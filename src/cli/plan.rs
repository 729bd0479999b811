//! `lab plan`.

use std::process::ExitCode;

use serde_json::json;

use super::args::{Format, Global, Plan};
use super::failure::{CHANGES, Failure};
use super::output::{print, print_json};
use super::{load, up};
use crate::engine;

pub(super) fn run(global: &Global, plan: &Plan) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let stages = up::stages(plan.until.as_deref())?;
    let changes = super::runtime()?.block_on(engine::plan(&session, &stages))?;
    match global.output {
        Format::Json => print_json(&json!({"changes": changes})),
        Format::Table if changes.is_empty() => {
            print(&format!("no changes: the lab '{}' is as its topology says", session.lab.name));
        }
        Format::Table => {
            let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let stages = changes.iter().filter(|change| change.object == "stage").count();
            print(&format!(
                "{}\n\n{} changes, {stages} of them stages; `lab up` makes them",
                lines.join("\n"),
                changes.len()
            ));
        }
    }
    let pending = plan.detailed_exitcode && !changes.is_empty();
    Ok(if pending { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS })
}
