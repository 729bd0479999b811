//! One lab, opened: what it should be, where it runs, its secrets, and the drivers to reach it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::drivers::assets::binaries;
use crate::drivers::assets::images::Images;
use crate::drivers::guest::ssh::Ssh;
use crate::drivers::host::Dirs;
use crate::drivers::state::Store;
use crate::drivers::state::login_file;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::lab::timeouts::Timeouts;
use crate::engine::task::error::EngineError;
use crate::kubernetes;
use crate::kubernetes::flavour::Flavour;
use crate::model::logins::Logins;
use crate::model::topology;
use crate::model::{Lab, Node, Owner, Role, code};
use crate::pki::{Bundle, Leaves, SshKeys};
use crate::render::Templates;

/// A lab and where it runs.
#[derive(Debug)]
pub struct Session {
    /// The lab.
    pub lab: Lab,
    /// Machines that were nodes and are to be given back.
    pub leaving: Vec<Node>,
    /// The connection to the bastion, once somebody needs it.
    pub gate: OnceLock<Arc<Ssh>>,
    /// Topology text as given, kept with the lab's files.
    pub source: String,
    /// Folder that relative paths in the topology start from.
    pub base: PathBuf,
    /// Where it is written down what the lab is made with.
    pub locked: PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Its files.
    pub store: Store,
    /// Where it runs.
    pub provider: ProviderKind,
    /// Directories.
    pub dirs: Dirs,
    /// Templates.
    pub templates: Templates,
    /// Images.
    pub images: Images,
    /// How fast its nodes are; found out when first asked for.
    pub timeouts: OnceLock<Timeouts>,
}

impl Session {
    /// A bundle that holds what the lab's flavour asks for.
    pub fn of_flavour(&self, bundle: Bundle) -> Bundle {
        Bundle { leaves: Leaves(self.flavour().certificates), ..bundle }
    }

    /// How its Kubernetes is set up.
    pub fn flavour(&self) -> &'static Flavour {
        kubernetes::flavour(&self.lab)
    }

    /// The artifacts folder the person chose, if any: by variable, by topology, or when the lab was
    /// made.
    pub(crate) fn chosen_artifacts(&self) -> Option<PathBuf> {
        (self.dirs.artifacts.clone())
            .or_else(|| self.lab.kubernetes.artifacts.as_ref().map(|path| self.base.join(path)))
            .or_else(|| self.store.record().ok().flatten()?.artifacts)
    }

    /// Logins of registries, where the topology names a file of them.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it is no such file.
    pub(crate) fn registry_logins(&self) -> Result<Option<Logins>, EngineError> {
        let Some(path) = &self.lab.kubernetes.registry_logins else { return Ok(None) };
        let path = self.base.join(path);
        let logins = login_file::read(&path).map_err(|flaw| {
            let message = format!("read the logins in {}: {}", path.display(), flaw.message);
            EngineError::of(&code::LOGINS, message).hint(flaw.help).preflight()
        });
        logins.map(Some)
    }

    /// The folder of image archives the person chose, if any: by variable, or when the lab was made.
    pub(crate) fn chosen_archives(&self) -> Option<PathBuf> {
        self.dirs.archives.clone().or_else(|| self.store.record().ok().flatten()?.archives)
    }

    /// The folder on this computer that has the lab's client of the cluster, if any.
    pub fn client_dir(&self) -> Option<PathBuf> {
        let version = self.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT);
        let release = binaries::release_dir(version, self.images.cache());
        let dir = self.chosen_artifacts().unwrap_or(release);
        dir.join(self.flavour().client).is_file().then_some(dir)
    }

    /// The SSH keys, made where they are missing.
    ///
    /// # Errors
    /// When a key cannot be read, made or written.
    pub(crate) fn ensure_keys(&self) -> Result<SshKeys, EngineError> {
        let mut keys = self.load_keys()?;
        let made = keys.ensure(&self.lab)?;
        if !made.is_empty() {
            self.store.save_ssh_keys(&keys, &SshKeys::public(&keys.user)?)?;
        }
        if !made.is_empty() || self.lab.machines().next().is_some() {
            self.store.write("ssh/known_hosts", &self.known_to_others(&keys)?)?;
        }
        Ok(keys)
    }

    /// Removes the keys and certificates of nodes that left, and those that nobody has any more.
    ///
    /// # Errors
    /// When a file cannot be removed or written.
    pub(crate) fn forget<'n>(
        &self,
        nodes: impl Iterator<Item = &'n str>,
    ) -> Result<(), EngineError> {
        let mut bundle = self.of_flavour(self.store.bundle()?);
        let pruned = bundle.prune(&self.lab);
        if !pruned.is_empty() {
            self.store.save_bundle(&bundle, &[])?;
            self.store.remove_pairs(&pruned)?;
        }
        let gone: Vec<&str> = nodes.collect();
        if !gone.is_empty() {
            // Whoever is in this file has a key: it is written before keys go.
            let keys = self.load_keys()?;
            self.store.write("ssh/known_hosts", &self.known_to_others(&keys)?)?;
            self.store.remove_host_keys(&gone)?;
        }
        Ok(())
    }

    /// What certificates that the lab no longer has still open to whoever kept them, for people.
    pub(crate) fn still_open(&self) -> Result<Option<String>, EngineError> {
        let bundle = self.of_flavour(self.store.bundle()?);
        Ok(bundle.still_open(&self.lab, time::OffsetDateTime::now_utc()))
    }

    /// The SSH keys that exist.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn load_keys(&self) -> Result<SshKeys, EngineError> {
        Ok(self.store.ssh_keys(self.lab.guests().map(|node| node.name.as_str()))?)
    }

    /// The lab as it was when it was last changed; `None` when nobody knows.
    pub(crate) fn before(&self) -> Result<Option<Lab>, EngineError> {
        let Some(text) = self.store.read("topology.yaml")? else { return Ok(None) };
        // Whatever cannot be read any more says nothing about the nodes.
        Ok(topology::load_again(&text, &self.owner).ok().map(|loaded| loaded.lab))
    }

    /// The members that formed the cluster, as recorded; before that, those of the topology.
    pub(crate) fn etcd_founders(&self) -> Result<Vec<String>, EngineError> {
        let recorded = self.store.record()?.map(|record| record.etcd).unwrap_or_default();
        if recorded.is_empty() {
            return Ok(self.etcd_members());
        }
        // Records of earlier versions hold names alone.
        let whole = |entry: String| match entry.contains('=') {
            true => Some(entry),
            false => self.lab.node(&entry).map(self.flavour().operations.founder),
        };
        Ok(recorded.into_iter().filter_map(whole).collect())
    }

    /// The members of the topology, as etcd's list of founders has them.
    pub(crate) fn etcd_members(&self) -> Vec<String> {
        self.lab.with_role(Role::Etcd).map(self.flavour().operations.founder).collect()
    }

    /// Writes down who founds the etcd cluster: whoever comes later joins it.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub(crate) fn remember_founders(&self, founders: &[String]) -> Result<(), EngineError> {
        let Some(mut record) = self.store.record()? else { return Ok(()) };
        if record.etcd != founders {
            record.etcd = founders.to_owned();
            self.store.save_record(&record)?;
        }
        Ok(())
    }

    /// Before a change of the computer that no driver with failpoints of its own makes.
    pub(crate) fn hit(&self, change: &str) -> Result<(), EngineError> {
        let hit = self.store.failpoints().hit(change);
        hit.map_err(|error| EngineError::of(&code::COMPUTER, format!("{change}: {error}")))
    }

    /// How fast its nodes are. Found out once: it may take a connection.
    pub(crate) fn timeouts(&self) -> &Timeouts {
        self.timeouts
            .get_or_init(|| Timeouts::found(&self.provider, &self.lab.options.acceleration))
    }

    /// True when guests are emulated: then a private provider also hides `/dev/kvm` from its libvirt.
    pub fn is_emulated(&self) -> bool {
        self.timeouts().acceleration.is_emulated()
    }
}
