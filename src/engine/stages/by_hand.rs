//! One stage on one node, because a person says so: for those who go through a bootstrap step by step,
//! and do some of it with their own hands.

use std::time::Duration;

use crate::drivers::guest::Guest;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepare::prepare;
use crate::engine::lab::prepared::Prepared;
use crate::engine::stages::steps;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::{Event, Events};
use crate::engine::task::stop::Stop;
use crate::kubernetes::stage::{Duty, Stage};
use crate::model::Node;

/// Patience until the node lets us in.
const PATIENCE: Duration = Duration::from_secs(20);

/// Carries a stage out on a node, whether or not it was done. False when it failed, which was said
/// as an event.
///
/// # Errors
/// When its steps cannot be made, or the lab has no key for the node.
pub async fn run_stage(
    session: &Session,
    node: &Node,
    stage: &'static Stage,
    stop: &Stop,
    events: &Events,
) -> Result<bool, EngineError> {
    let prepared = prepare(session, events)?;
    let guest = session.ssh(node, &prepared.keys, PATIENCE)?;
    run_stage_with(session, &prepared, &guest, (node, stage), stop, events).await
}

/// [`run_stage`] with all that was made ready for it, by a given way to the node.
///
/// # Errors
/// When its steps cannot be made.
pub async fn run_stage_with(
    session: &Session,
    prepared: &Prepared,
    guest: &dyn Guest,
    (node, stage): (&Node, &'static Stage),
    stop: &Stop,
    events: &Events,
) -> Result<bool, EngineError> {
    let steps = prepared.steps(session, stage, node)?;
    if stage.has(Duty::Member) {
        session.remember_founders(&prepared.etcd_founders)?;
    }
    let place = steps::StageRun {
        node: &node.name,
        stage: stage.name,
        kubernetes: prepared.platform.version,
        guest,
        templates: &session.templates,
        events,
        stopped: &|| stop.requested(),
        last: None,
    };
    match events.timed(Some(&node.name), stage.name, steps::run(&place, &steps)).await {
        Ok(()) => Ok(true),
        Err(failure) => {
            events.send(Event::Failed(*failure));
            Ok(false)
        }
    }
}
