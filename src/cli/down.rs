//! `lab down`.

use std::process::ExitCode;

use super::args::{Down, Global};
use super::failure::Failure;
use super::output::{complain, print};
use super::progress::Progress;
use super::{load, up};
use crate::engine::{self, Events};

pub(super) fn run(global: &Global, down: &Down) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let (lab, place, store) = (&session.lab, &session.place, &session.store);
    let runtime = super::runtime()?;
    let found = runtime.block_on(engine::removals(lab, place, store))?;
    if down.dry_run || found.is_empty() {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        match found.is_empty() {
            true if !global.quiet => {
                complain(&format!("nothing to do: of the lab '{}' nothing is left", lab.name));
            }
            true => {}
            false => print(&lines.join("\n")),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = up::lock(&session, "down")?;
    let removed = runtime.block_on(async {
        let (events, receiver) = Events::channel();
        let reader = tokio::spawn(Progress::new(global, None).read(receiver));
        let removed = engine::down(lab, place, store, &events).await;
        drop(events);
        let _ = reader.await;
        removed
    })?;
    if !global.quiet {
        complain(&format!("the lab '{}' is gone: {} things removed", lab.name, removed.len()));
    }
    Ok(ExitCode::SUCCESS)
}
