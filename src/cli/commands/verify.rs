//! `lab verify`.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::{Format, Global, Verify};
use crate::cli::failure::{FAILED, Failure, INTERRUPTED};
use crate::cli::load;
use crate::cli::output::{complain, print, print_json};
use crate::cli::progress::{signals, telling};
use crate::engine::{self, CheckResult, EngineError, Session, Stop, Verdict};
use crate::model::code;

pub(crate) fn run(global: &Global, verify: &Verify) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    let known = |name| crate::cli::commands::up::known(session.flavour(), name);
    let stage = verify.stage.as_deref().map(known).transpose()?;
    let table = global.output == Format::Table;
    let say = |result: &CheckResult| {
        // A benchmark of a hundred lines is told by what is wrong; -v tells all.
        let quiet = result.verdict == Verdict::Passed
            && (global.quiet || (result.quiet && !global.verbose));
        if table && !quiet {
            told(result);
        }
    };
    // Stopping nodes is a change: nobody else may be at work.
    let _lock = match verify.failover {
        true => Some(crate::cli::commands::up::lock(&session, "verify --failover")?),
        false => None,
    };
    let work = async |stop: &Stop| {
        let mut results = engine::verify(&session, stage, stop, &say).await?;
        let broken = results.iter().any(|result| result.verdict == Verdict::Failed);
        if verify.failover && broken {
            complain("not stopping nodes of a lab that does not work as it is");
        } else if verify.failover {
            results.extend(stop_each(global, &session, stop, &say).await?);
        }
        Ok(results)
    };
    let results = crate::cli::runtime()?.block_on(async {
        let stop = Stop::default();
        let signals = tokio::spawn(signals::listen(stop.clone(), "lab up"));
        let results = work(&stop).await;
        signals.abort();
        results
    });
    let results = results.map_err(stopped)?;
    if results.is_empty() {
        return Err(Failure::usage("there is nothing to check: no node has this stage"));
    }
    report(global, &results)
}

/// Stops each node in turn; standard output is for the results alone.
async fn stop_each(
    global: &Global,
    session: &Session,
    stop: &Stop,
    say: engine::Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let beside = Global { output: Format::Table, ..global.clone() };
    telling(&beside, async |events| engine::failover(session, stop, say, events).await).await
}

fn stopped(error: EngineError) -> Failure {
    if *error.code != code::STOPPED {
        return error.into();
    }
    let left = error.hint.as_deref().unwrap_or("what was made for the checks is cleared away");
    complain(&format!("stopped as asked; {left}"));
    Failure::silent(INTERRUPTED)
}

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
        Format::Json => print_json(&json!({"passed": passed, "checks": results})),
        Format::Table => {
            print(&format!("\n{} checks, {failed} failed, {missing} missing", results.len()));
        }
    }
    if passed { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(FAILED)) }
}

fn line(result: &CheckResult) -> String {
    let word = match result.verdict {
        Verdict::Passed => "ok     ",
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
