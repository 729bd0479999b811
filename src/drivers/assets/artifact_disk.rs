//! The disk with the binaries, read-only and the same for all nodes: nothing is copied to each.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::drivers::assets::binaries::Found;
use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::error::AssetError;
use crate::drivers::assets::regular;
use crate::drivers::host::tool::run_tool;
use crate::drivers::state::files;

/// Options of mkfs: no journal, nothing reserved, everything root's.
const MKFS: &[&str] = &[
    "-q",
    "-F",
    "-L",
    "lab-artifacts",
    "-m",
    "0",
    "-O",
    "^has_journal",
    "-E",
    "root_owner=0:0",
    "-d",
];

/// The disk with what was found, made once per content: an ext4 file system with `bin/` and `images/`.
///
/// # Errors
/// When a file cannot be read or mkfs fails.
pub fn make(found: &Found, cache: &Cache) -> Result<PathBuf, AssetError> {
    let digest = found.artifacts.digest.get(..12).unwrap_or("none");
    let dir = cache.make_dir("artifacts")?;
    let path = dir.join(format!("{digest}.img"));
    if path.exists() {
        return Ok(path);
    }
    let _lock = cache.lock(&format!("artifacts/{digest}"))?;
    if path.exists() {
        return Ok(path);
    }
    let io = || AssetError::io("make the artifact disk");
    let work = tempfile::Builder::new().prefix("disk-").tempdir_in(&dir).map_err(io())?;
    let root = work.path().join("root");
    let mut bytes = 0;
    for (name, file) in &found.files {
        let target = root.join(name);
        let mode = if name.starts_with("bin/") { 0o755 } else { 0o644 };
        let source = regular::open(&file.root, &file.path)?;
        bytes += copy(source, &target, mode).map_err(io())?;
    }
    let raw = work.path().join("disk.img");
    let file = File::create(&raw).map_err(io())?;
    file.set_len((bytes + bytes / 10 + (24 << 20)) >> 20 << 20).map_err(io())?;
    let shown = [root.display().to_string(), raw.display().to_string()];
    run_tool("mkfs.ext4", &[MKFS, &[&*shown[0], &*shown[1]]].concat())?;
    cache.put(&raw, &path, 0o444)?;
    Ok(path)
}

/// Keeps a disk in the directory `dir` of a lab, too.
///
/// # Errors
/// When the file system refuses.
pub fn keep(cache: &Cache, disk: &Path, dir: &Path) -> Result<(), AssetError> {
    let Some(kept) = disk.file_name().map(|name| dir.join(name)) else { return Ok(()) };
    if kept.exists() {
        return Ok(());
    }
    files::make_dir(dir)?;
    cache.share(disk, &kept)
}

/// Has disks that are kept in `dir` be in the cache again, where they are not: guests that know one hold parts of it
/// in memory, and another with the same files in it is another disk.
///
/// # Errors
/// When the file system refuses.
pub fn take_back(cache: &Cache, dir: &Path) -> Result<(), AssetError> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for kept in entries.map(|entry| entry.path()) {
        let is_disk = kept.extension().is_some_and(|extension| extension == "img");
        let Some(digest) = kept.file_stem().filter(|_| is_disk) else { continue };
        let digest = digest.to_string_lossy();
        let path = cache.path(&format!("artifacts/{digest}.img"));
        // A cache that others filled need not be ours to write to.
        if path.exists() {
            continue;
        }
        cache.make_dir("artifacts")?;
        // That of whoever makes it.
        let _lock = cache.lock(&format!("artifacts/{digest}"))?;
        if !path.exists() {
            cache.share(&kept, &path)?;
        }
    }
    Ok(())
}

fn copy(mut source: File, target: &Path, mode: u32) -> io::Result<u64> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let bytes = io::copy(&mut source, &mut File::create(target)?)?;
    fs::set_permissions(target, Permissions::from_mode(mode))?;
    Ok(bytes)
}
