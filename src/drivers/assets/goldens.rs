//! Golden guests on this computer: `golden/NAME/` in the cache, with the disk that holds memory and all,
//! what libvirt keeps of it, and the mould it was made in. A directory without a mould is none.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::drivers::assets::sparse;
use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::store::{self, remove_tree};
use crate::model::snapshot::Documents;
use crate::render::golden::Mould;

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
    dir: PathBuf,
}

impl Goldens {
    /// Those below `cache`.
    pub fn new(cache: &Path) -> Self {
        Self { dir: cache.join("golden") }
    }

    /// The golden guest of a mould, if it was made.
    pub fn find(&self, mould: &Mould) -> Option<Golden> {
        let dir = self.dir.join(mould.name());
        let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
        let found: Mould = serde_json::from_str(&read("mould.json")?).ok()?;
        let documents = Documents { domain: read("domain.xml")?, snapshot: read("snapshot.xml")? };
        let disk = dir.join("disk.qcow2");
        (found == *mould && disk.is_file()).then_some(Golden { disk, documents })
    }

    /// Every golden guest: its mould, and the bytes it takes.
    pub fn all(&self) -> Vec<(Mould, u64)> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut all: Vec<(Mould, u64)> = entries
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
    pub fn lock(&self, mould: &Mould) -> Result<File, String> {
        store::make_dir(&self.dir).map_err(|error| error.to_string())?;
        let path = self.dir.join(format!("{}.lock", mould.name()));
        let doing = |error: std::io::Error| format!("lock {}: {error}", path.display());
        let file = File::create(&path).map_err(doing)?;
        file.lock().map_err(doing)?;
        Ok(file)
    }

    /// Takes what was made in, and gives up those that it replaces.
    ///
    /// # Errors
    /// When a file cannot be moved or written.
    pub fn keep(
        &self,
        mould: &Mould,
        disk: &Path,
        documents: &Documents,
    ) -> Result<Golden, String> {
        let dir = self.dir.join(mould.name());
        let io = |error: std::io::Error| format!("write {}: {error}", dir.display());
        // Whatever is there is no golden guest, or somebody would have found it.
        remove_tree(&Failpoints::default(), &dir).map_err(io)?;
        store::make_dir(&dir).map_err(|error| error.to_string())?;
        let kept = dir.join("disk.qcow2");
        // Labs and cache may be on different file systems.
        fs::rename(disk, &kept).or_else(|_| sparse::copy(disk, &kept)).map_err(io)?;
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o400)).map_err(io)?;
        let text = serde_json::to_string_pretty(mould).unwrap_or_default();
        for (name, text) in [
            ("domain.xml", &documents.domain),
            ("snapshot.xml", &documents.snapshot),
            ("mould.json", &text),
        ] {
            store::write_atomic(&dir.join(name), text.as_bytes(), 0o600).map_err(io)?;
        }
        for (old, _) in self.all().iter().filter(|(old, _)| mould.replaces(old)) {
            self.remove(old)?;
        }
        self.find(mould).ok_or_else(|| format!("read {}: it is not there", dir.display()))
    }

    /// Gives up the golden guests of an image.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove_of(&self, os: &str) -> Result<(), String> {
        let all = self.all();
        all.iter().filter(|(mould, _)| mould.os == os).try_for_each(|(mould, _)| self.remove(mould))
    }

    fn remove(&self, mould: &Mould) -> Result<(), String> {
        let dir = self.dir.join(mould.name());
        // Its mould first: what remains after a crash counts as none.
        [dir.join("mould.json"), dir.clone()]
            .iter()
            .try_for_each(|path| remove_tree(&Failpoints::default(), path))
            .map_err(|error| format!("remove {}: {error}", dir.display()))?;
        let _ = fs::remove_file(self.dir.join(format!("{}.lock", mould.name())));
        Ok(())
    }
}
