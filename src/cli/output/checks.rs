//! Results of checks, for people and for programs.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, print, print_data};
use crate::engine::{CheckResult, Verdict};

/// Says one result as it comes, for people.
pub(crate) fn told(result: &CheckResult) {
    print(&line(result));
}

/// What came of all checks, and the exit code of it.
pub(crate) fn report(global: &Global, results: &[CheckResult]) -> Result<ExitCode, Failure> {
    let count = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
    let (failed, missing) = (count(Verdict::Failed), count(Verdict::Missing));
    let passed = failed == 0 && missing == 0;
    match global.output {
        Format::Json => print_data(&json!({"passed": passed, "checks": results})),
        Format::Table => {
            let warnings = match count(Verdict::Warning) {
                0 => String::new(),
                some => format!(", {}", counted(some, "warning")),
            };
            let all = results.len();
            print(&format!("\n{all} checks, {failed} failed, {missing} missing{warnings}"));
        }
    }
    if passed { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(FAILED)) }
}

fn line(result: &CheckResult) -> String {
    let word = match result.verdict {
        Verdict::Passed => "ok     ",
        Verdict::Warning => "WARNING",
        Verdict::Failed => "FAILED ",
        Verdict::Missing => "MISSING",
    };
    let mut text = format!("{word} {:<14} {:<18} {}", result.node, result.name, result.proves);
    if result.verdict == Verdict::Passed {
        // A short word of what was seen, like the days that certificates have left.
        match result.output.lines().collect::<Vec<_>>().as_slice() {
            [seen] if seen.len() <= 60 => text.push_str(&format!("  ({seen})")),
            _ => {}
        }
        return text;
    }
    for line in result.output.lines().take(10) {
        text.push_str(&format!("\n        | {line}"));
    }
    text + &format!("\n        look at: {}", result.hint)
}
