//! `lab exec`: one command on many nodes, side by side.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::cli::args::Exec;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{info, print, print_data};
use crate::cli::remote::command_line;
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::known_node;
use crate::drivers::guest::{GuestError, Output};
use crate::engine::Session;
use crate::model::{Node, Role};

pub(crate) fn run(global: &Global, exec: &Exec) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let nodes = chosen(&session, exec)?;
    load::refuse_new(&session)?;
    let command = command_line(&exec.command);
    let answers = runtime()?.block_on(ask(&session, &nodes, &command))?;
    let mut failed = 0;
    let mut rows = Vec::new();
    for (node, answer) in answers {
        let output = answer.unwrap_or_else(|error| Output {
            status: 255,
            stderr: error.to_string().into_bytes(),
            ..Output::default()
        });
        failed += usize::from(output.status != 0);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if global.output == Format::Json {
            rows.push(json!({"node": node, "status": output.status, "stdout": out, "stderr": err}));
            continue;
        }
        out.lines().for_each(|line| print(&format!("{node:<14} {line}")));
        err.lines().for_each(|line| info(&format!("{node:<14} {line}")));
        if output.status != 0 {
            info(&format!("{node:<14} ended with status {}", output.status));
        }
    }
    if global.output == Format::Json {
        print_data(&json!({"nodes": rows}));
    }
    if failed == 0 { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(FAILED)) }
}

fn chosen<'s>(session: &'s Session, exec: &Exec) -> Result<Vec<&'s Node>, Failure> {
    let role = match exec.role.as_deref() {
        None => None,
        Some(name) => Some(Role::parse(name).ok_or_else(|| {
            let names =
                crate::model::role::ROLES.iter().map(|role| role.name()).collect::<Vec<_>>();
            Failure::unknown(format!("there is no role '{name}'"))
                .hint(format!("choose from: {}", names.join(", ")))
        })?),
    };
    for name in &exec.node {
        known_node(&session.lab, name)?;
    }
    let wanted = |node: &&Node| {
        role.is_none_or(|role| node.is(role))
            && (exec.node.is_empty() || exec.node.contains(&node.name))
    };
    let nodes: Vec<&Node> = session.lab.nodes.iter().filter(wanted).collect();
    if nodes.is_empty() {
        return Err(Failure::unknown("no node fits"));
    }
    Ok(nodes)
}

type Answers = Vec<(String, Result<Output, GuestError>)>;

async fn ask(session: &Session, nodes: &[&Node], command: &str) -> Result<Answers, Failure> {
    let keys = session.load_keys()?;
    let mut running = tokio::task::JoinSet::new();
    for (index, node) in nodes.iter().enumerate() {
        let ssh = Arc::new(session.ssh(node, &keys, Duration::from_secs(20))?);
        let (name, command) = (node.name.clone(), command.to_owned());
        running.spawn(async move {
            let answer = ssh.exec(&command, b"").await;
            (index, name, answer)
        });
    }
    let mut answers = Vec::new();
    while let Some(done) = running.join_next().await {
        answers.push(done.map_err(|error| Failure::failed(format!("run a command: {error}")))?);
    }
    answers.sort_by_key(|(index, ..)| *index);
    Ok(answers.into_iter().map(|(_, name, answer)| (name, answer)).collect())
}
