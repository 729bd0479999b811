//! What is remembered about a lab between runs: `lab.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::drivers::state::error::{StoreError, failed};
use crate::drivers::state::store::Store;

/// Format of `lab.json`; a newer one is refused.
const SCHEMA_VERSION: u32 = 1;

/// What is remembered about a lab between runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Format of this file.
    pub schema_version: u32,
    /// Lab name.
    pub name: String,
    /// Lab id.
    pub id: uuid::Uuid,
    /// `system`, `private` or `existing`. Under the name that earlier versions read and wrote.
    #[serde(rename = "engine", alias = "provider")]
    pub provider: String,
    /// Libvirt address, for the provider system.
    pub uri: String,
    /// Folder of binaries that was chosen, so that later commands need not name it again.
    #[serde(default)]
    pub artifacts: Option<PathBuf>,
    /// Folder of container image archives that was chosen.
    #[serde(default)]
    pub archives: Option<PathBuf>,
    /// Directory of a private provider's sockets, wherever the runtime directory was then.
    #[serde(default)]
    pub run: Option<PathBuf>,
    /// Base images that the lab's disks stand on.
    #[serde(default)]
    pub images: Vec<String>,
    /// Hex sha256 of those images, by name: another one below the disks would be damage.
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
    /// Members that founded the etcd cluster, `name=peer URL`. Later members join them.
    #[serde(default)]
    pub etcd: Vec<String>,
    /// VRRP router ids of the floating addresses, by name.
    #[serde(default)]
    pub router_ids: BTreeMap<String, u8>,
    /// Folder that relative paths in the topology start from.
    #[serde(default)]
    pub base: PathBuf,
}

/// File of the record.
pub(super) const RECORD: &str = "lab.json";

impl Record {
    /// Reads one.
    ///
    /// # Errors
    /// When it is broken or of a newer `lab`.
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let record: Record = serde_json::from_str(text)?;
        match record.schema_version > SCHEMA_VERSION {
            false => Ok(record),
            true => Err(io::Error::other(format!(
                "it was written by a newer lab (format {}, this one knows {SCHEMA_VERSION})",
                record.schema_version
            ))),
        }
    }

    /// What belongs to the lab as another record has it; what its computer says, as here.
    pub(super) fn of_the_lab_as_in(self, then: Self) -> Self {
        let Self { images, digests, etcd, router_ids, .. } = then;
        Self { images, digests, etcd, router_ids, ..self }
    }

    /// A record of the current format.
    pub fn new(name: &str, id: uuid::Uuid, provider: &str, uri: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            name: name.into(),
            id,
            provider: provider.into(),
            uri: uri.into(),
            artifacts: None,
            archives: None,
            run: None,
            images: Vec::new(),
            digests: BTreeMap::new(),
            etcd: Vec::new(),
            router_ids: BTreeMap::new(),
            base: PathBuf::new(),
        }
    }

    /// The copy of `image` in the cache that the disks of the lab, of that name, stand on. A system libvirt
    /// has copies of its own.
    fn standing_on(&self, lab: &str, image: &str) -> Option<Standing> {
        let sha256 = self.digests.get(image).filter(|_| self.provider == "private")?;
        Some(Standing { lab: lab.to_owned(), sha256: sha256.clone() })
    }
}

impl Store {
    /// The record, when the lab has one.
    ///
    /// # Errors
    /// When it is broken or of a newer `lab`.
    pub fn record(&self) -> Result<Option<Record>, StoreError> {
        let Some(text) = self.read(RECORD)? else { return Ok(None) };
        Record::parse(&text).map(Some).map_err(failed("read", &self.path(RECORD)))
    }

    /// Saves the record.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_record(&self, record: &Record) -> Result<(), StoreError> {
        self.write(RECORD, &serde_json::to_string_pretty(record).unwrap_or_default())
    }
}

/// Names of all labs that have a directory below `state`.
pub fn labs(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join(RECORD).exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        // What is left of one that is being removed.
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// A lab whose disks stand on an image, and the image as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The lab.
    pub lab: String,
    /// Hex sha256 of the image.
    pub sha256: String,
}

/// Records of all labs below `state` that have one which can be read, by the labs' names.
pub fn records(state: &Path) -> impl Iterator<Item = (String, Record)> {
    labs(state).into_iter().filter_map(|lab| {
        let record = Store::new(state, &lab).record().ok().flatten()?;
        Some((lab, record))
    })
}

/// Labs whose disks stand on the copy of `image` in the cache.
pub fn standing_on(state: &Path, image: &str) -> Vec<Standing> {
    records(state).filter_map(|(lab, record)| record.standing_on(&lab, image)).collect()
}

/// The same for one lab; `None` where its disks stand on none, or nobody knows.
pub fn standing(state: &Path, lab: &str, image: &str) -> Option<Standing> {
    Store::new(state, lab).record().ok().flatten()?.standing_on(lab, image)
}

/// VRRP router ids of all labs below `state` but `name`.
pub fn router_ids_of_others(state: &Path, name: &str) -> BTreeSet<u8> {
    records(state)
        .filter(|(other, _)| other != name)
        .flat_map(|(_, record)| record.router_ids.into_values())
        .collect()
}
