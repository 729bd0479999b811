//! `status`: what every node is doing, read and never guessed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::EngineError;
use super::observe::markers;
use super::provision::call;
use super::session::Session;
use crate::model::Role;
use crate::model::inventory::Inventory;
use crate::stages::STAGES;

/// A lab's state.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Lab name.
    pub lab: String,
    /// `system` or `private`.
    pub engine: String,
    /// True when the hypervisor answers.
    pub engine_running: bool,
    /// Nodes in file order.
    pub nodes: Vec<NodeStatus>,
    /// Stages in the order they are told.
    pub stages: Vec<StageStatus>,
}

/// A node's state.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Name.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Address.
    pub ip: String,
    /// `absent`, `stopped`, `running` (no login yet) or `up`.
    pub state: String,
    /// Kubernetes' word on the node; `null` for nodes that are none, or when nobody can say.
    pub ready: Option<bool>,
}

/// How far a stage got.
#[derive(Clone, Debug, Serialize)]
pub struct StageStatus {
    /// Stage name.
    pub name: String,
    /// Nodes that finished it.
    pub done: Vec<String>,
    /// Nodes that have not.
    pub missing: Vec<String>,
}

/// Looks at the lab.
///
/// # Errors
/// When the hypervisor runs but does not answer.
pub async fn status(session: &Session) -> Result<Status, EngineError> {
    let lab = &session.lab;
    let engine_running = session.place.is_running();
    let mut inventory = Inventory::default();
    let mut found = BTreeMap::new();
    let mut ready = BTreeMap::new();
    if engine_running {
        let hypervisor = session.place.connect()?;
        inventory = call(&hypervisor, |h| h.inventory()).await?;
        if let Some(reach) = session.glance()? {
            found = markers(session, &inventory, &reach).await;
            let controller =
                lab.with_role(Role::ControlPlane).find(|n| found.contains_key(&n.name));
            if let Some(controller) = controller {
                ready = readiness(&*reach(controller)).await;
            }
        }
    }
    let nodes = lab.nodes.iter().map(|node| {
        let domain = inventory.domains.iter().find(|domain| domain.uuid == node.uuid);
        let state = match domain {
            None => "absent",
            Some(domain) if !domain.active => "stopped",
            Some(_) if found.contains_key(&node.name) => "up",
            Some(_) => "running",
        };
        NodeStatus {
            name: node.name.clone(),
            roles: node.roles.iter().copied().collect(),
            ip: node.address.to_string(),
            state: state.into(),
            ready: ready.get(&node.name).copied(),
        }
    });
    let stages = STAGES.iter().map(|stage| {
        let has = |name: &String| found.get(name).is_some_and(|m| m.contains_key(stage.name));
        let names = (stage.nodes)(lab).into_iter().map(|node| node.name.clone());
        let (done, missing) = names.partition(has);
        StageStatus { name: stage.name.into(), done, missing }
    });
    Ok(Status {
        lab: lab.name.clone(),
        engine: session.place.name().into(),
        engine_running,
        nodes: nodes.collect(),
        stages: stages.collect(),
    })
}

/// Readiness by node name, as the API server tells it.
async fn readiness(guest: &dyn crate::drivers::guest::Guest) -> BTreeMap<String, bool> {
    let script = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s get nodes \
                  -o 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}' 2>/dev/null";
    let Ok(output) = guest.run(script).await else { return BTreeMap::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, ready)| (name.to_owned(), ready == "True"))
        .collect()
}
