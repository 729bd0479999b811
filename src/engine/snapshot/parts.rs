//! The nodes' parts of a snapshot: one call for each, all side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drivers::provider::{Provider, ProviderError};
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::machines::provision::call;
use crate::engine::task::error::EngineError;
use crate::model::Lab;
use crate::model::snapshot::{Kind, first};
use crate::render::{self, SnapshotSpec};

/// A node's part: its name and what libvirt is told of it.
pub(super) type NodePart = (String, SnapshotSpec);

/// The parts of all nodes of `lab`.
///
/// # Errors
/// When a template cannot be rendered.
pub(super) fn node_parts(
    session: &Session,
    lab: &Lab,
    name: &str,
    kind: Kind,
) -> Result<Vec<NodePart>, EngineError> {
    let created = time::OffsetDateTime::now_utc().unix_timestamp();
    let piece = |node| {
        let spec = render::snapshot(&session.templates, lab, node, name, kind, created);
        spec.map(|spec| (node.name.clone(), spec)).map_err(EngineError::from)
    };
    lab.nodes.iter().map(piece).collect()
}

/// Makes one call for each part, all at once, and waits for all of them. What was returned, in
/// order, or the first error once all have ended.
pub(super) async fn for_all<T, F>(
    provider: &Arc<dyn Provider>,
    node_parts: &[NodePart],
    work: F,
) -> Result<Vec<(String, T)>, EngineError>
where
    T: Send + 'static,
    F: Fn(&dyn Provider, &str, &SnapshotSpec) -> Result<T, ProviderError> + Clone + Send + 'static,
{
    let mut calls = tokio::task::JoinSet::new();
    for (at, (node, spec)) in node_parts.iter().cloned().enumerate() {
        let (provider, work) = (Arc::clone(provider), work.clone());
        calls.spawn(async move {
            let name = node.clone();
            (at, name, call(&provider, move |h| work(h, &node, &spec)).await)
        });
    }
    let mut done = Vec::new();
    let mut first: Option<EngineError> = None;
    while let Some(ended) = calls.join_next().await {
        match ended.map_err(|error| EngineError::internal(error.to_string()))? {
            (at, node, Ok(value)) => done.push((at, node, value)),
            (_, _, Err(error)) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) => Err(error),
        None => {
            done.sort_by_key(|(at, ..)| *at);
            Ok(done.into_iter().map(|(_, node, value)| (node, value)).collect())
        }
    }
}

/// Removes whatever there is of a snapshot, lets guests that stand still go on, and forgets it.
///
/// # Errors
/// When the provider refuses; what was begun then stays written down.
pub(super) async fn rollback(
    session: &Session,
    provider: &Arc<dyn Provider>,
    name: &str,
) -> Result<(), EngineError> {
    let shelf = SnapshotStore::new(&session.store);
    let lab = session.before()?;
    let lab = lab.as_ref().unwrap_or(&session.lab);
    let kept = shelf.manifest(name)?;
    let kind = kept.as_ref().map_or(Kind::Disk, |manifest| manifest.kind);
    remove(session, provider, lab, name, kind).await?;
    let inventory = call(provider, |h| h.inventory()).await?;
    for domain in inventory.domains.iter().filter(|domain| domain.paused) {
        if domain.node_of(lab.id).is_some() {
            let uuid = domain.uuid;
            call(provider, move |h| h.power()?.start(uuid)).await?;
        }
    }
    Ok(shelf.remove(name)?)
}

/// Deletes the parts of the nodes whose disks are still those that were saved.
pub(super) async fn remove(
    session: &Session,
    provider: &Arc<dyn Provider>,
    lab: &Lab,
    name: &str,
    kind: Kind,
) -> Result<(), EngineError> {
    let shelf = SnapshotStore::new(&session.store);
    let there = disks(session, provider, lab).await?;
    let kept = shelf.manifest(name)?.map(|manifest| manifest.nodes).unwrap_or_default();
    let anew = |node: &str| {
        let part = kept.iter().find(|part| part.node == node);
        part.is_some_and(|part| there.get(node).map(|disk| first(disk)) != Some(first(&part.disk)))
    };
    let mut node_parts = node_parts(session, lab, name, kind)?;
    node_parts.retain(|(node, _)| there.contains_key(node) && !anew(node));
    let nodes: Vec<String> = node_parts.iter().map(|(node, _)| node.clone()).collect();
    let documents = Arc::new(shelf.documents(name, &nodes)?);
    for_all(provider, &node_parts, move |h, node, spec| {
        h.snapshots()?.forget(spec, &documents.get(node).cloned().unwrap_or_default())
    })
    .await
    .map(drop)
}

/// In place of what tells a further disk from others.
const GONE: &str = "gone";

/// What tells the nodes' disks from others, by node; nodes without a disk are left out.
pub(super) async fn disks(
    session: &Session,
    provider: &Arc<dyn Provider>,
    lab: &Lab,
) -> Result<BTreeMap<String, String>, EngineError> {
    let all = node_parts(session, lab, "any", Kind::Disk)?;
    let look = |h: &dyn Provider, _: &str, spec: &SnapshotSpec| {
        let storage = h.storage()?;
        let of = |disk: &String| storage.volume_identity(&spec.pool, disk);
        let Some(first) = of(&spec.disk)? else { return Ok(None) };
        let further: Vec<Option<String>> = spec.others.iter().map(of).collect::<Result<_, _>>()?;
        let further = further.into_iter().map(|found| found.unwrap_or_else(|| GONE.into()));
        Ok(Some(std::iter::once(first).chain(further).collect::<Vec<_>>().join(" ")))
    };
    let found = for_all(provider, &all, look).await?;
    Ok(found.into_iter().filter_map(|(node, disk)| Some((node, disk?))).collect())
}
