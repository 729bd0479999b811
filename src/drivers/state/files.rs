//! Files and directories: written beside their place, synced and renamed; removed one by one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::drivers::state::error::{StoreError, failed};
use crate::drivers::state::failpoint::Failpoints;

/// How the names of files begin that are being written.
const UNFINISHED: &str = ".new-";
/// How often a directory is made whose parent goes meanwhile.
const TRIES: usize = 100;

/// Makes a directory and its parents; those made here are 0700.
///
/// # Errors
/// When the file system refuses.
pub fn make_dir(path: &Path) -> Result<(), StoreError> {
    made_dir(path).map(drop)
}

/// The same, and what the file system says of the directory.
pub(super) fn made_dir(path: &Path) -> Result<fs::Metadata, StoreError> {
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        fs::metadata(path)
    };
    // Whoever gives up the last of its kind removes the parent, too, and whoever removes a lab moves its
    // directory away: maybe between two looks.
    let moved = |made: &io::Result<fs::Metadata>| {
        let kind = made.as_ref().err().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists))
    };
    let made = std::iter::repeat_with(make).take(TRIES).find(|made| !moved(made));
    made.unwrap_or_else(make).map_err(failed("make", path))
}

/// Writes `bytes` to `path` by way of a temporary file in the same directory.
///
/// # Errors
/// When the file system refuses; nothing is left behind then.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_through(&Failpoints::default(), path, bytes, mode)
}

/// The same at failpoints.
pub(crate) fn write_through(
    points: &Failpoints,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> io::Result<()> {
    write_as(points, path, bytes, mode, |_| Ok(()))
}

/// The same for a file of people's own: root may write it, and whose it was it stays.
pub(crate) fn write_for_owner(
    points: &Failpoints,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> io::Result<()> {
    write_as(points, path, bytes, mode, |new| keep_owner(path, new))
}

fn write_as(
    points: &Failpoints,
    path: &Path,
    bytes: &[u8],
    mode: u32,
    finish: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let hit = |what: &str| points.hit(&format!("{what} {}", path.display()));
    hit("write")?;
    let mut temp = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(directory(path))?;
    temp.write_all(bytes)?;
    finish(temp.as_file())?;
    hit("fsync")?;
    temp.as_file().sync_all()?;
    hit("rename")?;
    temp.persist(path).map_err(|error| error.error)?;
    hit("fsync the directory of")?;
    File::open(directory(path))?.sync_all()
}

/// Root may write what is somebody else's.
fn keep_owner(path: &Path, file: &File) -> io::Result<()> {
    keep_attributes(path, file);
    match fs::metadata(path) {
        Ok(there) if Uid::effective().is_root() => {
            fchown(file, Some(there.uid()), Some(there.gid()))
        }
        _ => Ok(()),
    }
}

/// Labels of SELinux and other attributes. A file system without any refuses, and so does one that lets nobody
/// set a label: the new file then has that of its directory.
fn keep_attributes(path: &Path, file: &File) {
    let mut names = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::listxattr(path, &mut names[..]) else { return };
    for name in names[..length.min(names.len())].split(|byte| *byte == 0).filter(|n| !n.is_empty())
    {
        let mut value = vec![0; 64 << 10];
        if let Ok(length) = rustix::fs::getxattr(path, name, &mut value[..]) {
            let value = value.get(..length).unwrap_or_default();
            let _ = rustix::fs::fsetxattr(file, name, value, rustix::fs::XattrFlags::empty());
        }
    }
}

/// Gives a finished file its name, for good: its bytes are on the disk before the name is, and the name
/// before this returns.
pub(crate) fn put(points: &Failpoints, from: &Path, to: &Path) -> io::Result<()> {
    let hit = |what: &str| points.hit(&format!("{what} {}", to.display()));
    hit("fsync")?;
    File::open(from)?.sync_all()?;
    hit("rename")?;
    fs::rename(from, to)?;
    hit("fsync the directory of")?;
    File::open(directory(to))?.sync_all()
}

/// The directory that a file is in.
pub(crate) fn directory(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Removes one thing after the other, what is deepest first; fine when it is gone.
pub(crate) fn remove_tree(points: &Failpoints, path: &Path) -> io::Result<()> {
    remove_tree_but(points, path, None)
}

/// The same, with the file `last` of the directory itself after all others.
pub(crate) fn remove_tree_but(
    points: &Failpoints,
    path: &Path,
    last: Option<&str>,
) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !meta.is_dir() {
        points.hit(&format!("remove {}", path.display()))?;
        return gone(fs::remove_file(path));
    }
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let is_last = |path: &PathBuf| last.is_some_and(|last| path.ends_with(last));
    entries.sort_by_key(|path| (is_last(path), path.clone()));
    entries.iter().try_for_each(|entry| remove_tree(points, entry))?;
    points.hit(&format!("remove {}", path.display()))?;
    gone(fs::remove_dir(path))
}

/// Removes what writes left behind that were killed, in `dir` and the directories `below` it.
pub(crate) fn sweep(points: &Failpoints, dir: &Path, below: &[&str]) -> io::Result<()> {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && (below.is_empty() || below.contains(&&*name)) {
            sweep(points, &path, &[])?;
        } else if !is_dir && name.starts_with(UNFINISHED) {
            remove_tree(points, &path)?;
        }
    }
    Ok(())
}

/// Reads at most `limit` bytes of a regular file.
///
/// # Errors
/// Why it cannot be read.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // A FIFO would block, a directory reads as nothing: look before opening.
    let meta = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("there is no such file"),
        _ => error,
    })?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
