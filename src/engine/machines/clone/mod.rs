//! Golden guests: which nodes are copied from one, how one is made where it is missing ([`making`]), and
//! how a node becomes its copy ([`copying`]). See [`crate::render::golden`].

mod copying;
mod devices;
mod making;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

pub(crate) use copying::copy;
pub(crate) use making::{builders, end};

use crate::drivers::assets::goldens::{Golden, Goldens};
use crate::drivers::host;
use crate::drivers::provider::Provider;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::machines::provision::call;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::Node;
use crate::model::assets::golden_name;
use crate::model::options::Cloning;
use crate::plan::{Change, ChangeKind, Object};
use crate::render;
use crate::render::golden::GoldenKey;

/// The golden guests that nodes of a run are copied from, by node. What is asked for is made where it is
/// missing; where that fails, the node boots.
///
/// # Errors
/// When the provider does not answer.
pub(crate) async fn choose(
    session: &Session,
    prepared: &Prepared,
    provider: &Arc<dyn Provider>,
    changes: &[Change],
    events: &Events,
) -> Result<BTreeMap<String, Golden>, EngineError> {
    let wish = session.lab.options.clone;
    let new: Vec<&Node> = session.lab.nodes.iter().filter(|node| is_new(node, changes)).collect();
    if wish == Cloning::Boot || new.is_empty() {
        return Ok(BTreeMap::new());
    }
    let version = call(provider, |h| h.version()).await?;
    let mut wanted: BTreeMap<GoldenKey, Vec<&Node>> = BTreeMap::new();
    for node in new {
        match refusal(&**provider, node) {
            Some(why) if wish == Cloning::Warm => {
                events.warn(format!("{} boots: {why}", node.name));
            }
            Some(_) => {}
            None => {
                let key = golden_key(session, prepared, node, &version)?;
                wanted.entry(key).or_default().push(node);
            }
        }
    }
    let goldens = Goldens::new(session.images.cache());
    let found = wanted.iter().map(async |(key, nodes)| {
        let golden = match (goldens.find(key), nodes.first()) {
            (None, Some(node)) if wish == Cloning::Warm => {
                made(session, prepared, node, key, events).await
            }
            (found, _) => found,
        };
        (nodes, golden)
    });
    let found = join_all(found).await.into_iter();
    let chosen: BTreeMap<String, Golden> = found
        .filter_map(|(nodes, golden)| Some((nodes, golden?)))
        .flat_map(|(nodes, golden)| nodes.iter().map(move |n| (n.name.clone(), golden.clone())))
        .collect();
    if !chosen.is_empty() {
        let names: Vec<&str> = chosen.keys().map(String::as_str).collect();
        events.note(format!("copies of golden guests: {}", names.join(", ")));
    }
    Ok(chosen)
}

/// The key of a node on this computer, with libvirt and QEMU of `version`.
///
/// # Errors
/// When there is no image, or a template cannot be rendered.
pub fn golden_key(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    version: &str,
) -> Result<GoldenKey, EngineError> {
    let (templates, lab, platform) = (&session.templates, &session.lab, &prepared.platform);
    let placement = prepared.placement(session, node);
    let here = (&*host::processor(), version);
    Ok(GoldenKey::of(templates, lab, node, platform, &placement, here)?)
}

/// True for a node that gets a new disk.
pub(crate) fn is_new(node: &Node, changes: &[Change]) -> bool {
    let mut own = changes.iter().filter(|change| change.node.as_ref() == Some(&node.name));
    let disk = render::overlay_name(node);
    own.any(|change| match change.object {
        Object::Volume => change.kind == ChangeKind::Create && change.name == disk,
        Object::Domain => change.kind == ChangeKind::Replace,
        _ => false,
    })
}

/// Why a node cannot be a copy, where that is known beforehand.
fn refusal(provider: &dyn Provider, node: &Node) -> Option<&'static str> {
    if provider.clones().is_err() {
        return Some("copies of golden guests are made on private providers only");
    }
    if !node.disks.is_empty() {
        return Some("a golden guest has no room for its further disks");
    }
    if node.xml.is_some() {
        return Some("its definition has something of a person's own");
    }
    (!node.user_data.is_empty()).then_some("its user_data wants a first boot")
}

/// Makes a golden guest; `None` with a warning where that fails.
async fn made(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    key: &GoldenKey,
    events: &Events,
) -> Option<Golden> {
    let task = format!("golden {}", golden_name(&node.os, node.cpus, node.memory_mib));
    let work = events.timed(None, &task, making::make(session, prepared, node, key));
    match work.await {
        Ok(golden) => Some(golden),
        Err(error) => {
            events.warn(format!("{}; its nodes boot", error.message));
            None
        }
    }
}
