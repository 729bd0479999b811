//! `lab status`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::args::Status as Arguments;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{ours, print, print_data, print_one_of_many, table};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::engine::{self, NodeStatus, Status};

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let runtime = runtime()?;
    loop {
        let status = runtime.block_on(engine::status(&session))?;
        match (global.output, arguments.watch) {
            // One document per line, for a program that reads along.
            (Format::Json, Some(_)) => {
                print_one_of_many(&status);
            }
            (Format::Json, None) => print_data(&status),
            (Format::Table, watch) => {
                if watch.is_some() && std::io::stdout().is_terminal() {
                    print(&ours("\x1b[H\x1b[2J"));
                }
                print(&describe(&status));
            }
        }
        match arguments.watch {
            // How nodes are is nobody's event: it can only be asked for.
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn describe(status: &Status) -> String {
    let running = if status.provider_running { "" } else { ", not running" };
    let heading =
        ["NODE", "ROLES", "ADDRESS", "STATE", "READY", "VERSION", "CPU", "MEMORY", "DISK", "HAS"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    rows.extend(status.nodes.iter().map(|node| row(node, status)));
    let mut text = format!("lab {} (provider {}{running})\n\n", status.lab, status.provider);
    text.push_str(&table(&rows));
    if !status.vips.is_empty() || status.certificate.is_some() {
        text.push('\n');
    }
    for vip in &status.vips {
        let holders = match vip.holders.as_slice() {
            [] if vip.silent.is_empty() => "held by nobody".into(),
            [] => format!("held by nobody who answers; {} may have it", vip.silent.join(" or ")),
            [one] => format!("held by {one}"),
            many => format!("HELD BY {}", many.join(" AND ")),
        };
        text.push_str(&format!("{} ({}) is {holders}\n", vip.address, vip.name));
    }
    if let Some(first) = &status.certificate {
        text.push_str(&format!(
            "certificates: {} ends first, in {} days\n",
            first.name, first.days
        ));
    }
    let mut stages = vec![["STAGE", "DONE", "MISSING ON"].map(String::from).to_vec()];
    for stage in &status.stages {
        let all = stage.done.len() + stage.missing.len();
        let done = format!("{}/{all}", stage.done.len());
        stages.push(vec![stage.name.clone(), done, stage.missing.join(" ")]);
    }
    format!("{text}\n{}", table(&stages))
}

fn row(node: &NodeStatus, status: &Status) -> Vec<String> {
    let roles: Vec<&str> = node.roles.iter().map(|role| role.name()).collect();
    let ready = match node.ready {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    let vitals = node.vitals.clone().unwrap_or_default();
    let of = |used: Option<u64>, all: Option<u64>| match (used, all) {
        (Some(used), Some(all)) => format!("{used}/{all} MiB"),
        _ => "-".into(),
    };
    let cpu = match (vitals.cpu_percent, vitals.cpus) {
        (Some(percent), Some(cpus)) => format!("{percent}% of {cpus}"),
        _ => "-".into(),
    };
    let mut has = vitals.vips.clone();
    if status.etcd_leader.as_ref() == Some(&node.name) {
        has.push("etcd leader".into());
    }
    has.extend(vitals.link.iter().map(|link| format!("link {link}")));
    let version =
        vitals.kubernetes.or_else(|| vitals.etcd.map(|version| format!("etcd {version}")));
    vec![
        node.name.clone(),
        if roles.is_empty() { "-".into() } else { roles.join(",") },
        node.ip.clone(),
        node.state.clone(),
        ready.into(),
        version.unwrap_or_else(|| "-".into()),
        cpu,
        of(vitals.memory_used_mib, vitals.memory_mib),
        of(vitals.disk_used_mib, vitals.disk_mib),
        has.join(", "),
    ]
}
