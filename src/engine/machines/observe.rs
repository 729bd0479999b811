//! Looking at nodes: how far their stages got.

use std::collections::BTreeMap;

use crate::drivers::guest::Guest;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::kubernetes::drift::Upkeep;
use crate::kubernetes::facts::Facts;
use crate::kubernetes::stage::Stage;
use crate::kubernetes::{flavour, marker};
use crate::model::inventory::{Inventory, MachineState};
use crate::model::{Lab, Node};
use crate::plan::{Desired, Observed};

/// Reads the markers of all nodes that run, side by side. Nodes that do not answer within
/// the patience of a glance are left out.
pub(crate) async fn markers(
    session: &Session,
    inventory: &Inventory,
    reach: &Reach,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let patience = session.timeouts().glance();
    let mut asked = tokio::task::JoinSet::new();
    for node in running(session, inventory) {
        let (name, guest) = (node.name.clone(), reach(node));
        asked.spawn(async move {
            let read = tokio::time::timeout(patience, read_markers(&*guest)).await;
            (name, read.ok().and_then(Result::ok))
        });
    }
    let mut found = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((name, Some(markers))) = answer {
            found.insert(name, markers);
        }
    }
    found
}

/// Asks all nodes that run, side by side, how far their stages got and whether what those left is still
/// so. Nodes that do not answer within the patience of a glance are left out.
///
/// # Errors
/// When the script that asks cannot be rendered.
pub(crate) async fn look(
    session: &Session,
    desired: &Desired,
    reach: &Reach,
    observed: &mut Observed,
) -> Result<(), EngineError> {
    let patience = session.timeouts().glance();
    let mut asked = tokio::task::JoinSet::new();
    for node in running(session, &observed.inventory) {
        let goals = desired.stages.iter().filter(|goal| goal.node == node.name);
        let upkeep = Upkeep::all(goals.map(|goal| &goal.upkeep));
        let script = upkeep.script(&session.templates)?;
        // What the cluster keeps takes a program for each question.
        let to_answer =
            if upkeep.is_of_the_cluster() { session.timeouts().vitals() } else { patience };
        let (name, guest) = (node.name.clone(), reach(node));
        asked.spawn(async move {
            let read = tokio::time::timeout(patience, guest.run(marker::READ)).await;
            let read = read.ok().and_then(Result::ok).map(|output| output.text());
            let versions = read.as_deref().map(marker::versions).unwrap_or_default();
            let markers = read.as_deref().map(marker::parse);
            let facts = match &markers {
                Some(markers) if !markers.is_empty() => {
                    tokio::time::timeout(to_answer, guest.run(&script)).await.ok()
                }
                _ => None,
            };
            (name, markers, versions, facts.and_then(Result::ok))
        });
    }
    while let Some(answer) = asked.join_next().await {
        let Ok((name, Some(markers), versions, output)) = answer else { continue };
        let facts = output.and_then(|output| Facts::parse(&output.text()));
        observed.facts.extend(facts.map(|facts| (name.clone(), facts)));
        observed.versions.insert(name.clone(), versions);
        observed.markers.insert(name, markers);
    }
    Ok(())
}

/// The nodes whose machines run.
pub(crate) fn running<'s>(
    session: &'s Session,
    inventory: &'s Inventory,
) -> impl Iterator<Item = &'s Node> + 's {
    let runs = |node: &&Node| inventory.machine(node).is_some_and(MachineState::is_active);
    session.lab.nodes.iter().filter(runs)
}

/// Reads one node's markers, however long its guest's patience is.
///
/// # Errors
/// When the node does not let us in.
pub(crate) async fn read_markers(
    guest: &dyn Guest,
) -> Result<BTreeMap<String, String>, EngineError> {
    let output = guest.run(marker::READ).await?;
    Ok(marker::parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Stages that all their nodes have gone through, in the order they are told.
pub(crate) fn reached(
    lab: &Lab,
    markers: &BTreeMap<String, BTreeMap<String, String>>,
) -> Vec<String> {
    let has = |node: &Node, stage: &str| {
        markers.get(&node.name).is_some_and(|markers| markers.contains_key(stage))
    };
    let done = |stage: &&Stage| {
        let nodes = (stage.nodes)(lab);
        !nodes.is_empty() && nodes.iter().all(|node| has(node, stage.name))
    };
    flavour(lab).stages.iter().filter(done).map(|stage| stage.name.to_owned()).collect()
}
