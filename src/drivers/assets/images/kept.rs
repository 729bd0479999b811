//! What a lab's disks stand on, kept with the lab: a cache may be cleaned at any time, and disks that lost what
//! is below them are worth nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::drivers::assets::download;
use crate::drivers::assets::error::AssetError;
use crate::drivers::assets::images::{DISK, INITRD, Images, Incoming, KERNEL, LOCAL, Local, entry};
use crate::drivers::state::files;
use crate::model::os;

impl Images {
    /// Keeps the local image in the directory `dir`, too; nothing where there is none, or it is kept already.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep(&self, name: &str, dir: &Path) -> Result<(), AssetError> {
        let Some(local) = self.local(name) else { return Ok(()) };
        if kept(dir).is_some_and(|kept| kept.sha256 == local.sha256) {
            return Ok(());
        }
        // A cache that others filled need not be ours to write to.
        let _lock = self.cache.lock(&entry(name));
        self.cache.remove(dir)?;
        files::make_dir(dir)?;
        for file in [DISK, KERNEL, INITRD] {
            let from = self.dir(name).join(file);
            if from.exists() {
                self.cache.share(&from, &dir.join(file))?;
            }
        }
        let text = serde_json::to_string_pretty(&local).unwrap_or_default();
        self.cache.write(&dir.join(LOCAL), &text, 0o600)
    }

    /// Has what is kept in `dir` be the local image again, where the cache has none and what is kept is what its
    /// `sha256` says. False where it is not.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn take_back(&self, name: &str, dir: &Path, sha256: &str) -> Result<bool, AssetError> {
        let _lock = self.cache.lock(&entry(name))?;
        let Some(local) = kept(dir).filter(|kept| kept.sha256 == sha256) else { return Ok(false) };
        if self.local(name).is_some() {
            return Ok(false);
        }
        let whole = |file: &str, sum: &str| {
            let path = dir.join(file);
            download::hash(&path, "sha256").is_ok_and(|found| found == sum)
        };
        let boot_is_whole = local.boot.iter().all(|(file, mark)| whole(file, &mark.sha256));
        if !boot_is_whole || !whole(DISK, sha256) {
            return Ok(false);
        }
        let place = self.cache.make_dir(&entry(name))?;
        let incoming = |file: &str| -> Result<PathBuf, AssetError> {
            let to = place.join(format!("kept-{file}"));
            self.cache.remove(&to)?;
            self.cache.share(&dir.join(file), &to)?;
            Ok(to)
        };
        let disk = incoming(DISK)?;
        let mut boot = Vec::new();
        for file in [KERNEL, INITRD] {
            if dir.join(file).exists() {
                boot.push((file, incoming(file)?));
            }
        }
        let (inputs, like) = (local.inputs, local.like);
        let source = "kept with a lab";
        self.adopt(name, &Incoming { disk: &disk, boot, source, inputs, like })?;
        Ok(true)
    }
}

/// The system that an image is which a person brought, as a lab keeps it in `dir`.
pub fn like_kept(dir: &Path) -> Option<String> {
    kept(dir)?.like.filter(|like| os::names().contains(&like.as_str()))
}

fn kept(dir: &Path) -> Option<Local> {
    serde_json::from_str(&fs::read_to_string(dir.join(LOCAL)).ok()?).ok()
}
