//! Nodes of a lab that is up, stopped and started by hand.

use std::sync::Arc;

use crate::drivers::provider::Provider;
use crate::engine::lab::bases::refuse_other_bases;
use crate::engine::lab::open::Session;
use crate::engine::machines::boot::Boot;
use crate::engine::machines::provision::{PATIENCE, call};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::{Node, code};

/// What to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Shut it down.
    Stop,
    /// Start it, and wait until it answers.
    Start,
    /// One after the other.
    Restart,
}

/// Stops or starts nodes, side by side.
///
/// # Errors
/// The first node that does not stop, start or answer; the others are waited for.
pub async fn power(
    session: &Session,
    nodes: &[&Node],
    change: Change,
    events: &Events,
) -> Result<(), EngineError> {
    if !session.provider.is_running() {
        return Err(EngineError::of(
            &code::AT_REST,
            "reach the lab's private libvirt: it does not run",
        )
        .hint("`lab up` starts it, and all nodes")
        .preflight());
    }
    let provider = session.provider.connect()?;
    provider.power()?;
    if change != Change::Stop {
        refuse_other_bases(&session.lab, &session.dirs.state, &session.images)?;
    }
    refuse_missing(session, &provider, nodes).await?;
    let keys = session.load_keys()?;
    let reach = session.reach(&keys, session.lab.options.boot_patience())?;
    let mut running = tokio::task::JoinSet::new();
    for node in nodes {
        let (guest, events) = (reach(node), events.clone());
        let boot = Boot::of(&provider, &events, &session.lab, node);
        running.spawn(async move {
            let (name, uuid) = (Some(boot.node.name.as_str()), boot.node.uuid);
            if change != Change::Start {
                let stop = call(&boot.provider, move |h| h.power()?.shut_down(uuid, PATIENCE));
                events.timed(name, "stop", stop).await?;
            }
            if change != Change::Stop {
                let start = async {
                    call(&boot.provider, move |h| h.power()?.start(uuid)).await?;
                    boot.run(&*guest, "true").await
                };
                events.timed(name, "boot", start).await?;
            }
            Ok::<_, EngineError>(())
        });
    }
    let mut first = Ok(());
    while let Some(done) = running.join_next().await {
        let done = done.unwrap_or_else(|error| Err(EngineError::internal(error.to_string())));
        first = first.and(done);
    }
    first
}

async fn refuse_missing(
    session: &Session,
    provider: &Arc<dyn Provider>,
    nodes: &[&Node],
) -> Result<(), EngineError> {
    let inventory = call(provider, |h| h.inventory()).await?;
    let own = |node: &&&Node| inventory.has_own(session.lab.id, node);
    match nodes.iter().find(|node| !own(node)) {
        None => Ok(()),
        Some(node) => {
            Err(EngineError::of(&code::NOT_UP, format!("find node {}: it is not there", node.name))
                .hint("`lab up` makes it")
                .preflight())
        }
    }
}
