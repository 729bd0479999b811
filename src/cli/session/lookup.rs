//! Parts of a lab by the names that people type, and its lock.

use std::collections::BTreeSet;

use crate::cli::failure::Failure;
use crate::drivers::state::LockError;
use crate::drivers::state::file_lock::FileLock;
use crate::engine::Session;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::Stage;
use crate::model::near::nearest;
use crate::model::{Lab, Node, Role};

/// The stages that `--until NAME` means; all without it. `ssh` is before the first.
pub(crate) fn stages(
    flavour: &Flavour,
    until: Option<&str>,
) -> Result<Vec<&'static Stage>, Failure> {
    match until {
        None => Ok(flavour.stages.iter().collect()),
        Some("ssh") => Ok(Vec::new()),
        Some(name) => known(flavour, name).map(|stage| flavour.with_needs(stage)),
    }
}

/// The stage of that name.
pub(crate) fn known(flavour: &Flavour, name: &str) -> Result<&'static Stage, Failure> {
    flavour.stage(name).ok_or_else(|| {
        let names = || flavour.stages.iter().map(|stage| stage.name);
        let failure = Failure::unknown(format!("there is no stage '{name}'"));
        match nearest(name, names()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure
                .hint(format!("choose from: ssh, {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// Takes the lab's lock.
pub(crate) fn lock(session: &Session, command: &str) -> Result<FileLock, Failure> {
    session.store.lock(&format!("lab {command}")).map_err(|error| match error {
        LockError::Held(holder) => Failure::busy(&session.lab.name, holder),
        LockError::Failed(error) => error.into(),
    })
}

/// The node of that name, or what there is instead.
pub(crate) fn known_node<'l>(lab: &'l Lab, name: &str) -> Result<&'l Node, Failure> {
    lab.node(name).ok_or_else(|| {
        let names = || lab.nodes.iter().map(|node| node.name.as_str());
        let failure = Failure::unknown(format!("the lab '{}' has no node '{name}'", lab.name));
        match nearest(name, names()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("its nodes: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// The nodes that `--limit` names, by their names or their roles; `None` where it names none.
pub(crate) fn limit(lab: &Lab, words: &[String]) -> Result<Option<BTreeSet<String>>, Failure> {
    let mut nodes = BTreeSet::new();
    for word in words {
        match Role::parse(word).filter(|_| lab.node(word).is_none()) {
            Some(role) => nodes.extend(lab.with_role(role).map(|node| node.name.clone())),
            None => drop(nodes.insert(known_node(lab, word)?.name.clone())),
        }
    }
    if nodes.is_empty() && !words.is_empty() {
        return Err(Failure::unknown(format!("no node of the lab '{}' has such a role", lab.name)));
    }
    Ok((!words.is_empty()).then_some(nodes))
}
