//! `lab snapshot list`: what there is, and whether it can be restored.

use serde::Serialize;

use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::snapshot::parts;
use crate::engine::task::error::EngineError;
use crate::model::snapshot::{Intent, Kind, Manifest};
use crate::model::topology;
use crate::model::{Lab, Node, code};
use crate::render;

/// A snapshot as it is told.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotInfo {
    /// Name.
    pub name: String,
    /// When it was made, RFC 3339; empty for one that was never completed.
    pub created: String,
    /// Seconds since.
    pub age_seconds: i64,
    /// What it holds.
    pub kind: Option<Kind>,
    /// Nodes in it.
    pub nodes: usize,
    /// Bytes it takes.
    pub bytes: u64,
    /// The last stage that had been gone through; `None` when nobody knows.
    pub stage: Option<String>,
    /// True when it can be restored.
    pub restorable: bool,
    /// Why not, or what to know before.
    pub remark: String,
}

/// All snapshots of a lab, oldest first.
///
/// # Errors
/// When the lab's directory cannot be read, or the provider does not answer.
pub async fn list(session: &Session) -> Result<Vec<SnapshotInfo>, EngineError> {
    let shelf = SnapshotStore::new(&session.store);
    let names = shelf.names()?;
    let provider = match session.provider.is_running() && !names.is_empty() {
        true => Some(session.provider.connect()?),
        false => None,
    };
    let mut all = Vec::new();
    for name in names {
        let manifest = shelf.manifest(&name)?;
        let Some(manifest) = manifest else {
            all.push(cut(name));
            continue;
        };
        let lost = match &provider {
            Some(provider) => {
                let lab = lab_of(session, &name)?;
                manifest.lost(&parts::disks(session, provider, &lab).await?)
            }
            None => lost_files(session, &manifest),
        };
        let intent = shelf.intent(&name)?;
        all.push(told(&manifest, lost, intent.as_ref()));
    }
    all.sort_by(|a, b| a.created.cmp(&b.created).then(a.name.cmp(&b.name)));
    Ok(all)
}

/// One that was cut while it was made or deleted.
fn cut(name: String) -> SnapshotInfo {
    SnapshotInfo {
        name,
        created: String::new(),
        age_seconds: 0,
        kind: None,
        nodes: 0,
        bytes: 0,
        stage: None,
        restorable: false,
        remark: "it was cut; the next `lab up` or `lab snapshot` clears it away".into(),
    }
}

fn told(manifest: &Manifest, lost: Option<String>, intent: Option<&Intent>) -> SnapshotInfo {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let restorable = lost.is_none() && intent != Some(&Intent::Delete);
    let remark = match (lost, intent) {
        (Some(lost), _) => lost,
        (None, Some(Intent::Delete)) => "its deletion was cut; delete it again".into(),
        (None, Some(Intent::Restore { .. })) => "its restore was cut; restore it again".into(),
        _ => certificates(manifest, now).unwrap_or_default(),
    };
    SnapshotInfo {
        name: manifest.name.clone(),
        created: manifest.created.clone(),
        age_seconds: (now - manifest.created_unix).max(0),
        kind: Some(manifest.kind),
        nodes: manifest.nodes.len(),
        bytes: manifest.bytes(),
        stage: manifest.stages.last().cloned(),
        restorable,
        remark,
    }
}

/// True when a certificate inside has ended, so that its cluster does not find together.
pub(super) fn has_ended(manifest: &Manifest, now: i64) -> bool {
    manifest.first_certificate.as_ref().is_some_and(|(_, end)| *end < now)
}

/// What to know about the certificates inside; `None` when they are good for a month.
pub(super) fn certificates(manifest: &Manifest, now: i64) -> Option<String> {
    let (name, end) = manifest.first_certificate.as_ref()?;
    match (end - now).div_euclid(86_400) {
        days if days < 0 => Some(format!("its certificate {name} ended {} days ago", -days)),
        days if days < 30 => Some(format!("its certificate {name} ends in {days} days")),
        _ => None,
    }
}

/// The same question while a private provider does not run: its files are at hand.
fn lost_files(session: &Session, manifest: &Manifest) -> Option<String> {
    let ProviderKind::Private(libvirt) = &session.provider else { return None };
    let pool = std::path::PathBuf::from(libvirt.layout().pool(&session.lab.pool()));
    let lab = lab_of(session, &manifest.name).ok()?;
    let nodes = manifest.nodes.iter().filter_map(|part| lab.node(&part.node));
    let lacks =
        |node: &&Node| render::disks_of(node).iter().any(|volume| !pool.join(volume).exists());
    let gone = nodes.into_iter().find(lacks)?;
    Some(format!("a disk of {} is gone", gone.name))
}

/// The lab as a snapshot has it.
///
/// # Errors
/// When its topology is gone or broken.
pub(super) fn lab_of(session: &Session, name: &str) -> Result<Lab, EngineError> {
    let text = SnapshotStore::new(&session.store).file(name, "topology.yaml")?;
    let text = text.unwrap_or_else(|| session.source.clone());
    match topology::load_again(&text, &session.owner) {
        Ok(loaded) => Ok(loaded.lab),
        Err(_) => {
            Err(EngineError::of(&code::SNAPSHOT, format!("read the topology in snapshot '{name}'")))
        }
    }
}
