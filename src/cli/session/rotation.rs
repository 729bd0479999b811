//! `lab certs rotate`: one phase after the other, each brought to all nodes by `up`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::Up;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{info, say};
use crate::cli::progress::telling;
use crate::cli::runtime::runtime;
use crate::cli::session::bring_up::brought_up;
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::engine::{EngineError, Session, rotate};
use crate::pki::Root;

/// Patience until a node lets us in.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn rotate(global: &Global, roots: &[Root]) -> Result<ExitCode, Failure> {
    let session = Arc::new(load::existing(global)?);
    load::refuse_machines_alone(&session)?;
    let mut roots = roots.to_vec();
    roots.sort();
    roots.dedup();
    let roots = &*roots;
    let names: Vec<&str> = roots.iter().map(|root| root.name()).collect();
    let bring = || {
        brought_up(global, &Up::whole(), &session).inspect_err(|_| {
            info(&format!("`lab certs rotate {}` goes on with the rotation", names.join(" ")));
        })
    };
    if rotate::phases(&session, roots)?.is_empty() {
        // Every node must be there, and be what the topology says, before another thing changes.
        bring()?;
    }
    let mut phases = alone(&session, || rotate::begin(&session, roots))?;
    while !phases.is_empty() {
        for (root, phase) in &phases {
            say(global, &format!("{}: {}", root.name(), phase.told()));
        }
        bring()?;
        let rotated: Vec<Root> = phases.iter().map(|(root, _)| *root).collect();
        settle(global, &session, &rotated)?;
        phases = alone(&session, || rotate::advance(&session, &rotated))?;
    }
    say(global, "rotated: what the old ones signed opens nothing any more");
    say(global, "`lab certs backup` keeps the new ones; a backup from before is refused");
    if roots.contains(&Root::EncryptionKey) {
        say(
            global,
            "`lab snapshot etcd save` anew: Secrets in files from before are readable to nobody",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Done while nobody else changes the lab.
fn alone<T>(
    session: &Session,
    work: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, Failure> {
    let _lock = lock(session, "certs rotate")?;
    Ok(work()?)
}

fn settle(global: &Global, session: &Session, roots: &[Root]) -> Result<(), Failure> {
    let _lock = lock(session, "certs rotate")?;
    let reach = session.reach(&session.load_keys()?, PATIENCE)?;
    let work = telling(global, async |events| {
        for root in roots {
            rotate::settle(session, &reach, *root, events).await?;
        }
        Ok::<(), EngineError>(())
    });
    Ok(runtime()?.block_on(work)?)
}
