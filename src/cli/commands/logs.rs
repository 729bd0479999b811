//! `lab logs`: the journals of nodes and of units on them.

use std::process::ExitCode;

use crate::cli::args::Logs;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::Global;
use crate::cli::remote::follow;
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::drivers::guest::ssh::quote;
use crate::kubernetes::flavour;
use crate::model::{Lab, Node};

pub(crate) fn run(global: &Global, arguments: &Logs) -> Result<ExitCode, Failure> {
    let file = arguments.file.clone().or_else(|| global.file.clone());
    let session = load::session(&Global { file, ..global.clone() })?;
    let (nodes, units) = meant(&session.lab, &arguments.what)?;
    load::refuse_new(&session)?;
    let command = journalctl(arguments, &units);
    let asked: Vec<(&Node, String)> =
        nodes.into_iter().map(|node| (node, command.clone())).collect();
    let runtime = runtime()?;
    match runtime.block_on(follow::follow(&session, &asked))? {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::silent(FAILED)),
    }
}

/// Which words are nodes and which are units; of units alone, the nodes that have one of them.
fn meant<'l>(lab: &'l Lab, words: &'l [String]) -> Result<(Vec<&'l Node>, Vec<&'l str>), Failure> {
    let (names, units): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| lab.node(word).is_some());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    if let Some(bad) = units.iter().find(|unit| unit.starts_with('-') || !unit.chars().all(plain)) {
        return Err(Failure::unknown(format!("'{bad}' is neither a node nor a unit")));
    }
    let units: Vec<&str> = units.into_iter().map(String::as_str).collect();
    let nodes: Vec<&Node> = match names.is_empty() {
        false => names.iter().filter_map(|name| lab.node(name)).collect(),
        true => having(lab, &units),
    };
    Ok((nodes, units))
}

fn having<'l>(lab: &'l Lab, units: &[&str]) -> Vec<&'l Node> {
    let stages: Option<Vec<_>> =
        units.iter().map(|unit| flavour(lab).stage_of_unit(unit)).collect();
    match stages {
        Some(stages) if !stages.is_empty() => {
            let has = |node: &&Node| {
                stages.iter().any(|stage| (stage.nodes)(lab).iter().any(|n| n.name == node.name))
            };
            lab.nodes.iter().filter(has).collect()
        }
        // Of a unit that no stage makes nobody knows where it is.
        _ => lab.nodes.iter().collect(),
    }
}

fn journalctl(arguments: &Logs, units: &[&str]) -> String {
    let mut words = vec!["sudo journalctl --no-pager --quiet --output=short-iso".to_owned()];
    words.push(format!("--lines={}", arguments.lines));
    words.extend(units.iter().map(|unit| format!("--unit={}", quote(unit))));
    words.extend(arguments.since.iter().map(|since| format!("--since={}", quote(since))));
    if arguments.follow {
        words.push("--follow".into());
    }
    words.join(" ")
}
