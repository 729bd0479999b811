//! `lab down`.

use std::process::ExitCode;

use crate::cli::args::Down;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{info, print, print_data, say};
use crate::cli::progress::telling;
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::{self, Session, Teardown, told};
use crate::model::code;
use crate::plan::Keep;

pub(crate) fn run(global: &Global, down: &Down) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let keep = if down.keep_snapshots { Keep::Snapshots } else { Keep::Nothing };
    if down.keep_snapshots && SnapshotStore::new(&session.store).names()?.is_empty() {
        return Err(Failure::usage(format!(
            "the lab '{}' has no snapshots to keep",
            session.lab.name
        ))
        .code(&code::SNAPSHOT)
        .hint("`lab snapshot create NAME` makes one; `lab down` removes everything"));
    }
    // Read before it is removed with the rest.
    let before = engine::footprint_before(&session)?;
    let code = remove(global, down, &session, keep)?;
    match (down.prove, before) {
        (false, _) => Ok(code),
        (true, None) => Err(Failure::usage("there is no record of this computer before `up`")
            .code(&code::NOT_UP)
            .hint("it is made when a lab first comes up")),
        (true, Some(before)) => prove(global, &session, &before),
    }
}

fn remove(
    global: &Global,
    down: &Down,
    session: &Session,
    keep: Keep,
) -> Result<ExitCode, Failure> {
    let (lab, place, store) = (&session.lab, &session.provider, &session.store);
    let runtime = runtime()?;
    let teardown = runtime.block_on(async {
        Teardown::look(lab, place, store).await?.with_machines(session).await
    })?;
    let found = teardown.plan(keep)?;
    if down.dry_run || found.is_empty() {
        let lines: Vec<String> = found.iter().map(|change| told(lab, change)).collect();
        match found.is_empty() {
            true if !global.quiet => {
                info(&format!("nothing to do: of the lab '{}' nothing is left", lab.name));
            }
            true => {}
            false => print(&lines.join("\n")),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = lock(session, "down")?;
    let removed =
        runtime.block_on(telling(global, async |events| teardown.run(keep, events).await))?;
    say(
        global,
        &match keep {
            Keep::Nothing => {
                format!("the lab '{}' is gone: {} things removed", lab.name, removed.len())
            }
            Keep::Snapshots => format!(
                "the lab '{}' is put away: {} things removed, its snapshots stay\nback: lab snapshot restore NAME",
                lab.name,
                removed.len()
            ),
        },
    );
    Ok(ExitCode::SUCCESS)
}

/// Compares this computer with what it was; something that is left is a failure.
fn prove(
    global: &Global,
    session: &Session,
    before: &crate::drivers::host::footprint::HostFootprint,
) -> Result<ExitCode, Failure> {
    let now = engine::footprint(session);
    let left = now.since(before);
    if global.output == Format::Json {
        print_data(&serde_json::json!({"looked_at": now.counts(), "difference": left}));
    } else {
        let lines: Vec<String> = left.iter().map(ToString::to_string).collect();
        if !lines.is_empty() {
            print(&lines.join("\n"));
        }
        if !global.quiet {
            let kinds: Vec<String> =
                now.counts().iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
            info(&format!(
                "compared with the record made before `up`: {}\n{}",
                kinds.join(", "),
                if left.is_empty() { "no difference" } else { "this came or went since" }
            ));
        }
    }
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
