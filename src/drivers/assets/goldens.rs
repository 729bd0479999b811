//! Golden guests on this computer: `golden/NAME/` in the cache, with the disk that holds memory and all,
//! what libvirt keeps of it, and the key it was made in. A directory without a key is none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::error::AssetError;
use crate::drivers::assets::sparse;
use crate::drivers::state::file_lock::FileLock;
use crate::model::snapshot::Documents;
use crate::render::golden::GoldenKey;

/// A golden guest.
#[derive(Clone, Debug)]
pub struct Golden {
    /// Its disk, a qcow2 overlay with its frozen memory inside.
    pub disk: PathBuf,
    /// What libvirt keeps of it.
    pub documents: Documents,
}

/// The golden guests of one cache.
#[derive(Clone, Debug)]
pub struct Goldens {
    cache: Cache,
}

impl Goldens {
    /// Those of `cache`.
    pub fn new(cache: &Cache) -> Self {
        Self { cache: cache.clone() }
    }

    fn dir(&self, key: &GoldenKey) -> PathBuf {
        self.cache.path(&format!("golden/{}", key.name()))
    }

    /// The golden guest of a key, if it was made.
    pub fn find(&self, key: &GoldenKey) -> Option<Golden> {
        let dir = self.dir(key);
        let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
        let found: GoldenKey = serde_json::from_str(&read("mould.json")?).ok()?;
        let documents = Documents { domain: read("domain.xml")?, snapshot: read("snapshot.xml")? };
        let disk = dir.join("disk.qcow2");
        (found == *key && disk.is_file()).then_some(Golden { disk, documents })
    }

    /// Every golden guest: its key, and the bytes it takes.
    pub fn all(&self) -> Vec<(GoldenKey, u64)> {
        let entries = fs::read_dir(self.cache.path("golden")).into_iter().flatten().flatten();
        let mut all: Vec<(GoldenKey, u64)> = entries
            .filter_map(|entry| {
                let text = fs::read_to_string(entry.path().join("mould.json")).ok()?;
                let bytes = entry.path().join("disk.qcow2").metadata().ok()?.len();
                Some((serde_json::from_str(&text).ok()?, bytes))
            })
            .collect();
        all.sort();
        all
    }

    /// Waits until nobody else makes this golden guest; nobody does while the file is open.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn lock(&self, key: &GoldenKey) -> Result<FileLock, AssetError> {
        self.cache.lock(&format!("golden/{}", key.name()))
    }

    /// Takes what was made in, and gives up those that it replaces.
    ///
    /// # Errors
    /// When a file cannot be moved or written.
    pub fn keep(
        &self,
        key: &GoldenKey,
        disk: &Path,
        documents: &Documents,
    ) -> Result<Golden, AssetError> {
        let (cache, dir) = (&self.cache, self.dir(key));
        // Whatever is there is no golden guest, or somebody would have found it.
        cache.remove(&dir)?;
        cache.make_dir(&format!("golden/{}", key.name()))?;
        self.take_in(disk, &dir)?;
        // What vouches for the rest is written last.
        let text = serde_json::to_string_pretty(key).unwrap_or_default();
        for (name, text) in [
            ("domain.xml", &documents.domain),
            ("snapshot.xml", &documents.snapshot),
            ("mould.json", &text),
        ] {
            cache.write(&dir.join(name), text, 0o600)?;
        }
        for (old, _) in self.all().iter().filter(|(old, _)| key.replaces(old)) {
            self.remove(old)?;
        }
        self.find(key)
            .ok_or_else(|| AssetError::unfit(format!("read {}", dir.display()), "it is not there"))
    }

    /// Moves or copies a disk to where it is kept.
    fn take_in(&self, disk: &Path, dir: &Path) -> Result<(), AssetError> {
        let kept = dir.join("disk.qcow2");
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        if device(disk) == device(dir) {
            return self.cache.put(disk, &kept, 0o400);
        }
        // Labs and cache may be on different file systems.
        let copied = dir.join("disk.part");
        let doing = format!("write {}", copied.display());
        self.cache.failpoints().hit(&doing).map_err(AssetError::io(&doing))?;
        sparse::copy(disk, &copied).map_err(AssetError::io(&doing))?;
        self.cache.put(&copied, &kept, 0o400)
    }

    /// Gives up the golden guests of an image.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove_of(&self, os: &str) -> Result<(), AssetError> {
        let all = self.all();
        all.iter().filter(|(key, _)| key.os == os).try_for_each(|(key, _)| self.remove(key))
    }

    fn remove(&self, key: &GoldenKey) -> Result<(), AssetError> {
        let dir = self.dir(key);
        // Its key first: what remains after a crash counts as none.
        self.cache.remove(&dir.join("mould.json"))?;
        self.cache.remove(&dir)?;
        self.cache.remove(&self.cache.path(&format!("golden/{}.lock", key.name())))
    }
}
