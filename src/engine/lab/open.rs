//! One lab, opened: what it should be, where it runs, its secrets, and the drivers to reach it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use time::OffsetDateTime;

use crate::drivers::assets::binaries::{self, Found};
use crate::drivers::assets::images::Images;
use crate::drivers::host::Dirs;
use crate::drivers::state::{Store, standing_on};
use crate::engine::lab::bases::{refuse_other_base, with_cure};
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::provider::Place;
use crate::engine::lab::timeouts::Pace;
use crate::engine::task::error::EngineError;
use crate::kubernetes;
use crate::kubernetes::flavour::Flavour;
use crate::model::platform::{Artifacts, Image, Platform};
use crate::model::topology;
use crate::model::{Lab, Owner, Role, Version, code, size};
use crate::pki::{Bundle, SshKeys, super_admin};
use crate::render::Templates;

/// A lab and where it runs.
#[derive(Debug)]
pub struct Session {
    /// The lab.
    pub lab: Lab,
    /// Topology text as given, kept with the lab's files.
    pub source: String,
    /// Folder that relative paths in the topology start from.
    pub base: PathBuf,
    /// Whose it is.
    pub owner: Owner,
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
    /// How fast its nodes are; found out when first asked for.
    pub pace: OnceLock<Pace>,
}

impl Session {
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

    fn scan_artifacts(&self, dir: &Path) -> Result<Found, EngineError> {
        let images = self.chosen_archives();
        let found = binaries::scan(dir, images.as_deref(), self.images.cache());
        let found = found.map_err(|error| EngineError::from(error).preflight())?;
        match self.lab.kubernetes.version {
            Some(wanted) if wanted != found.version => Err(unfit(format!(
                "use the artifacts in {}: they are Kubernetes {}, the topology asks for {wanted}",
                dir.display(),
                found.version
            ))
            .hint("remove `version` from the topology, or name another folder")),
            _ if found.version.is_too_old() => Err(unfit(format!(
                "use the artifacts in {}: Kubernetes {} is not supported",
                dir.display(),
                found.version
            ))),
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
        let release = binaries::release_dir(version, self.images.cache());
        let found = match chosen {
            Some(dir) => Some(self.scan_artifacts(&dir)?),
            None => binaries::scan(&release, None, self.images.cache()).ok(),
        };
        let mut images = BTreeMap::new();
        for os in self.lab.systems() {
            let image = self.images.image(os).or_else(|_| self.images.expected(os));
            let image = image?;
            if image.is_known() {
                refuse_other_base(&self.lab, &self.dirs.state, os, &image)?;
            }
            images.insert(os.to_owned(), image);
        }
        let mut bundle = self.store.bundle_to_complete()?;
        let due = bundle.due(&self.lab, OffsetDateTime::now_utc());
        // What will be made anew is not what the nodes have.
        bundle.entries.retain(|name, _| !due.iter().any(|due| due.name == *name));
        let placeholder = Bundle::placeholder(&self.lab);
        for (name, entry) in placeholder.entries {
            bundle.entries.entry(name).or_insert(entry);
        }
        if bundle.encryption_key.0.is_empty() {
            bundle.encryption_key = placeholder.encryption_key;
        }
        let keys = SshKeys::placeholder(&self.lab);
        Ok(Prepared { due, ..self.prepared(found, version, images, bundle, keys)? })
    }

    /// Gathers what plans need and makes what is missing on this computer: downloads images and
    /// binaries, makes certificates and keys. Nothing of the hypervisor is touched.
    ///
    /// # Errors
    /// When a download, a check or a key fails.
    pub fn prepare(&self, say: &crate::engine::Events) -> Result<Prepared, EngineError> {
        let version = self.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT);
        let found = match self.chosen_artifacts() {
            Some(dir) => self.scan_artifacts(&dir)?,
            None => {
                let dir = binaries::release_dir(version, self.images.cache());
                if binaries::REQUIRED.iter().any(|name| !dir.join(name).exists()) {
                    say.note(format!("downloading Kubernetes {version}"));
                }
                let fetched =
                    binaries::fetch_release(version, self.images.cache(), &tenths(say, "binary"));
                let dir = fetched.map_err(|error| EngineError::from(error).preflight().hint(
                    "without internet, name a folder of binaries: LAB_ARTIFACTS=DIR, or `artifacts` in the topology",
                ))?;
                self.scan_artifacts(&dir)?
            }
        };
        // What the topology asks for was spoken of when it was read.
        if let Some(text) = found.version.unknown()
            && self.lab.kubernetes.version.is_none()
        {
            say.warn(text);
        }
        let mut images = BTreeMap::new();
        for os in self.lab.systems() {
            let is_missing = self.images.local(os).is_none();
            if is_missing {
                say.note(format!("downloading the image {os}"));
            }
            let standing = standing_on(&self.dirs.state, os);
            let image = self.images.ensure(os, &standing, &tenths(say, os)).map_err(|error| {
                let error = EngineError::from(error).preflight();
                match is_missing {
                    true if error.code == &code::CHANGED_BASE => with_cure(&self.lab, os, error),
                    true => error.hint(format!(
                        "without internet: `lab images build {os}`, where it can be built"
                    )),
                    false => error,
                }
            })?;
            refuse_other_base(&self.lab, &self.dirs.state, os, &image)?;
            if !image.direct_boot && !self.place.reaches_outside(&self.lab) {
                return Err(unfit(format!(
                    "use the image {os}: its packages come from the internet, and the lab's guests have no way there"
                ))
                .hint("use an image built here (`lab images build debian-12`); `lab doctor` tells what a way out needs"));
            }
            images.insert(os.to_owned(), image);
        }
        self.store.create()?;
        let mut bundle = self.store.bundle_to_complete()?;
        let now = OffsetDateTime::now_utc();
        let due = bundle.due(&self.lab, now);
        let made = bundle.ensure(&self.lab, now)?;
        if !made.is_empty() {
            self.store.save_bundle(&bundle, &made)?;
        }
        let keys = self.ensure_keys()?;
        let version = found.version;
        Ok(Prepared { due, ..self.prepared(Some(found), version, images, bundle, keys)? })
    }

    fn ensure_keys(&self) -> Result<SshKeys, EngineError> {
        let mut keys = self.load_keys()?;
        if !keys.ensure(&self.lab)?.is_empty() {
            self.store.save_ssh_keys(&keys, &SshKeys::public(&keys.user)?)?;
            self.store.write("ssh/known_hosts", &keys.known_hosts(&self.lab)?)?;
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
        let mut bundle = self.store.bundle()?;
        let pruned = bundle.prune(&self.lab);
        if !pruned.is_empty() {
            self.store.save_bundle(&bundle, &[])?;
            self.store.remove_pairs(&pruned)?;
        }
        let gone: Vec<&str> = nodes.collect();
        if !gone.is_empty() {
            // Whoever is in this file has a key: it is written before keys go.
            let keys = self.load_keys()?;
            self.store.write("ssh/known_hosts", &keys.known_hosts(&self.lab)?)?;
            self.store.remove_host_keys(&gone)?;
        }
        Ok(())
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
        images: BTreeMap<String, Image>,
        bundle: Bundle,
        keys: SshKeys,
    ) -> Result<Prepared, EngineError> {
        let pace = self.pace();
        let version = found.as_ref().map_or(version, |found| found.version);
        let artifacts =
            found.as_ref().map_or_else(binaries::expected, |found| found.artifacts.clone());
        let super_admin = super_admin(&bundle, OffsetDateTime::now_utc())?;
        let dns_image = self.dns_image(&artifacts, version);
        let acceleration = pace.acceleration;
        let platform = Platform { acceleration, version, images, artifacts, dns_image };
        Ok(Prepared {
            platform,
            layout: self.place.layout(),
            found,
            artifact_disk: None,
            bundle,
            due: Vec::new(),
            super_admin,
            keys,
            acceleration: pace.words.clone(),
            etcd_founders: self.etcd_founders()?,
        })
    }

    /// The lab as it was when it was last changed; `None` when nobody knows.
    pub(crate) fn before(&self) -> Result<Option<Lab>, EngineError> {
        let Some(text) = self.store.read("topology.yaml")? else { return Ok(None) };
        // Whatever cannot be read any more says nothing about the nodes.
        Ok(topology::load(&text, &self.owner).ok().map(|loaded| loaded.lab))
    }

    /// The image of cluster DNS: one of the archives at hand, else the registry's, where guests can
    /// reach a registry.
    fn dns_image(&self, artifacts: &Artifacts, version: Version) -> Option<String> {
        let is_coredns = |name: &&String| {
            let repository = name.rsplit_once(':').map_or(name.as_str(), |(name, _)| name);
            repository.rsplit('/').next() == Some("coredns")
        };
        let archived = artifacts.image_names.iter().find(is_coredns).cloned();
        archived.or_else(|| {
            let outside = self.place.reaches_outside(&self.lab);
            outside.then(|| format!("registry.k8s.io/{}", version.coredns()))
        })
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
    pub(crate) fn pace(&self) -> &Pace {
        self.pace.get_or_init(|| Pace::found(&self.place, &self.lab.options.acceleration))
    }

    /// True when guests are emulated: then a private engine also hides `/dev/kvm` from its libvirt.
    pub fn is_emulated(&self) -> bool {
        self.pace().acceleration.is_emulated()
    }
}

/// Says how far a download is, at every tenth of it.
fn tenths<'e>(
    say: &'e crate::engine::Events,
    what: &'e str,
) -> impl Fn(u64, Option<u64>) + Sync + 'e {
    let last = AtomicU64::new(0);
    move |done, total| {
        let Some(total) = total.filter(|total| *total > 0) else { return };
        let tenth = done * 10 / total;
        if last.swap(tenth, Ordering::Relaxed) != tenth {
            say.note(format!("  {what}: {} of {}", size::human(done), size::human(total)));
        }
    }
}

fn unfit(why: impl Into<String>) -> EngineError {
    EngineError::of(&code::UNFIT, why).preflight()
}
