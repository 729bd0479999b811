//! `status`: what every node is doing, read and never guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::drivers::provider::Provider;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::machines::observe::{markers, running};
use crate::engine::machines::provision::call;
use crate::engine::task::error::EngineError;
use crate::kubernetes::node_info::{self, Vitals};
use crate::kubernetes::operations::ready_nodes;
use crate::model::inventory::{Inventory, MachineState};
use crate::model::{Node, Role};

/// A lab's state.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Lab name.
    pub lab: String,
    /// What nodes stand on: `system`, `private` or `existing`.
    pub provider: String,
    /// True when the provider runs.
    pub provider_running: bool,
    /// Deprecated: the same as `provider`.
    pub engine: String,
    /// Deprecated: the same as `provider_running`.
    pub engine_running: bool,
    /// Nodes in file order.
    pub nodes: Vec<NodeStatus>,
    /// Floating addresses in file order.
    pub vips: Vec<VipStatus>,
    /// The etcd member that leads, when it says so.
    pub etcd_leader: Option<String>,
    /// The certificate that ends first.
    pub certificate: Option<CertificateStatus>,
    /// Stages in the order they are told; those that no node has are left out.
    pub stages: Vec<StageStatus>,
}

/// A floating address and who has it.
#[derive(Clone, Debug, Serialize)]
pub struct VipStatus {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// Nodes that have it now; one, when all is well.
    pub holders: Vec<String>,
    /// Nodes that run, may have it and do not say.
    pub silent: Vec<String>,
}

/// The certificate that ends first.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateStatus {
    /// Its name among the lab's files.
    pub name: String,
    /// Days left.
    pub days: i64,
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
    /// What the node says of itself; `null` when it does not answer.
    pub vitals: Option<Vitals>,
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
/// When the provider runs but does not answer.
pub async fn status(session: &Session) -> Result<Status, EngineError> {
    let running = session.provider.is_running().then(|| session.provider.connect()).transpose()?;
    let reach = if running.is_some() { session.glance()? } else { None };
    status_with(session, running.as_ref(), reach.as_ref()).await
}

/// The same with a given provider, where one runs, and a way to the nodes, where there are keys.
///
/// # Errors
/// As [`status`].
pub async fn status_with(
    session: &Session,
    provider: Option<&Arc<dyn Provider>>,
    reach: Option<&Reach>,
) -> Result<Status, EngineError> {
    let lab = &session.lab;
    let provider_running = provider.is_some();
    let mut inventory = Inventory::default();
    let mut found = BTreeMap::new();
    let mut ready = BTreeMap::new();
    let mut vitals = BTreeMap::new();
    if let Some(provider) = provider {
        inventory = call(provider, |h| h.inventory()).await?;
        if let Some(reach) = reach {
            found = markers(session, &inventory, reach).await;
            let known = |node: &&Node| found.contains_key(&node.name);
            let asked = all_vitals(session, reach, lab.nodes.iter().filter(known).collect());
            let told = async {
                let mut told = BTreeMap::new();
                // An API server that hangs knows nothing; another one does.
                for controller in lab.with_role(Role::ControlPlane).filter(known) {
                    if told.is_empty() {
                        told = readiness(session, &*reach(controller)).await;
                    }
                }
                told
            };
            let (asked, told) = tokio::join!(asked, told);
            (vitals, ready) = (asked?, told);
        }
    }
    let vips = lab.vips.iter().map(|vip| {
        let has = |(_, vitals): &(&String, &Vitals)| vitals.vips.contains(&vip.name);
        let holders = vitals.iter().filter(has).map(|(node, _)| node.clone());
        let may = |node: &&Node| lab.vips_of(node).any(|other| other.name == vip.name);
        let silent = running(session, &inventory).filter(may);
        let silent = silent.filter(|node| !vitals.contains_key(&node.name));
        VipStatus {
            name: vip.name.clone(),
            address: vip.address.to_string(),
            holders: holders.collect(),
            silent: silent.map(|node| node.name.clone()).collect(),
        }
    });
    let vips = vips.collect();
    let leads = |(_, vitals): &(&String, &Vitals)| vitals.etcd_leader == Some(true);
    let etcd_leader = vitals.iter().find(leads).map(|(node, _)| node.clone());
    let nodes = lab.nodes.iter().map(|node| {
        let state = match inventory.machine(node) {
            None => "absent",
            Some(MachineState::Stopped) => "stopped",
            Some(_) if found.contains_key(&node.name) => "up",
            Some(_) => "running",
        };
        NodeStatus {
            name: node.name.clone(),
            roles: node.roles.iter().copied().collect(),
            ip: node.address.to_string(),
            state: state.into(),
            ready: ready.get(&node.name).copied(),
            vitals: vitals.get(&node.name).cloned(),
        }
    });
    let stages = session.flavour().stages.iter().map(|stage| {
        let has = |name: &String| found.get(name).is_some_and(|m| m.contains_key(stage.name));
        let names = (stage.nodes)(lab).into_iter().map(|node| node.name.clone());
        let (done, missing) = names.partition(has);
        StageStatus { name: stage.name.into(), done, missing }
    });
    Ok(Status {
        lab: lab.name.clone(),
        provider: session.provider.name().into(),
        provider_running,
        engine: session.provider.name().into(),
        engine_running: provider_running,
        nodes: nodes.collect(),
        vips,
        etcd_leader,
        certificate: first_to_end(session)?,
        stages: stages.filter(|s| s.done.len() + s.missing.len() > 0).collect(),
    })
}

/// Vitals by node name, of the nodes that answer in time.
async fn all_vitals(
    session: &Session,
    reach: &Reach,
    nodes: Vec<&Node>,
) -> Result<BTreeMap<String, Vitals>, EngineError> {
    let patience = session.timeouts().vitals();
    let mut asked = tokio::task::JoinSet::new();
    for node in nodes {
        let script = session.flavour().node_info(&session.lab, &session.templates, node)?;
        let guest = reach(node);
        let name = node.name.clone();
        asked.spawn(async move {
            let read = tokio::time::timeout(patience, guest.run(&script)).await;
            let output = read.ok().and_then(Result::ok)?;
            Some((name, node_info::parse(&String::from_utf8_lossy(&output.stdout))))
        });
    }
    let mut found = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        found.extend(answer.ok().flatten());
    }
    Ok(found)
}

/// The lab's certificate that ends first, from the files on this computer.
fn first_to_end(session: &Session) -> Result<Option<CertificateStatus>, EngineError> {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let bundle = session.store.bundle()?;
    let first = bundle.entries.iter().min_by_key(|(_, entry)| entry.made.not_after);
    Ok(first.map(|(name, entry)| CertificateStatus {
        name: name.clone(),
        days: (entry.made.not_after - now) / 86_400,
    }))
}

/// Readiness by node name, as the API server tells it.
async fn readiness(
    session: &Session,
    guest: &dyn crate::drivers::guest::Guest,
) -> BTreeMap<String, bool> {
    let Ok(script) = (session.flavour().operations.readiness)(&session.templates) else {
        return BTreeMap::new();
    };
    let Ok(output) = guest.run(&script).await else { return BTreeMap::new() };
    ready_nodes(&String::from_utf8_lossy(&output.stdout)).collect()
}
