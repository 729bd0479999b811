//! `lab verify`.

use std::process::ExitCode;

use serde_json::json;

use super::args::{Format, Global};
use super::failure::{FAILED, Failure};
use super::load;
use super::output::{print, print_json};
use crate::engine::{self, CheckResult};

pub(super) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let results = super::runtime()?.block_on(engine::verify(&session))?;
    let failed = results.iter().filter(|result| !result.passed).count();
    match global.output {
        Format::Json => print_json(&json!({"passed": failed == 0, "checks": results})),
        Format::Table => {
            let lines: Vec<String> = results.iter().map(line).collect();
            print(&format!("{}\n\n{} checks, {failed} failed", lines.join("\n"), results.len()));
        }
    }
    if failed == 0 { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(FAILED)) }
}

fn line(result: &CheckResult) -> String {
    let word = if result.passed { "ok    " } else { "FAILED" };
    let mut text = format!("{word}  {:<14} {:<18} {}", result.node, result.name, result.proves);
    if !result.passed {
        for line in result.output.lines().take(10) {
            text.push_str(&format!("\n        | {line}"));
        }
        text.push_str(&format!("\n        look at: {}", result.hint));
    }
    text
}
