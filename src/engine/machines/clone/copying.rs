//! A node becomes a copy of a golden guest.

use std::path::PathBuf;
use std::sync::Arc;

use crate::drivers::assets::goldens::Golden;
use crate::drivers::provider::{Provider, ProviderError};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::machines::clone::devices::plugged;
use crate::engine::machines::provision::{self, call};
use crate::engine::task::error::EngineError;
use crate::model::Node;
use crate::model::snapshot::{Documents, Kind};
use crate::render::{self, DeviceSpec, DomainSpec, SnapshotSpec, VolumeSpec, golden};

/// Makes a new node a copy of a golden guest. Whatever is there of it goes first.
///
/// # Errors
/// When the provider refuses.
pub(crate) async fn copy(
    session: &Session,
    prepared: &Prepared,
    provider: &Arc<dyn Provider>,
    node: &Node,
    domain: &DomainSpec,
    from: &Golden,
) -> Result<(), EngineError> {
    provision::remove(session, provider, &node.name, domain.uuid, Vec::new()).await?;
    let own = |name: &str| provision::own_volume(session, prepared, node, name);
    let (volume, _) = own(&render::overlay_name(node))?;
    let (seed, content) = own(&render::seed_name(node))?;
    let copy = Copy::of(session, prepared, node, domain, from, volume)?;
    call(provider, move |h| {
        h.storage()?.ensure_volume(&seed, &content)?;
        copy.make(h)
    })
    .await
}

/// What a copy of a golden guest is made of.
struct Copy {
    volume: VolumeSpec,
    disk: PathBuf,
    part: SnapshotSpec,
    documents: Documents,
    domain: DomainSpec,
    devices: Vec<DeviceSpec>,
}

impl Copy {
    fn of(
        session: &Session,
        prepared: &Prepared,
        node: &Node,
        domain: &DomainSpec,
        from: &Golden,
        volume: VolumeSpec,
    ) -> Result<Self, EngineError> {
        let (templates, lab) = (&session.templates, &session.lab);
        let placement = prepared.placement(session, node);
        let known = &from.documents;
        Ok(Self {
            volume,
            disk: from.disk.clone(),
            part: render::snapshot(templates, lab, node, golden::BASE_SNAPSHOT, Kind::Memory, 0)?,
            documents: golden::documents_of(known, lab, node, domain, &placement)?,
            devices: plugged(domain)?,
            domain: domain.clone(),
        })
    }

    /// Makes it. Its disk counts last: one that was cut is made anew.
    fn make(&self, provider: &dyn Provider) -> Result<(), ProviderError> {
        let uuid = self.domain.uuid;
        provider.clones()?.copy_volume(&self.volume, &self.disk)?;
        provider.snapshots()?.revert(&self.part, &self.documents)?;
        provider.snapshots()?.forget(&self.part, &self.documents)?;
        provider.machines()?.define(&self.domain)?;
        for device in &self.devices {
            provider.clones()?.plug(uuid, device)?;
        }
        provider.power()?.start(uuid)?;
        provider.clones()?.seal_volume(&self.volume.pool, &self.volume.name)
    }
}
