//! A golden guest is made: booted in a provider of its own, and frozen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::drivers::assets::goldens::{Golden, Goldens};
use crate::drivers::assets::seed;
use crate::drivers::provider::private::PrivateLibvirt;
use crate::drivers::provider::{Content, Provider, ProviderError};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::machines::clone::devices::plugged;
use crate::engine::machines::provision::call;
use crate::engine::task::blocking::blocking;
use crate::engine::task::error::EngineError;
use crate::model::snapshot::{Documents, Kind};
use crate::model::{Lab, Node, code, name};
use crate::pki::SshKeys;
use crate::render::golden::{self, GoldenKey};
use crate::render::{self, DomainSpec, Placement, SnapshotSpec, VolumeSpec};

/// Between two looks at the console of a guest that is made golden.
const GLIMPSE: Duration = Duration::from_millis(200);
/// Directory of the providers in which golden guests are made, in the lab's own.
const WORKSHOP: &str = "workshop";

/// Makes the golden guest of a key, which is that of `node`, unless somebody has by now.
///
/// # Errors
/// When it does not boot, cannot be one, or cannot be kept.
pub(crate) async fn make(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    key: &GoldenKey,
) -> Result<Golden, EngineError> {
    let goldens = Goldens::new(session.images.cache());
    let doing = |why: String| EngineError::of(&code::BOOT, format!("make a golden guest: {why}"));
    let _lock = {
        let (goldens, key) = (goldens.clone(), key.clone());
        blocking(move || goldens.lock(&key)).await?.map_err(|error| doing(error.to_string()))?
    };
    // Another run may have made it while this one waited.
    if let Some(golden) = goldens.find(key) {
        return Ok(golden);
    }
    let ProviderKind::Private(own) = &session.provider else {
        return Err(doing("that needs a private provider".into()));
    };
    let libvirt = builder(own, session.store.root(), &key.name());
    end(libvirt.clone()).await?;
    let builder = Builder { session, prepared, libvirt: &libvirt };
    let made = match builder.make(node).await {
        Ok((disk, documents)) => {
            goldens.keep(key, &disk, &documents).map_err(|error| doing(error.to_string()))
        }
        Err(error) => Err(doing(error.message)),
    };
    end(libvirt).await?;
    made
}

/// Ends a provider in which a golden guest is made, and removes its directories.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) async fn end(libvirt: PrivateLibvirt) -> Result<(), EngineError> {
    blocking(move || {
        libvirt.remove()?;
        // The directory of all of them goes with the last one; fine when others are in it.
        let own = libvirt.dir.parent();
        let _ = own.map(std::fs::remove_dir);
        let _ = own.and_then(Path::parent).map(std::fs::remove_dir);
        Ok::<_, ProviderError>(())
    })
    .await?
    .map_err(EngineError::from)
}

/// Engines of golden guests whose making was cut, in the lab's directory `root`.
pub(crate) fn builders(place: &ProviderKind, root: &Path) -> Vec<PrivateLibvirt> {
    let ProviderKind::Private(own) = place else { return Vec::new() };
    let entries = std::fs::read_dir(root.join(WORKSHOP)).into_iter().flatten().flatten();
    entries.map(|entry| builder(own, root, &entry.file_name().to_string_lossy())).collect()
}

/// The provider in which a golden guest of that name is made, for the lab with the provider `own`.
fn builder(own: &PrivateLibvirt, root: &Path, name: &str) -> PrivateLibvirt {
    let id = name::object_id(own.lab, WORKSHOP, name);
    let runtime = own.run.parent().unwrap_or(Path::new("/"));
    PrivateLibvirt::new(&root.join(WORKSHOP).join(name), runtime, id)
}

/// Where one golden guest is made: a provider of its own.
struct Builder<'s> {
    session: &'s Session,
    prepared: &'s Prepared,
    libvirt: &'s PrivateLibvirt,
}

impl Builder<'_> {
    /// The disk, and what libvirt keeps.
    async fn make(&self, model: &Node) -> Result<(PathBuf, Documents), EngineError> {
        let (libvirt, hide) = (self.libvirt.clone(), self.session.is_emulated());
        blocking(move || libvirt.ensure(hide)).await??;
        let provider = ProviderKind::Private(self.libvirt.clone()).connect()?;
        let templates = &self.session.templates;
        let (lab, node) = golden::builder(&self.session.lab, model, self.libvirt.lab);
        let node = &node;
        let placement = self.placement(&lab, node);
        let pool = render::pool(templates, &lab.pool(), lab.pool_id(), &placement.pool)?;
        let platform = &self.prepared.platform;
        let domain = render::golden_domain(templates, &lab, node, platform, &placement)?;
        let volumes = self.volumes(&lab, node, &placement)?;
        let defined = domain.clone();
        call(&provider, move |h| {
            h.storage()?.ensure_pool(&pool)?;
            for (volume, content) in &volumes {
                h.storage()?.ensure_volume(volume, content)?;
            }
            h.machines()?.define(&defined)?;
            h.power()?.start(defined.uuid)
        })
        .await?;
        self.ready(Path::new(&placement.console)).await?;
        let created = time::OffsetDateTime::now_utc().unix_timestamp();
        let part =
            render::snapshot(templates, &lab, node, golden::BASE_SNAPSHOT, Kind::Memory, created)?;
        let documents = freeze(&provider, domain, part).await?;
        Ok((Path::new(&placement.pool).join(render::overlay_name(node)), documents))
    }

    fn placement(&self, lab: &Lab, node: &Node) -> Placement {
        let layout = self.libvirt.layout();
        Placement {
            pool: layout.pool(&lab.pool()),
            console: layout.console(&node.domain),
            artifacts: None,
            ..self.prepared.placement(self.session, node)
        }
    }

    fn volumes(
        &self,
        lab: &Lab,
        node: &Node,
        placement: &Placement,
    ) -> Result<Vec<(VolumeSpec, Content)>, EngineError> {
        let templates = &self.session.templates;
        let image = self.prepared.platform.images.get(&node.os);
        let image = image.ok_or_else(|| EngineError::internal("find the image"))?;
        let mut keys = SshKeys::default();
        keys.ensure(lab)?;
        let host = keys.hosts.get(&node.name).cloned().unwrap_or_default();
        let rendered = render::golden_seed(
            templates,
            lab,
            node,
            &host,
            &SshKeys::public(&host)?,
            image.own(),
        )?;
        let bytes = seed::image(&rendered)
            .map_err(|error| EngineError::internal(format!("make a seed: {error}")))?;
        let name = render::seed_name(node);
        let seed = render::raw_volume(templates, &lab.pool(), &name, bytes.len() as u64)?;
        let overlay = render::overlay(templates, lab, node, image, &placement.backing)?;
        Ok(vec![(overlay, Content::Nothing), (seed, Content::Bytes(bytes))])
    }

    /// Waits until the guest says on its console that it is at the end of its boot.
    async fn ready(&self, console: &Path) -> Result<(), EngineError> {
        let deadline = Instant::now() + self.session.lab.options.boot_patience();
        loop {
            let said = std::fs::read(console).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            let heard = said.lines().find_map(|line| line.split_once(golden::SAYS));
            match heard.map(|(_, what)| what.trim()) {
                Some("ready") => return Ok(()),
                Some(why) => return Err(EngineError::of(&code::BOOT, why)),
                None if Instant::now() > deadline => {
                    return Err(EngineError::of(&code::BOOT, "it did not boot in time"));
                }
                None => tokio::time::sleep(GLIMPSE).await,
            }
        }
    }
}

/// Takes the seed out and freezes the guest with its memory.
async fn freeze(
    provider: &Arc<dyn Provider>,
    domain: DomainSpec,
    part: SnapshotSpec,
) -> Result<Documents, EngineError> {
    let seeds = plugged(&domain)?;
    call(provider, move |h| {
        for seed in &seeds {
            h.clones()?.unplug(domain.uuid, seed)?;
        }
        h.power()?.suspend(domain.uuid)?;
        let documents = h.snapshots()?.save(&part)?;
        h.power()?.stop(domain.uuid)?;
        Ok(documents)
    })
    .await
}
