//! The links of nodes: looked at, and changed.

use crate::engine::cluster::script::failed;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::kubernetes::operations::link;
use crate::model::Node;
use crate::model::link::Link;

/// Changes the link of a node, or only looks. What it is like then, `None` where it is as always.
///
/// # Errors
/// When the node does not answer, or cannot be made so.
pub async fn link_of(
    session: &Session,
    reach: &Reach,
    node: &Node,
    change: Option<&Link>,
) -> Result<Option<String>, EngineError> {
    let script = link::link(&session.templates, &session.lab, node, change)?;
    let output = reach(node).run(&script).await?;
    if output.status != 0 {
        return Err(failed(node, "change its link", &output.text()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(Some(words.join(", ")).filter(|words| !words.is_empty()))
}
