//! What a lab's disks stand on, kept with the lab: a cache may be cleaned at any time, and disks that lost what
//! is below them are worth nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::download;
use crate::drivers::assets::error::AssetError;
use crate::drivers::assets::images::{DISK, INITRD, Images, Incoming, KERNEL, LOCAL, Local, entry};
use crate::drivers::assets::sparse;
use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::files;

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
                share(&from, &dir.join(file), self.cache.failpoints())?;
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
            share(&dir.join(file), &to, self.cache.failpoints())?;
            Ok(to)
        };
        let disk = incoming(DISK)?;
        let mut boot = Vec::new();
        for file in [KERNEL, INITRD] {
            if dir.join(file).exists() {
                boot.push((file, incoming(file)?));
            }
        }
        let inputs = local.inputs;
        self.adopt(name, &Incoming { disk: &disk, boot, source: "kept with a lab", inputs })?;
        Ok(true)
    }
}

/// Keeps the artifact disk in `dir`, too.
///
/// # Errors
/// When the file system refuses.
pub fn keep_artifacts(cache: &Cache, disk: &Path, dir: &Path) -> Result<(), AssetError> {
    let Some(name) = disk.file_name() else { return Ok(()) };
    if dir.join(name).exists() {
        return Ok(());
    }
    files::make_dir(dir)?;
    share(disk, &dir.join(name), cache.failpoints())
}

/// Has artifact disks that are kept in `dir` be in the cache again, where they are not: guests that know one hold
/// parts of it in memory, and another with the same files in it is another disk.
///
/// # Errors
/// When the file system refuses.
pub fn take_artifacts_back(cache: &Cache, dir: &Path) -> Result<(), AssetError> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_disk = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "img");
    for kept in entries.map(|entry| entry.path()).filter(is_disk) {
        let name = kept.file_name().unwrap_or_default();
        let path = cache.make_dir("artifacts")?.join(name);
        let _lock = cache.lock(&format!("artifacts/{}", name.to_string_lossy()))?;
        if !path.exists() {
            share(&kept, &path, cache.failpoints())?;
        }
    }
    Ok(())
}

fn kept(dir: &Path) -> Option<Local> {
    serde_json::from_str(&fs::read_to_string(dir.join(LOCAL)).ok()?).ok()
}

/// One file under two names; a copy where a file system ends between them, or does not allow it.
fn share(from: &Path, to: &Path, points: &Failpoints) -> Result<(), AssetError> {
    let shared = || -> io::Result<()> {
        points.hit(&format!("link {}", to.display()))?;
        if fs::hard_link(from, to).is_ok() {
            return fs::File::open(files::directory(to))?.sync_all();
        }
        let mut unfinished = to.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        sparse::copy(from, &unfinished)?;
        fs::set_permissions(&unfinished, fs::metadata(from)?.permissions())?;
        // Images are known by their size and the time of their last change.
        let modified = fs::metadata(from)?.modified()?;
        fs::File::open(&unfinished)?.set_modified(modified)?;
        files::put(points, &unfinished, to)
    };
    shared().map_err(AssetError::io(format!("keep {} as {}", from.display(), to.display())))
}
