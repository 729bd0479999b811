//! One lab, opened: what it should be, where it runs, its secrets, and the drivers to reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::drivers::artifacts::{self, Found};
use crate::drivers::guest::Guest;
use crate::drivers::host::{self, Dirs};
use crate::drivers::hypervisor::{Hypervisor, HypervisorError};
use crate::drivers::images::Images;
use crate::drivers::libvirt::Libvirt;
use crate::drivers::private::PrivateEngine;
use crate::drivers::ssh::{Route, Ssh, Target};
use crate::drivers::store::{Record, Store, StoreError};
use crate::model::platform::{Acceleration, Layout, Platform};
use crate::model::{Lab, Node, Version, name};
use crate::pki::{Bundle, Pair, PkiError, SshKeys, super_admin};
use crate::plan::{Desired, StageGoal};
use crate::render::{self, Placement, RenderError, Templates};
use crate::stages::{Context, STAGES, Stage, StageError, Step, fingerprint};

/// Something the engine could not do: a fragment after "failed to …", and what to do about it.
#[derive(Debug)]
pub struct EngineError {
    /// What failed and why.
    pub message: String,
    /// The cure, when it is known.
    pub hint: Option<String>,
    /// True when nothing was changed because the surroundings do not allow the lab.
    pub preflight: bool,
}

impl EngineError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, preflight: false }
    }

    /// The same error with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, marked as found before anything was touched.
    pub fn preflight(mut self) -> Self {
        self.preflight = true;
        self
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}

macro_rules! from_display {
    ($($error:ty),*) => {$(
        impl From<$error> for EngineError {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        }
    )*};
}
from_display!(StoreError, PkiError, RenderError, StageError);

impl From<HypervisorError> for EngineError {
    fn from(error: HypervisorError) -> Self {
        Self { hint: error.hint.clone(), ..Self::new(error.to_string()) }
    }
}

/// Which hypervisor to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The computer's libvirt when it answers, else a private one.
    Auto,
    /// The computer's libvirt.
    System,
    /// One of the lab's own.
    Private,
}

/// Where a lab runs.
#[derive(Clone, Debug)]
pub enum Place {
    /// A libvirt that is there anyway.
    System {
        /// Its address.
        uri: String,
    },
    /// A libvirt of the lab's own.
    Private(PrivateEngine),
}

impl Place {
    /// Decides, preferring what the record of an earlier run says.
    pub fn choose(
        choice: &EngineChoice,
        record: Option<&Record>,
        lab: &Lab,
        store: &Store,
        dirs: &Dirs,
    ) -> Self {
        let private = || Place::Private(PrivateEngine::new(store.root(), &dirs.runtime, lab.id));
        let uri = || {
            let variable = std::env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty());
            variable.unwrap_or_else(|| "qemu:///system".into())
        };
        match (choice, record.map(|record| record.engine.as_str())) {
            (EngineChoice::Private, _) | (EngineChoice::Auto, Some("private")) => private(),
            (EngineChoice::System, _) => Place::System { uri: uri() },
            (EngineChoice::Auto, Some(_)) => {
                Place::System { uri: record.map_or_else(uri, |record| record.uri.clone()) }
            }
            (EngineChoice::Auto, None) if Libvirt::open(&uri()).is_ok() => {
                Place::System { uri: uri() }
            }
            (EngineChoice::Auto, None) => private(),
        }
    }

    /// Its name in records and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Place::System { .. } => "system",
            Place::Private(_) => "private",
        }
    }

    /// Address of libvirt.
    pub fn uri(&self) -> String {
        match self {
            Place::System { uri } => uri.clone(),
            Place::Private(engine) => engine.uri(),
        }
    }

    /// Where things are on its computer.
    pub fn layout(&self) -> Layout {
        match self {
            Place::System { .. } => Layout::system(),
            Place::Private(engine) => engine.layout(),
        }
    }

    /// The way to guests.
    pub fn route(&self) -> Route {
        match self {
            Place::System { .. } => Route::Direct,
            Place::Private(engine) => Route::Private(engine.control_socket()),
        }
    }

    /// False when a private engine must be started first.
    pub fn is_running(&self) -> bool {
        match self {
            Place::System { .. } => true,
            Place::Private(engine) => engine.is_running(),
        }
    }

    /// Connects to libvirt.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(&self) -> Result<Arc<dyn Hypervisor>, EngineError> {
        Ok(Arc::new(Libvirt::open(&self.uri())?))
    }
}

/// How the nodes of a lab are reached; tests put memory here.
pub type Reach = Arc<dyn Fn(&Node) -> Arc<dyn Guest> + Send + Sync>;

/// A lab and where it runs.
#[derive(Debug)]
pub struct Session {
    /// The lab.
    pub lab: Lab,
    /// Topology text as given, kept with the lab's files.
    pub source: String,
    /// Folder that relative paths in the topology start from.
    pub base: PathBuf,
    /// Its files.
    pub store: Store,
    /// Where it runs.
    pub place: Place,
    /// Directories.
    pub dirs: Dirs,
    /// Templates.
    pub templates: Templates,
    /// Images.
    pub images: Images,
}

/// Everything that must be known before plans can be made.
#[derive(Debug)]
pub struct Prepared {
    /// Surroundings.
    pub platform: Platform,
    /// Where things are on libvirt's computer.
    pub layout: Layout,
    /// Binaries as found; `None` when only expected.
    pub found: Option<Found>,
    /// The artifact disk's path on this computer.
    pub artifact_disk: Option<PathBuf>,
    /// Secrets.
    pub bundle: Bundle,
    /// The binding credential of this run.
    pub super_admin: Pair,
    /// SSH keys.
    pub keys: SshKeys,
    /// How KVM was decided, in words.
    pub acceleration: String,
}

impl Session {
    /// The artifacts folder the person chose, if any: by variable, by topology, or when the lab was
    /// made.
    pub(super) fn chosen_artifacts(&self) -> Option<PathBuf> {
        let variable =
            std::env::var_os("LAB_ARTIFACTS").filter(|v| !v.is_empty()).map(PathBuf::from);
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        variable
            .map(absolute)
            .or_else(|| self.lab.kubernetes.artifacts.as_ref().map(|path| self.base.join(path)))
            .or_else(|| self.store.record().ok().flatten()?.artifacts)
    }

    fn scan_artifacts(&self, dir: &Path) -> Result<Found, EngineError> {
        let images = std::env::var_os("LAB_IMAGES").filter(|v| !v.is_empty()).map(PathBuf::from);
        let found = artifacts::scan(dir, images.as_deref(), &self.dirs.cache);
        let found = found.map_err(|e| EngineError::new(e).preflight())?;
        match self.lab.kubernetes.version {
            Some(wanted) if wanted != found.version => Err(EngineError::new(format!(
                "use the artifacts in {}: they are Kubernetes {}, the topology asks for {wanted}",
                dir.display(),
                found.version
            ))
            .hint("remove `version` from the topology, or name another folder")
            .preflight()),
            _ if !found.version.is_supported() => Err(EngineError::new(format!(
                "use the artifacts in {}: Kubernetes {} is not supported",
                dir.display(),
                found.version
            ))
            .preflight()),
            _ => Ok(found),
        }
    }

    /// Gathers what plans need, with placeholders for what is not there yet. Changes nothing.
    ///
    /// # Errors
    /// When something that is there cannot be used.
    pub fn preview(&self) -> Result<Prepared, EngineError> {
        let chosen = self.chosen_artifacts();
        let version = self.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT);
        let release = artifacts::release_dir(version, &self.dirs.cache);
        let found = match chosen {
            Some(dir) => Some(self.scan_artifacts(&dir)?),
            None => artifacts::scan(&release, None, &self.dirs.cache).ok(),
        };
        let mut images = BTreeMap::new();
        for os in self.lab.systems() {
            let image = self.images.image(os).or_else(|_| self.images.expected(os));
            images.insert(os.to_owned(), image.map_err(EngineError::new)?);
        }
        let mut bundle = self.store.bundle()?;
        let mut probe = bundle.clone();
        let complete = !bundle.entries.is_empty()
            && probe.ensure(&self.lab, OffsetDateTime::now_utc())?.is_empty();
        if !complete {
            let placeholder = Bundle::placeholder(&self.lab);
            for (name, entry) in placeholder.entries {
                bundle.entries.entry(name).or_insert(entry);
            }
            if bundle.encryption_key.0.is_empty() {
                bundle.encryption_key = placeholder.encryption_key;
            }
        }
        self.prepared(found, version, images, bundle, SshKeys::placeholder(&self.lab))
    }

    /// Gathers what plans need and makes what is missing on this computer: downloads images and
    /// binaries, makes certificates and keys. Nothing of the hypervisor is touched.
    ///
    /// # Errors
    /// When a download, a check or a key fails.
    pub fn prepare(&self, say: &super::Events) -> Result<Prepared, EngineError> {
        let progress = |_: u64, _: Option<u64>| {};
        let version = self.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT);
        let found = match self.chosen_artifacts() {
            Some(dir) => self.scan_artifacts(&dir)?,
            None => {
                let dir = artifacts::release_dir(version, &self.dirs.cache);
                if artifacts::REQUIRED.iter().any(|name| !dir.join(name).exists()) {
                    say.note(format!("downloading Kubernetes {version}"));
                }
                let fetched = artifacts::fetch_release(version, &self.dirs.cache, &progress);
                let dir = fetched.map_err(|error| EngineError::new(error).preflight().hint(
                    "without internet, name a folder of binaries: LAB_ARTIFACTS=DIR, or `artifacts` in the topology",
                ))?;
                self.scan_artifacts(&dir)?
            }
        };
        let mut images = BTreeMap::new();
        for os in self.lab.systems() {
            if self.images.local(os).is_none() {
                say.note(format!("downloading the image {os}"));
                self.images.pull(os, &progress).map_err(|error| {
                    EngineError::new(error).preflight().hint(format!(
                        "without internet: `lab images build {os}`, where it can be built"
                    ))
                })?;
            }
            let image = self.images.image(os).map_err(|e| EngineError::new(e).preflight())?;
            images.insert(os.to_owned(), image);
        }
        self.store.create()?;
        let mut bundle = self.store.bundle()?;
        let made = bundle.ensure(&self.lab, OffsetDateTime::now_utc())?;
        if !made.is_empty() {
            self.store.save_bundle(&bundle, &made)?;
        }
        let keys = self.ensure_keys()?;
        let version = found.version;
        self.prepared(Some(found), version, images, bundle, keys)
    }

    fn ensure_keys(&self) -> Result<SshKeys, EngineError> {
        let mut keys = self.load_keys()?;
        if !keys.ensure(&self.lab)?.is_empty() {
            self.store.save_ssh_keys(&keys, &SshKeys::public(&keys.user)?)?;
            self.store.write("ssh/known_hosts", &keys.known_hosts(&self.lab)?)?;
        }
        Ok(keys)
    }

    /// The SSH keys that exist.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn load_keys(&self) -> Result<SshKeys, EngineError> {
        Ok(self.store.ssh_keys(self.lab.nodes.iter().map(|node| node.name.as_str()))?)
    }

    fn prepared(
        &self,
        found: Option<Found>,
        version: Version,
        images: BTreeMap<String, crate::model::platform::Image>,
        bundle: Bundle,
        keys: SshKeys,
    ) -> Result<Prepared, EngineError> {
        let (acceleration, words) = host::acceleration(&self.lab.options.acceleration);
        let version = found.as_ref().map_or(version, |found| found.version);
        let artifacts =
            found.as_ref().map_or_else(artifacts::expected, |found| found.artifacts.clone());
        let super_admin = super_admin(&bundle, OffsetDateTime::now_utc())?;
        let platform = Platform { acceleration, version, images, artifacts };
        Ok(Prepared {
            platform,
            layout: self.place.layout(),
            found,
            artifact_disk: None,
            bundle,
            super_admin,
            keys,
            acceleration: words,
        })
    }

    /// True when a private engine should hide `/dev/kvm` from its libvirt.
    pub fn hides_kvm(&self) -> bool {
        host::acceleration(&self.lab.options.acceleration).0 == Acceleration::Emulated
    }

    /// Nodes over SSH, with the patience given.
    ///
    /// # Errors
    /// When a key is missing or unreadable.
    pub fn ssh(&self, node: &Node, keys: &SshKeys, patience: Duration) -> Result<Ssh, EngineError> {
        let Some(host_key) = keys.hosts.get(&node.name) else {
            return Err(EngineError::new(format!(
                "reach node {}: it has no host key here",
                node.name
            ))
            .hint("is the lab up? `lab status`"));
        };
        Ok(Ssh::new(Target {
            node: node.name.clone(),
            address: SocketAddr::from((node.address, 22)),
            route: self.place.route(),
            user: self.lab.ssh.user.clone(),
            key: keys.user.clone(),
            host_key: SshKeys::public(host_key)?,
            patience,
        }))
    }

    /// The way to all nodes.
    ///
    /// # Errors
    /// As [`Session::ssh`].
    pub fn reach(&self, keys: &SshKeys, patience: Duration) -> Result<Reach, EngineError> {
        let mut nodes: BTreeMap<String, Arc<dyn Guest>> = BTreeMap::new();
        for node in &self.lab.nodes {
            nodes.insert(node.name.clone(), Arc::new(self.ssh(node, keys, patience)?));
        }
        Ok(Arc::new(move |node: &Node| {
            nodes
                .get(&node.name)
                .cloned()
                .unwrap_or_else(|| Arc::new(crate::drivers::memory::MemoryGuest::default()))
        }))
    }
}

impl Prepared {
    /// What a stage may look at.
    pub fn context<'a>(&'a self, session: &'a Session) -> Context<'a> {
        Context {
            lab: &session.lab,
            platform: &self.platform,
            bundle: &self.bundle,
            super_admin: &self.super_admin,
            templates: &session.templates,
        }
    }

    /// Paths that a node's domain refers to.
    pub fn placement(&self, session: &Session, node: &Node) -> Placement {
        let pool = self.layout.pool(&session.lab.pool());
        let image = self.platform.images.get(&node.os);
        let (kernel, initrd) = session.images.boot(&node.os);
        let boot = image.filter(|image| image.direct_boot).map(|image| {
            if self.layout.local {
                (kernel.display().to_string(), initrd.display().to_string())
            } else {
                let volume = image.volume();
                (format!("{pool}/{volume}.vmlinuz"), format!("{pool}/{volume}.initrd"))
            }
        });
        let artifacts = self.platform.artifact_volume().map(|volume| match self.layout.local {
            true => {
                let name = volume.trim_start_matches("artifacts-");
                session.dirs.cache.join("artifacts").join(name).display().to_string()
            }
            false => format!("{pool}/{volume}"),
        });
        Placement { boot, artifacts, console: self.layout.console(&node.domain) }
    }

    /// Path of a node's base image on libvirt's computer.
    pub fn backing(&self, session: &Session, node: &Node) -> String {
        match self.platform.images.get(&node.os) {
            Some(image) if !self.layout.local => {
                format!("{}/{}.qcow2", self.layout.pool(&session.lab.pool()), image.volume())
            }
            _ => session.images.disk(&node.os).display().to_string(),
        }
    }

    /// Steps of a stage on a node.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn steps(
        &self,
        session: &Session,
        stage: &Stage,
        node: &Node,
    ) -> Result<Vec<Step>, EngineError> {
        Ok((stage.steps)(&self.context(session), node)?)
    }

    /// What the topology asks for, with the stages in `only`.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn desired(
        &self,
        session: &Session,
        only: &[&'static Stage],
    ) -> Result<Desired, EngineError> {
        let lab = &session.lab;
        let pool_id = name::object_id(lab.id, "pool", &lab.pool());
        let pool_path = self.layout.pool(&lab.pool());
        let mut domains = Vec::new();
        for node in &lab.nodes {
            let placement = self.placement(session, node);
            domains.push(render::domain(
                &session.templates,
                lab,
                node,
                &self.platform,
                &placement,
            )?);
        }
        let mut stages = Vec::new();
        for stage in STAGES.iter().filter(|stage| only.iter().any(|one| one.name == stage.name)) {
            for node in (stage.nodes)(lab) {
                let steps = self.steps(session, stage, node)?;
                stages.push(StageGoal {
                    stage: stage.name.into(),
                    node: node.name.clone(),
                    fingerprint: fingerprint(&steps),
                });
            }
        }
        Ok(Desired {
            lab: lab.id,
            pool: render::pool(&session.templates, &lab.pool(), pool_id, &pool_path)?,
            network: render::network(&session.templates, lab)?,
            volumes: self.volumes(lab),
            domains,
            stages,
        })
    }

    fn volumes(&self, lab: &Lab) -> Vec<(Option<String>, String)> {
        let mut shared = BTreeSet::new();
        if !self.layout.local {
            for image in lab.systems().into_iter().filter_map(|os| self.platform.images.get(os)) {
                shared.insert(format!("{}.qcow2", image.volume()));
                if image.direct_boot {
                    shared.insert(format!("{}.vmlinuz", image.volume()));
                    shared.insert(format!("{}.initrd", image.volume()));
                }
            }
            shared.extend(self.platform.artifact_volume());
        }
        let own = lab.nodes.iter().flat_map(|node| {
            [render::overlay_name(node), render::seed_name(node)]
                .map(|volume| (Some(node.name.clone()), volume))
        });
        shared.into_iter().map(|name| (None, name)).chain(own).collect()
    }
}
