//! A script of the flavour's, carried out on one node.

use crate::drivers::guest::Guest;
use crate::engine::task::error::EngineError;
use crate::model::{Node, code};

/// Runs it; it must succeed.
///
/// # Errors
/// When the node does not answer, or with what the script said.
pub(crate) async fn run(
    guest: &dyn Guest,
    node: &Node,
    task: &str,
    script: &str,
) -> Result<(), EngineError> {
    let output = guest.run(script).await?;
    match output.status {
        0 => Ok(()),
        _ => Err(failed(node, task, &output.text())),
    }
}

/// What a node said that did not do it.
pub(crate) fn failed(node: &Node, task: &str, said: &str) -> EngineError {
    EngineError::of(&code::STEP, format!("{task} on {}: {}", node.name, said.trim()))
}
