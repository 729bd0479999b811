//! `lab status`.

use std::process::ExitCode;

use super::args::{Format, Global};
use super::failure::Failure;
use super::load;
use super::output::{print, print_json, table};
use crate::engine::{self, Status};

pub(super) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let status = super::runtime()?.block_on(engine::status(&session))?;
    match global.output {
        Format::Json => print_json(&status),
        Format::Table => print(&describe(&status)),
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(status: &Status) -> String {
    let running = if status.engine_running { "" } else { ", not running" };
    let mut rows = vec![["NODE", "ROLES", "ADDRESS", "STATE", "READY"].map(String::from).to_vec()];
    for node in &status.nodes {
        let roles: Vec<&str> = node.roles.iter().map(|role| role.name()).collect();
        let ready = match node.ready {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        rows.push(vec![
            node.name.clone(),
            roles.join(","),
            node.ip.clone(),
            node.state.clone(),
            ready.into(),
        ]);
    }
    let mut stages = vec![["STAGE", "DONE", "MISSING ON"].map(String::from).to_vec()];
    for stage in &status.stages {
        let all = stage.done.len() + stage.missing.len();
        stages.push(vec![
            stage.name.clone(),
            format!("{}/{all}", stage.done.len()),
            stage.missing.join(" "),
        ]);
    }
    format!(
        "lab {} ({} engine{running})\n\n{}\n{}",
        status.lab,
        status.engine,
        table(&rows),
        table(&stages)
    )
}
