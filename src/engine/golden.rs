//! Golden guests: which nodes are copied from one, how one is made where it is missing, and how a node
//! becomes its copy. See [`crate::render::golden`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::EngineError;
use super::event::Events;
use super::place::Place;
use super::prepared::Prepared;
use super::provision::{self, call};
use super::session::Session;
use crate::drivers::goldens::{Golden, Goldens};
use crate::drivers::hypervisor::{Content, Hypervisor, HypervisorError};
use crate::drivers::libvirt::Reconnecting;
use crate::drivers::private::PrivateEngine;
use crate::drivers::{host, seed};
use crate::model::lab::Cloning;
use crate::model::snapshot::{Documents, Kind};
use crate::model::{Lab, Node, code, name, size};
use crate::pki::SshKeys;
use crate::plan::{Change, ChangeKind};
use crate::render::golden::{self, Mould};
use crate::render::{self, DeviceSpec, DomainSpec, Placement, SnapshotSpec, VolumeSpec};

/// Between two looks at the console of a guest that is made golden.
const GLIMPSE: Duration = Duration::from_millis(200);
/// Directory of the engines in which golden guests are made, in the lab's own.
const WORKSHOP: &str = "workshop";

/// The golden guests that nodes of a run are copied from, by node. What is asked for is made where it is
/// missing; where that fails, the node boots.
///
/// # Errors
/// When the hypervisor does not answer.
pub(super) async fn choose(
    session: &Session,
    prepared: &Prepared,
    hypervisor: &Arc<dyn Hypervisor>,
    changes: &[Change],
    events: &Events,
) -> Result<BTreeMap<String, Golden>, EngineError> {
    let mut chosen = BTreeMap::new();
    let wish = session.lab.options.clone;
    let new: Vec<&Node> = session.lab.nodes.iter().filter(|node| is_new(node, changes)).collect();
    if wish == Cloning::Boot || new.is_empty() {
        return Ok(chosen);
    }
    let version = call(hypervisor, |h| h.version()).await?;
    let goldens = Goldens::new(&session.dirs.cache);
    let mut moulds: BTreeMap<Mould, Option<Golden>> = BTreeMap::new();
    for node in new {
        if let Some(why) = refusal(session, node) {
            if wish == Cloning::Warm {
                events.warn(format!("{} boots: {why}", node.name));
            }
            continue;
        }
        let Some(mould) = mould(session, prepared, node, &version)? else { continue };
        if !moulds.contains_key(&mould) {
            let found = match (goldens.find(&mould), wish) {
                (None, Cloning::Warm) => made(session, prepared, node, &mould, events).await,
                (found, _) => found,
            };
            moulds.insert(mould.clone(), found);
        }
        if let Some(golden) = moulds.get(&mould).cloned().flatten() {
            chosen.insert(node.name.clone(), golden);
        }
    }
    if !chosen.is_empty() {
        let names: Vec<&str> = chosen.keys().map(String::as_str).collect();
        events.note(format!("copies of golden guests: {}", names.join(", ")));
    }
    Ok(chosen)
}

/// The mould of a node on this computer, with libvirt and QEMU of `version`.
///
/// # Errors
/// When a template cannot be rendered.
pub fn mould(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    version: &str,
) -> Result<Option<Mould>, EngineError> {
    let (templates, lab, platform) = (&session.templates, &session.lab, &prepared.platform);
    let placement = prepared.placement(session, node);
    let here = (&*host::processor(), version);
    Ok(Mould::of(templates, lab, node, platform, &placement, here)?)
}

/// True for a node that gets a new disk.
pub(super) fn is_new(node: &Node, changes: &[Change]) -> bool {
    let mut own = changes.iter().filter(|change| change.node.as_ref() == Some(&node.name));
    let disk = render::overlay_name(node);
    own.any(|change| match change.object {
        "volume" => change.kind == ChangeKind::Create && change.name == disk,
        "domain" => change.kind == ChangeKind::Replace,
        _ => false,
    })
}

/// Why a node cannot be a copy, where that is known beforehand.
fn refusal(session: &Session, node: &Node) -> Option<&'static str> {
    if matches!(session.place, Place::System { .. }) {
        return Some("copies of golden guests are made on private engines only");
    }
    (!node.user_data.is_empty()).then_some("its user_data wants a first boot")
}

/// Makes a golden guest; `None` with a warning where that fails.
async fn made(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    mould: &Mould,
    events: &Events,
) -> Option<Golden> {
    let memory = size::human(node.memory_mib << 20);
    let task = format!("golden {}, {} x {memory}", node.os, node.cpus);
    let work = events.timed(None, &task, make(session, prepared, node, mould));
    match work.await {
        Ok(golden) => Some(golden),
        Err(error) => {
            events.warn(format!("{}; its nodes boot", error.message));
            None
        }
    }
}

async fn make(
    session: &Session,
    prepared: &Prepared,
    node: &Node,
    mould: &Mould,
) -> Result<Golden, EngineError> {
    let goldens = Goldens::new(&session.dirs.cache);
    let doing = |why: String| EngineError::of(&code::BOOT, format!("make a golden guest: {why}"));
    let _lock = {
        let (goldens, mould) = (goldens.clone(), mould.clone());
        blocking(move || goldens.lock(&mould)).await?.map_err(doing)?
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
        Ok((disk, documents)) => goldens.keep(mould, &disk, &documents).map_err(doing),
        Err(error) => Err(doing(error.message)),
    };
    end(engine).await?;
    made
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| EngineError::internal(error.to_string()))
}

/// Ends an engine in which a golden guest is made, and removes its directories.
///
/// # Errors
/// When a file cannot be removed.
pub(super) async fn end(engine: PrivateEngine) -> Result<(), EngineError> {
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
pub(super) fn workshops(place: &Place, root: &Path) -> Vec<PrivateEngine> {
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
        let (engine, hide) = (self.engine.clone(), self.session.hides_kvm());
        blocking(move || engine.ensure(hide)).await??;
        let hypervisor: Arc<dyn Hypervisor> = Arc::new(Reconnecting::open(&self.engine.uri())?);
        let templates = &self.session.templates;
        let lab = golden::workshop(&self.session.lab, model, self.engine.lab);
        let [node] = &lab.nodes[..] else { return Err(EngineError::internal("make one guest")) };
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

/// The disk that a guest boots from, as every domain of ours names it.
const ROOT_DISK: &str = "vda";
/// The seed: what comes with it must be there before.
const SEED_DISK: &str = "vdb";

/// The devices of a domain that its golden guest has not, in the order in which they are plugged in.
fn plugged(domain: &DomainSpec) -> Result<Vec<DeviceSpec>, EngineError> {
    let mut devices = render::devices(&domain.xml)?;
    devices.retain(|device| device.name != ROOT_DISK);
    devices.sort_by_key(|device| device.name == SEED_DISK);
    Ok(devices)
}

/// Makes a new node a copy of a golden guest. Whatever is there of it goes first.
///
/// # Errors
/// When the hypervisor refuses.
pub(super) async fn copy(
    session: &Session,
    prepared: &Prepared,
    hypervisor: &Arc<dyn Hypervisor>,
    node: &Node,
    domain: &DomainSpec,
    golden: &Golden,
) -> Result<(), EngineError> {
    provision::remove(session, hypervisor, &node.name, domain.uuid).await?;
    let own = |name: &str| provision::own_volume(session, prepared, node, name);
    let (volume, _) = own(&render::overlay_name(node))?;
    let (seed, content) = own(&render::seed_name(node))?;
    let copy = Copy::of(session, prepared, node, domain, golden, volume)?;
    call(hypervisor, move |h| {
        h.ensure_volume(&seed, &content)?;
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
        golden: &Golden,
        volume: VolumeSpec,
    ) -> Result<Self, EngineError> {
        let (templates, lab) = (&session.templates, &session.lab);
        let placement = prepared.placement(session, node);
        let known = &golden.documents;
        Ok(Self {
            volume,
            disk: golden.disk.clone(),
            part: render::snapshot(templates, lab, node, golden::FROZEN, Kind::Memory, 0)?,
            documents: golden::documents_of(known, lab, node, domain, &placement)?,
            devices: plugged(domain)?,
            domain: domain.clone(),
        })
    }

    /// Makes it. Its disk counts last: one that was cut is made anew.
    fn make(&self, hypervisor: &dyn Hypervisor) -> Result<(), HypervisorError> {
        let uuid = self.domain.uuid;
        hypervisor.ensure_volume(&self.volume, &Content::Copy(self.disk.clone()))?;
        hypervisor.revert_domain(&self.part, &self.documents)?;
        hypervisor.forget_domain(&self.part, &self.documents)?;
        hypervisor.define_domain(&self.domain)?;
        for device in &self.devices {
            hypervisor.attach_device(uuid, device)?;
        }
        hypervisor.start_domain(uuid)?;
        hypervisor.seal_volume(&self.volume.pool, &self.volume.name)
    }
}
