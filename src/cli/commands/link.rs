//! `lab link`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::cli::args::Link as LinkArgs;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{info, print, print_data, table};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::{known_node, lock};
use crate::engine;
use crate::model::code;
use crate::model::link::{self, Link};
use crate::model::{Flaw, Node};

/// Patience until a node lets us in.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same when all of them are only looked at.
const GLANCE: Duration = Duration::from_secs(5);

pub(crate) fn run(global: &Global, asked: &LinkArgs) -> Result<ExitCode, Failure> {
    let change = change(asked)?;
    let session = load::existing(global)?;
    load::refuse_resting(&session)?;
    let lab = &session.lab;
    let nodes: Vec<&Node> = match &asked.node {
        Some(name) => vec![known_node(lab, name)?],
        None => lab.nodes.iter().collect(),
    };
    let _lock = change.as_ref().map(|_| lock(&session, "link")).transpose()?;
    let patience = if asked.node.is_some() { PATIENCE } else { GLANCE };
    let reach = session.reach_made(patience)?;
    let found = runtime()?.block_on(async {
        let looks =
            nodes.iter().map(|node| engine::link_of(&session, &reach, node, change.as_ref()));
        futures_util::future::join_all(looks).await
    });
    let mut rows = vec![["NODE", "LINK"].map(String::from).to_vec()];
    let mut data = Vec::new();
    for (node, found) in nodes.iter().zip(found) {
        let found = match (found, asked.node.is_some()) {
            (Err(error), true) => return Err(error.into()),
            (Err(_), false) => {
                info(&format!("{} does not answer", node.name));
                data.push(json!({"node": node.name, "answers": false}));
                continue;
            }
            (Ok(found), _) => found,
        };
        rows.push(vec![node.name.clone(), found.clone().unwrap_or_else(|| "as always".into())]);
        data.push(json!({"node": node.name, "answers": true, "link": found}));
    }
    match global.output {
        Format::Json => print_data(&json!({ "links": data })),
        Format::Table => print(&table(&rows)),
    }
    Ok(ExitCode::SUCCESS)
}

/// What the link is to be like; `None` where it is only looked at.
fn change(asked: &LinkArgs) -> Result<Option<Link>, Failure> {
    let refused = |flaw: Flaw| Failure::usage(flaw.message).code(&code::USAGE).hint(flaw.help);
    let time = |text: &Option<String>| text.as_deref().map(link::delay).transpose();
    let link = Link {
        delay: time(&asked.delay).map_err(refused)?,
        jitter: time(&asked.jitter).map_err(refused)?,
        loss: asked.loss.as_deref().map(link::loss).transpose().map_err(refused)?,
        rate: asked.rate.as_deref().map(link::rate).transpose().map_err(refused)?,
        is_down: asked.down,
    };
    let is_changed = asked.clear || link != Link::default();
    Ok(is_changed.then_some(link))
}
