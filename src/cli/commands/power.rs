//! `lab stop`, `lab start` and `lab restart`.

use std::process::ExitCode;

use crate::cli::args::Power;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::info;
use crate::cli::progress::telling;
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::{known_node, lock};
use crate::engine::{self, Change};
use crate::model::{Node, Role};

pub(crate) fn run(global: &Global, power: &Power, change: Change) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let lab = &session.lab;
    let nodes: Vec<&Node> = match power.all {
        true => lab.nodes.iter().collect(),
        false => power.nodes.iter().map(|name| known_node(lab, name)).collect::<Result<_, _>>()?,
    };
    load::refuse_new(&session)?;
    let _lock = lock(&session, "stop, start or restart")?;
    runtime()?.block_on(telling(global, async |events| {
        engine::power(&session, &nodes, change, events).await
    }))?;
    let members = lab.with_role(Role::Etcd).count();
    let stopped = nodes.iter().filter(|node| node.is(Role::Etcd)).count();
    if change == Change::Stop && stopped * 2 >= members && stopped > 0 && !global.quiet {
        info("note: etcd has no quorum now; the cluster stands still until its members are back");
    }
    Ok(ExitCode::SUCCESS)
}
