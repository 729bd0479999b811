//! Bringing the provider's objects about. All calls block, so each runs on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::drivers::assets::{artifact_disk, seed};
use crate::drivers::provider::{Content, Delivered, Delivery, Provider, ProviderError};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::task::blocking::blocking;
use crate::engine::task::error::EngineError;
use crate::model::inventory::Inventory;
use crate::model::platform::Image;
use crate::model::{Node, code};
use crate::pki::SshKeys;
use crate::plan::{Change, ChangeKind, Desired, Object};
use crate::render::{self, DomainSpec, VolumeSpec};

/// Runs a blocking call of the provider.
pub(crate) async fn call<T, F>(provider: &Arc<dyn Provider>, work: F) -> Result<T, EngineError>
where
    T: Send + 'static,
    F: FnOnce(&dyn Provider) -> Result<T, ProviderError> + Send + 'static,
{
    let provider = Arc::clone(provider);
    Ok(blocking(move || work(&*provider)).await??)
}

/// Makes what the whole lab shares: pool, network, shared volumes; removes what must go.
pub(crate) async fn shared(
    session: &Session,
    prepared: &Prepared,
    desired: &Desired,
    provider: &Arc<dyn Provider>,
    change: &Change,
) -> Result<(), EngineError> {
    match (change.object, change.kind) {
        (Object::Pool, _) => {
            let pool = desired.pool.clone();
            call(provider, move |h| pool.map_or(Ok(()), |pool| h.storage()?.ensure_pool(&pool)))
                .await
        }
        (Object::Network, _) => {
            let network = desired.network.clone();
            call(provider, move |h| {
                network.map_or(Ok(()), |network| h.networks()?.ensure_network(&network))
            })
            .await
        }
        (Object::Volume, ChangeKind::Remove) => {
            let (pool, name) = (session.lab.pool(), change.name.clone());
            call(provider, move |h| h.storage()?.remove_volume(&pool, &name)).await
        }
        (Object::Volume, _) => {
            let (volume, content) = shared_volume(session, prepared, &change.name)?;
            call(provider, move |h| h.storage()?.ensure_volume(&volume, &content)).await
        }
        (Object::Routes, _) => {
            let (bridge, routes) = (session.lab.network.bridge.clone(), desired.routes.clone());
            call(provider, move |h| h.surroundings()?.set_routes(&bridge, &routes)).await
        }
        (Object::Uplink, _) => {
            session.hit("start the uplink")?;
            let internet_only = session.lab.network.uplink.spares_the_computer();
            call(provider, move |h| h.surroundings()?.start_uplink(internet_only)).await
        }
        (Object::Domain, ChangeKind::Remove) => {
            remove_node(session, desired, provider, change).await
        }
        // The provider was started, and certificates made, before there was a plan; domains and stages
        // have lanes of their own; what else there is only goes when the lab does.
        (
            Object::Provider
            | Object::Certificate
            | Object::Domain
            | Object::Machine
            | Object::Stage
            | Object::Builders
            | Object::HostsBlock
            | Object::Context
            | Object::Files,
            _,
        ) => Ok(()),
    }
}

/// Definition and content of a base image, kernel, initrd or artifact disk, by volume name.
fn shared_volume(
    session: &Session,
    prepared: &Prepared,
    name: &str,
) -> Result<(VolumeSpec, Content), EngineError> {
    let (templates, pool) = (&session.templates, session.lab.pool());
    if prepared.platform.artifact_volume().as_deref() == Some(name) {
        let file = artifact_disk(session, prepared)?;
        let volume = render::raw_volume(templates, &pool, name, file_length(&file)?)?;
        return Ok((volume, Content::File(file)));
    }
    for (os, image) in &prepared.platform.images {
        let base = image.volume();
        let (kernel, initrd) = session.images.boot(os);
        if name == format!("{base}.qcow2") {
            let volume = render::base_volume(templates, &pool, name, image.virtual_size)?;
            return Ok((volume, Content::File(session.images.disk(os))));
        }
        for (suffix, file) in [("vmlinuz", kernel), ("initrd", initrd)] {
            if name == format!("{base}.{suffix}") {
                let volume = render::raw_volume(templates, &pool, name, file_length(&file)?)?;
                return Ok((volume, Content::File(file)));
            }
        }
    }
    Err(EngineError::internal(format!("make volume {name}: nobody knows what is in it")))
}

fn file_length(path: &std::path::Path) -> Result<u64, EngineError> {
    let meta = std::fs::metadata(path);
    meta.map(|meta| meta.len())
        .map_err(|e| EngineError::of(&code::COMPUTER, format!("read {}: {e}", path.display())))
}

/// The artifact disk on this computer, made when it is not there yet.
pub(crate) fn artifact_disk(
    session: &Session,
    prepared: &Prepared,
) -> Result<PathBuf, EngineError> {
    if let Some(path) = &prepared.artifact_disk {
        return Ok(path.clone());
    }
    let Some(found) = &prepared.found else {
        return Err(EngineError::of(
            &code::NO_IMAGE,
            "make the artifact disk: there are no binaries",
        ));
    };
    Ok(artifact_disk::make(found, session.images.cache())?)
}

/// How long a guest may take to shut down before its power is cut: systemd gives what does not listen
/// 90 seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A node that left the topology: domain and disks.
async fn remove_node(
    session: &Session,
    desired: &Desired,
    provider: &Arc<dyn Provider>,
    change: &Change,
) -> Result<(), EngineError> {
    let node = change.node.clone().unwrap_or_default();
    let uuid = crate::model::name::object_id(desired.lab, "domain", &node);
    // While the domain is there, the next run knows that something is left to do.
    session.forget(std::iter::once(node.as_str()))?;
    remove_left(session, provider, &node, uuid).await
}

/// Domain and disks of a node that the topology no longer has: only its mark still says which of them are to stay.
pub(crate) async fn remove_left(
    session: &Session,
    provider: &Arc<dyn Provider>,
    node: &str,
    uuid: Uuid,
) -> Result<(), EngineError> {
    let found = call(provider, |h| h.inventory()).await?;
    let domain = found.domains.iter().find(|domain| domain.uuid == uuid);
    let mark = domain.and_then(|domain| domain.mark.as_ref());
    let kept = mark.map(|mark| mark.kept.as_slice()).unwrap_or_default();
    let goes = further(&found, &session.lab.pool(), node, kept);
    remove(session, provider, node, uuid, goes).await
}

/// Domain, disks and the `further` volumes of a node; fine when they are gone. The domain goes last: its mark is all
/// that tells the run after one that was killed here what was going to be.
pub(crate) async fn remove(
    session: &Session,
    provider: &Arc<dyn Provider>,
    node: &str,
    uuid: Uuid,
    further: Vec<String>,
) -> Result<(), EngineError> {
    let (pool, node) = (session.lab.pool(), node.to_owned());
    call(provider, move |h| {
        h.power()?.stop(uuid)?;
        h.storage()?.remove_volume(&pool, &format!("{node}.qcow2"))?;
        h.storage()?.remove_volume(&pool, &format!("{node}-seed.img"))?;
        for volume in further {
            h.storage()?.remove_volume(&pool, &volume)?;
        }
        h.machines()?.remove(uuid)
    })
    .await
}

/// Volumes of the node's further disks but those in `kept`.
fn further(found: &Inventory, pool: &str, node: &str, kept: &[String]) -> Vec<String> {
    let pools = found.pools.iter().filter(|found| found.name == pool);
    let goes = |volume: &&String| {
        let of = render::disk_of(volume).filter(|(owner, _)| *owner == node);
        of.is_some_and(|(_, disk)| !kept.iter().any(|name| name == disk))
    };
    pools.flat_map(|pool| &pool.volumes).filter(goes).cloned().collect()
}

/// Has a machine that is there anyway hold the binaries; guests have them on a disk.
///
/// # Errors
/// When they cannot be brought there.
pub(crate) async fn deliver(
    prepared: &Prepared,
    provider: &Arc<dyn Provider>,
    node: &Node,
) -> Result<(), EngineError> {
    // A lab of machines alone has none.
    if prepared.platform.artifacts.digest.is_empty() {
        return Ok(());
    }
    let files = prepared.found.iter().flat_map(|found| {
        found.files.iter().map(|(name, file)| {
            let sha256 = found.sums.get(name).cloned().unwrap_or_default();
            let (root, path) = (file.root.clone(), file.path.clone());
            (name.clone(), Delivered { root, path, sha256 })
        })
    });
    let delivery =
        Delivery { digest: prepared.platform.artifacts.digest.clone(), files: files.collect() };
    let name = node.name.clone();
    call(provider, move |h| h.deliveries()?.deliver(&name, &delivery)).await
}

/// Brings one node's domain to run. Where it is made anew, further disks in `kept` stay.
pub(crate) async fn node(
    session: &Session,
    prepared: &Prepared,
    provider: &Arc<dyn Provider>,
    node: &Node,
    domain: &DomainSpec,
    changes: &[Change],
    kept: Vec<String>,
) -> Result<(), EngineError> {
    if changes.iter().any(|change| change.kind == ChangeKind::Replace) {
        let found = call(provider, |h| h.inventory()).await?;
        let goes = further(&found, &session.lab.pool(), &node.name, &kept);
        remove(session, provider, &domain.node, domain.uuid, goes).await?;
        for name in render::volumes_of(node) {
            make_own(session, prepared, provider, node, &name).await?;
        }
    }
    for change in changes {
        match (change.object, change.kind) {
            (Object::Volume, ChangeKind::UpdateLive) => {
                grow(provider, domain, &change.name).await?;
            }
            (Object::Volume, _) => {
                make_own(session, prepared, provider, node, &change.name).await?;
            }
            (Object::Domain, kind) => {
                let domain = domain.clone();
                call(provider, move |h| {
                    if kind == ChangeKind::Restart {
                        h.power()?.shut_down(domain.uuid, PATIENCE)?;
                    }
                    if kind != ChangeKind::Start || domain.autostart.is_some() {
                        h.machines()?.define(&domain)?;
                    }
                    h.power()?.start(domain.uuid)
                })
                .await?;
            }
            // A node's stages come after it boots; the rest is not a node's.
            (
                Object::Stage
                | Object::Machine
                | Object::Provider
                | Object::Builders
                | Object::Certificate
                | Object::Pool
                | Object::Network
                | Object::Routes
                | Object::Uplink
                | Object::HostsBlock
                | Object::Context
                | Object::Files,
                _,
            ) => {}
        }
    }
    Ok(())
}

/// Makes a disk larger. The mark goes first: with the old one, a disk of the new size would be another's.
async fn grow(
    provider: &Arc<dyn Provider>,
    domain: &DomainSpec,
    volume: &str,
) -> Result<(), EngineError> {
    let Some(disk) = domain.disks.iter().find(|disk| disk.volume == volume).cloned() else {
        return Ok(());
    };
    let domain = domain.clone();
    call(provider, move |h| {
        h.machines()?.define(&domain)?;
        h.machines()?.grow(domain.uuid, &disk)
    })
    .await
}

async fn make_own(
    session: &Session,
    prepared: &Prepared,
    provider: &Arc<dyn Provider>,
    node: &Node,
    name: &str,
) -> Result<(), EngineError> {
    let (volume, content) = own_volume(session, prepared, node, name)?;
    call(provider, move |h| h.storage()?.ensure_volume(&volume, &content)).await
}

pub(crate) fn own_volume(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    name: &str,
) -> Result<(VolumeSpec, Content), EngineError> {
    let (templates, lab) = (&session.templates, &session.lab);
    if name == render::overlay_name(node) {
        let Some(image) = prepared.platform.images.get(&node.os) else {
            return Err(EngineError::of(
                &code::NO_IMAGE,
                format!("find the image {} of {}", node.os, node.name),
            ));
        };
        let backing = prepared.backing(session, node);
        return Ok((render::overlay(templates, lab, node, image, &backing)?, Content::Nothing));
    }
    let mut further = node.disks.iter();
    if let Some(disk) = further.find(|disk| render::disk_name(&node.name, &disk.name) == name) {
        return Ok((render::disk(templates, lab, node, disk)?, Content::Nothing));
    }
    let keys = &prepared.keys;
    let host = keys.hosts.get(&node.name).cloned().unwrap_or_default();
    let public = SshKeys::public(&host)?;
    let login = SshKeys::public(&keys.user)?;
    let own = prepared.platform.images.get(&node.os).and_then(Image::own);
    let rendered = render::seed(templates, lab, node, &host, &public, &login, own)?;
    let image = seed::image(&rendered).map_err(|error| {
        EngineError::of(&code::COMPUTER, format!("make the seed of {}: {error}", node.name))
            .hint("is its user_data larger than a megabyte?")
    })?;
    let volume = render::raw_volume(templates, &lab.pool(), name, image.len() as u64)?;
    Ok((volume, Content::Bytes(image)))
}
