//! `lab runs`: what earlier runs did, from their logs.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::args::{Runs, RunsCommand};
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{info, print, print_data, table};
use crate::cli::session::load;
use crate::engine::Session;

/// A run, as its log tells it.
struct Run {
    name: String,
    events: Vec<(f64, Value)>,
}

pub(crate) fn run(global: &Global, arguments: &Runs) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    match arguments.command.as_ref().unwrap_or(&RunsCommand::List) {
        RunsCommand::List => list(global, &session),
        RunsCommand::Show { run } => show(global, &session, run),
    }
    .map(|()| ExitCode::SUCCESS)
}

impl Run {
    fn read(path: &Path) -> Option<Self> {
        let name = path.file_stem()?.to_str()?.to_owned();
        let text = fs::read_to_string(path).ok()?;
        // The last line of a run that was cut may be half of one.
        let event = |line: &str| {
            let (seconds, event) = line.trim_start().split_once(' ')?;
            Some((seconds.parse().ok()?, serde_json::from_str(event).ok()?))
        };
        Some(Self { name, events: text.lines().filter_map(event).collect() })
    }

    /// Command and time, from the name: `20261121T190000Z-up`.
    fn started(&self) -> (&str, &str) {
        self.name.split_once('-').unwrap_or((&self.name, ""))
    }

    fn of<'r>(&'r self, kind: &'r str) -> impl Iterator<Item = &'r Value> {
        self.events.iter().map(|(_, event)| event).filter(move |event| event["event"] == kind)
    }

    fn seconds(&self) -> f64 {
        self.events.last().map_or(0.0, |(seconds, _)| *seconds)
    }

    fn outcome(&self) -> String {
        let failed = self.of("failed").count();
        let ended = self.of("ended").last().and_then(|event| event["outcome"].as_str());
        match (ended, failed) {
            (Some(outcome), _) => outcome.into(),
            (None, 0) => "cut".into(),
            (None, _) => "failed".into(),
        }
    }

    fn json(&self) -> Value {
        let (time, command) = self.started();
        json!({
            "name": self.name, "started": time, "command": command, "outcome": self.outcome(),
            "seconds": self.seconds(), "changes": self.of("planned").last().map_or(0, changes),
            "failures": self.of("failed").collect::<Vec<_>>(),
        })
    }
}

fn changes(planned: &Value) -> usize {
    planned["changes"].as_array().map_or(0, Vec::len)
}

/// All runs, the oldest first.
fn all(session: &Session) -> Vec<Run> {
    let entries = fs::read_dir(session.store.path("runs")).into_iter().flatten().flatten();
    let mut runs: Vec<Run> = entries.filter_map(|entry| Run::read(&entry.path())).collect();
    runs.sort_by(|one, other| one.name.cmp(&other.name));
    runs
}

fn list(global: &Global, session: &Session) -> Result<(), Failure> {
    let runs = all(session);
    if global.output == Format::Json {
        print_data(&runs.iter().map(Run::json).collect::<Vec<_>>());
        return Ok(());
    }
    if runs.is_empty() {
        info("there were no runs; `lab up` is one");
        return Ok(());
    }
    let heading = ["RUN", "COMMAND", "CHANGES", "SECONDS", "ENDED"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for run in &runs {
        let count = run.of("planned").last().map_or(0, changes);
        rows.push(vec![
            run.name.clone(),
            run.started().1.into(),
            count.to_string(),
            format!("{:.1}", run.seconds()),
            run.outcome(),
        ]);
    }
    print(&table(&rows));
    Ok(())
}

fn show(global: &Global, session: &Session, name: &str) -> Result<(), Failure> {
    let mut runs = all(session);
    let at = match name {
        "last" => runs.len().checked_sub(1),
        name => runs.iter().position(|run| run.name == name),
    };
    let Some(at) = at else {
        return Err(Failure::unknown(format!(
            "the lab '{}' has no run '{name}'",
            session.lab.name
        ))
        .hint("`lab runs list` names them"));
    };
    let run = runs.swap_remove(at);
    if global.output == Format::Json {
        print_data(&json!({"run": run.json(), "events": run.events}));
        return Ok(());
    }
    for (seconds, event) in &run.events {
        print(&format!("{seconds:8.1}s  {}", line(event)));
    }
    Ok(())
}

fn line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let node = match text("node") {
        "" => "lab",
        node => node,
    };
    match text("event") {
        "note" | "warning" => format!("{}: {}", text("event"), text("text")),
        "planned" => format!("planned: {} changes", changes(event)),
        "step" => format!("{node:<14} {}: {}", text("task"), text("step")),
        "failed" => {
            format!("{node:<14} {} FAILED {}: {}", text("task"), text("code"), text("message"))
        }
        "ended" => match &event["error"] {
            Value::Null => format!("ended: {}", text("outcome")),
            error => format!(
                "ended: {}: {}: {}",
                text("outcome"),
                error["code"].as_str().unwrap_or_default(),
                error["message"].as_str().unwrap_or_default()
            ),
        },
        kind => format!("{node:<14} {} {kind}", text("task")),
    }
}
