//! `lab snapshot`.

use std::fs::File;
use std::process::ExitCode;

use crate::cli::args::{Snapshot, SnapshotCommand, SnapshotCreate, SnapshotRestore};
use crate::cli::failure::{self, Failure, INTERRUPTED};
use crate::cli::global::{Format, Global};
use crate::cli::output::{agrees, info, print, print_data, say, table};
use crate::cli::progress::{Progress, signals};
use crate::cli::runtime::runtime;
use crate::cli::session::lookup::lock;
use crate::cli::session::{etcd, load};
use crate::engine::snapshot::{self, RestoreOptions, SnapshotInfo, SnapshotRequest};
use crate::engine::{EngineError, Events, Stop};
use crate::model::size;
use crate::model::snapshot::Kind;

pub(crate) fn run(global: &Global, arguments: &Snapshot) -> Result<ExitCode, Failure> {
    match &arguments.command {
        None => create(global, &arguments.create),
        Some(SnapshotCommand::Create(wish)) => create(global, wish),
        Some(SnapshotCommand::List) => list(global),
        Some(SnapshotCommand::Restore(arguments)) => restore(global, arguments),
        Some(SnapshotCommand::Etcd { command }) => etcd::kept(global, command),
        Some(SnapshotCommand::Delete { names }) => delete(global, names),
    }
}

/// Runs a piece of the engine with progress and signals around it.
fn conduct<T>(
    global: &Global,
    log: Option<File>,
    command: &str,
    work: impl AsyncFnOnce(Stop, Events) -> Result<Option<T>, EngineError>,
) -> Result<Result<Option<T>, EngineError>, Failure> {
    // Standard output is for the result alone.
    let beside = Global { output: Format::Table, ..global.clone() };
    Ok(runtime()?.block_on(async {
        let (events, receiver) = Events::channel();
        let reader = tokio::spawn(Progress::new(&beside, log).read(receiver));
        let (stop, command) = (Stop::default(), command.to_owned());
        let asked = stop.clone();
        let signals = tokio::spawn(async move { signals::listen(asked, &command).await });
        let done = work(stop, events).await;
        signals.abort();
        if let Ok(mut progress) = reader.await {
            let how = match &done {
                Ok(Some(_)) => "done",
                Ok(None) => "stopped",
                Err(error) => failure::outcome(error),
            };
            progress.ended(how, done.as_ref().err());
        }
        done
    }))
}

fn stopped(command: &str) -> Failure {
    info(&format!("stopped as asked, nothing was changed; `{command}` tries again"));
    Failure::silent(INTERRUPTED)
}

fn create(global: &Global, arguments: &SnapshotCreate) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    let now = || crate::drivers::host::compact_timestamp().to_ascii_lowercase();
    let kind = if arguments.disk_only { Kind::Disk } else { Kind::Memory };
    let wish = SnapshotRequest { name: arguments.name.clone().unwrap_or_else(now), kind };
    let _lock = lock(&session, "snapshot create")?;
    let (_, log) = session.store.run_log("snapshot")?;
    let command = format!("lab snapshot create {}", wish.name);
    let made = conduct(global, Some(log), &command, async |stop, events| {
        let drivers = snapshot::drivers(&session)?;
        snapshot::create(&session, &drivers, &wish, &stop, &events).await
    })??;
    let Some(manifest) = made else { return Err(stopped(&command)) };
    match global.output {
        Format::Json => print_data(&manifest),
        Format::Table if !global.quiet => info(&format!(
            "saved '{}': {} nodes, {}, the guests stood still for {:.1} s\nback to it: lab snapshot restore {}",
            manifest.name,
            manifest.nodes.len(),
            size::human(manifest.bytes()),
            manifest.pause_seconds,
            manifest.name
        )),
        Format::Table => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn restore(global: &Global, arguments: &SnapshotRestore) -> Result<ExitCode, Failure> {
    let name = &arguments.name;
    let command = format!("lab snapshot restore {name}");
    let attempt = |yes: bool| {
        let session = load::existing(global)?;
        let _lock = lock(&session, "snapshot restore")?;
        let (_, log) = session.store.run_log("restore")?;
        let options = RestoreOptions { yes, node: arguments.node.clone() };
        conduct(global, Some(log), &command, async |stop, events| {
            let drivers = snapshot::drivers(&session)?;
            snapshot::restore(session, &drivers, name, &options, &stop, &events).await
        })
    };
    let mut done = attempt(arguments.yes)?;
    if let Err(error) = &done
        && error.asks
        && agrees(&error.message)
    {
        done = attempt(true)?;
    }
    let Some(restored) = done? else { return Err(stopped(&command)) };
    if global.output == Format::Json {
        print_data(&serde_json::json!({
            "name": name,
            "behind_seconds": restored.behind,
            "running_seconds": restored.running,
            "whole_seconds": restored.whole,
        }));
    } else if !global.quiet {
        info(&format!(
            "the lab is back at '{name}' of {}: guests after {:.1} s, whole after {:.1} s; its clocks were {} behind",
            restored.manifest.created,
            restored.running,
            restored.whole,
            age(restored.behind.max(0.0) as i64),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn delete(global: &Global, names: &[String]) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    let _lock = lock(&session, "snapshot delete")?;
    for name in names {
        let command = format!("lab snapshot delete {name}");
        let freed = conduct(global, None, &command, async |_, events| {
            let drivers = snapshot::drivers(&session)?;
            snapshot::delete(&session, &drivers, name, &events).await.map(Some)
        })??
        .unwrap_or_default();
        say(global, &format!("deleted '{name}': {} are free again", size::human(freed)));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let all = runtime()?.block_on(snapshot::list(&session))?;
    match global.output {
        Format::Json => print_data(&all),
        Format::Table if all.is_empty() => {
            say(global, "there are no snapshots; `lab snapshot create NAME` makes one");
        }
        Format::Table => print(&describe(&all)),
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(all: &[SnapshotInfo]) -> String {
    let heading = ["NAME", "AGE", "KIND", "NODES", "SIZE", "STAGE", "RESTORABLE", ""];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for one in all {
        let kind = match one.kind {
            Some(Kind::Memory) => "memory",
            Some(Kind::Disk) => "disk",
            None => "-",
        };
        rows.push(vec![
            one.name.clone(),
            if one.created.is_empty() { "-".into() } else { age(one.age_seconds) },
            kind.into(),
            one.nodes.to_string(),
            size::human(one.bytes),
            one.stage.clone().unwrap_or_else(|| "-".into()),
            if one.restorable { "yes".into() } else { "NO".into() },
            one.remark.clone(),
        ]);
    }
    table(&rows)
}

/// Seconds as a person says them.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
