//! `lab assets`.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::AssetsCommand;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, print, print_data, say, table};
use crate::cli::progress::telling;
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::engine::{self, Session};
use crate::model::locked::Locked;

pub(crate) fn run(global: &Global, command: &AssetsCommand) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let locked = engine::locked::read(&session.locked)?.unwrap_or_default();
    let here = match command {
        AssetsCommand::Fetch => fetched(global, &session)?,
        _ => engine::assets_here(&session)?,
    };
    match command {
        AssetsCommand::List | AssetsCommand::Fetch => list(global, &session, &locked, &here),
        AssetsCommand::Update => update(global, &session, locked, &here)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is here once everything was brought here.
fn fetched(global: &Global, session: &Session) -> Result<Locked, Failure> {
    let here = runtime()?.block_on(telling(global, async |events| {
        tokio::task::block_in_place(|| engine::fetch(session, events))
    }))?;
    Ok(here)
}

fn list(global: &Global, session: &Session, locked: &Locked, here: &Locked) {
    let mut names: Vec<&String> = locked.assets.keys().chain(here.assets.keys()).collect();
    names.sort();
    names.dedup();
    if global.output == Format::Json {
        let row = |name: &String| json!({"name": name, "locked": locked.assets.get(name), "here": here.assets.get(name)});
        let rows: Vec<_> = names.into_iter().map(row).collect();
        return print_data(&json!({"file": session.locked, "assets": rows}));
    }
    let mut rows = vec![["ASSET", "HERE", "LOCKED"].map(String::from).to_vec()];
    for name in names {
        let (locked, here) = (locked.assets.get(name), here.assets.get(name));
        let shown = match (locked, here) {
            (Some(locked), Some(here)) if locked == here => "as locked",
            (Some(_), Some(_)) => "another",
            (Some(_), None) => "no",
            (None, _) => "not locked yet",
        };
        let is = locked.or(here).cloned().unwrap_or_default();
        rows.push(vec![name.clone(), shown.into(), is]);
    }
    print(&table(&rows));
}

fn update(
    global: &Global,
    session: &Session,
    mut locked: Locked,
    here: &Locked,
) -> Result<(), Failure> {
    let (others, new) = (locked.others(here), locked.new_ones(here));
    if others.is_empty() && new.is_empty() {
        say(global, "what is here is what is locked");
        return Ok(());
    }
    let _lock = lock(session, "assets update")?;
    locked.take(here);
    let path = engine::locked::update(session, &locked)?;
    let mut lines: Vec<String> = Vec::new();
    for other in &others {
        lines.push(format!("- {} {}", other.asset, other.locked));
        lines.push(format!("+ {} {}", other.asset, other.here));
    }
    lines.extend(new.iter().map(|asset| format!("+ {asset} {}", here.assets[asset])));
    print(&lines.join("\n"));
    let changed = counted(others.len() + new.len(), "asset");
    say(global, &format!("{} has {changed} anew", path.display()));
    Ok(())
}
