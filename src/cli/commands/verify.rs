//! `lab verify`.

use std::process::ExitCode;

use crate::cli::args::Verify;
use crate::cli::failure::{Failure, INTERRUPTED};
use crate::cli::global::{Format, Global};
use crate::cli::output::checks::{report, told};
use crate::cli::output::info;
use crate::cli::progress::{signals, telling};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::{known, lock};
use crate::engine::{self, CheckResult, EngineError, Session, Stop, Verdict};
use crate::model::code;

pub(crate) fn run(global: &Global, verify: &Verify) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    if verify.failover {
        load::refuse_machines_alone(&session)?;
    }
    let known = |name| known(session.flavour(), name);
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
        true => Some(lock(&session, "verify --failover")?),
        false => None,
    };
    let work = async |stop: &Stop| {
        let mut results = engine::verify(&session, stage, stop, &say).await?;
        let broken = results.iter().any(|result| result.verdict == Verdict::Failed);
        if verify.failover && broken {
            info("not stopping nodes of a lab that does not work as it is");
        } else if verify.failover {
            results.extend(stop_each(global, &session, stop, &say).await?);
        }
        Ok(results)
    };
    let results = runtime()?.block_on(async {
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
    info(&format!("stopped as asked; {left}"));
    Failure::silent(INTERRUPTED)
}
