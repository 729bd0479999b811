//! A golden guest is made: booted in an engine of its own, and frozen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::drivers::assets::goldens::{Golden, Goldens};
use crate::drivers::assets::seed;
use crate::drivers::provider::libvirt::Reconnecting;
use crate::drivers::provider::private::PrivateEngine;
use crate::drivers::provider::{Content, Hypervisor, HypervisorError};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::provider::Place;
use crate::engine::machines::clone::plugged;
use crate::engine::machines::provision::call;
use crate::engine::task::blocking::blocking;
use crate::engine::task::error::EngineError;
use crate::model::snapshot::{Documents, Kind};
use crate::model::{Lab, Node, code, name};
use crate::pki::SshKeys;
use crate::render::golden::{self, Mould};
use crate::render::{self, DomainSpec, Placement, SnapshotSpec, VolumeSpec};

/// Between two looks at the console of a guest that is made golden.
const GLIMPSE: Duration = Duration::from_millis(200);
/// Directory of the engines in which golden guests are made, in the lab's own.
const WORKSHOP: &str = "workshop";

/// Makes the golden guest of a mould, which is that of `node`, unless somebody has by now.
///
/// # Errors
/// When it does not boot, cannot be one, or cannot be kept.
pub(crate) async fn make(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    mould: &Mould,
) -> Result<Golden, EngineError> {
    let goldens = Goldens::new(session.images.cache());
    let doing = |why: String| EngineError::of(&code::BOOT, format!("make a golden guest: {why}"));
    let _lock = {
        let (goldens, mould) = (goldens.clone(), mould.clone());
        blocking(move || goldens.lock(&mould)).await?.map_err(|error| doing(error.to_string()))?
    };
    // Another run may have made it while this one waited.
    if let Some(golden) = goldens.find(mould) {
        return Ok(golden);
    }
    let Place::Private(own) = &session.place else {
        return Err(doing("that needs a private engine".into()));
    };
    let engine = workshop(own, session.store.root(), &mould.name());
    end(engine.clone()).await?;
    let workshop = Workshop { session, prepared, engine: &engine };
    let made = match workshop.make(node).await {
        Ok((disk, documents)) => {
            goldens.keep(mould, &disk, &documents).map_err(|error| doing(error.to_string()))
        }
        Err(error) => Err(doing(error.message)),
    };
    end(engine).await?;
    made
}

/// Ends an engine in which a golden guest is made, and removes its directories.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) async fn end(engine: PrivateEngine) -> Result<(), EngineError> {
    blocking(move || {
        engine.remove()?;
        // The directory of all of them goes with the last one; fine when others are in it.
        let own = engine.dir.parent();
        let _ = own.map(std::fs::remove_dir);
        let _ = own.and_then(Path::parent).map(std::fs::remove_dir);
        Ok::<_, HypervisorError>(())
    })
    .await?
    .map_err(EngineError::from)
}

/// Engines of golden guests whose making was cut, in the lab's directory `root`.
pub(crate) fn workshops(place: &Place, root: &Path) -> Vec<PrivateEngine> {
    let Place::Private(own) = place else { return Vec::new() };
    let entries = std::fs::read_dir(root.join(WORKSHOP)).into_iter().flatten().flatten();
    entries.map(|entry| workshop(own, root, &entry.file_name().to_string_lossy())).collect()
}

/// The engine in which a golden guest of that name is made, for the lab with the engine `own`.
fn workshop(own: &PrivateEngine, root: &Path, name: &str) -> PrivateEngine {
    let id = name::object_id(own.lab, WORKSHOP, name);
    let runtime = own.run.parent().unwrap_or(Path::new("/"));
    PrivateEngine::new(&root.join(WORKSHOP).join(name), runtime, id)
}

/// Where one golden guest is made: an engine of its own.
struct Workshop<'s> {
    session: &'s Session,
    prepared: &'s Prepared,
    engine: &'s PrivateEngine,
}

impl Workshop<'_> {
    /// The disk, and what libvirt keeps.
    async fn make(&self, model: &Node) -> Result<(PathBuf, Documents), EngineError> {
        let (engine, hide) = (self.engine.clone(), self.session.is_emulated());
        blocking(move || engine.ensure(hide)).await??;
        let hypervisor: Arc<dyn Hypervisor> = Arc::new(Reconnecting::open(&self.engine.uri())?);
        let templates = &self.session.templates;
        let (lab, node) = golden::workshop(&self.session.lab, model, self.engine.lab);
        let node = &node;
        let placement = self.placement(&lab, node);
        let pool = render::pool(templates, &lab.pool(), lab.pool_id(), &placement.pool)?;
        let platform = &self.prepared.platform;
        let domain = render::golden_domain(templates, &lab, node, platform, &placement)?;
        let volumes = self.volumes(&lab, node, &placement)?;
        let defined = domain.clone();
        call(&hypervisor, move |h| {
            h.ensure_pool(&pool)?;
            for (volume, content) in &volumes {
                h.ensure_volume(volume, content)?;
            }
            h.define_domain(&defined)?;
            h.start_domain(defined.uuid)
        })
        .await?;
        self.ready(Path::new(&placement.console)).await?;
        let created = time::OffsetDateTime::now_utc().unix_timestamp();
        let part = render::snapshot(templates, &lab, node, golden::FROZEN, Kind::Memory, created)?;
        let documents = freeze(&hypervisor, domain, part).await?;
        Ok((Path::new(&placement.pool).join(render::overlay_name(node)), documents))
    }

    fn placement(&self, lab: &Lab, node: &Node) -> Placement {
        let layout = self.engine.layout();
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
        let rendered = render::golden_seed(templates, lab, node, &host, &SshKeys::public(&host)?)?;
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
    hypervisor: &Arc<dyn Hypervisor>,
    domain: DomainSpec,
    part: SnapshotSpec,
) -> Result<Documents, EngineError> {
    let seeds = plugged(&domain)?;
    call(hypervisor, move |h| {
        for seed in &seeds {
            h.detach_device(domain.uuid, seed)?;
        }
        h.suspend_domain(domain.uuid)?;
        let documents = h.save_domain(&part)?;
        h.stop_domain(domain.uuid)?;
        Ok(documents)
    })
    .await
}
