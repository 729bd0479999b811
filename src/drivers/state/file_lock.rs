//! Locks on files, which end with the process that holds them, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A lock on a file; released when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

impl FileLock {
    /// Locks the file `path`, which is made where it is missing; waits for whoever has it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn wait(path: &Path) -> io::Result<Self> {
        loop {
            if let Some(lock) = attempt(path, FlockArg::LockExclusive)? {
                return Ok(lock);
            }
        }
    }

    /// The same without waiting; `None` when somebody has it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn attempt(path: &Path) -> io::Result<Option<Self>> {
        loop {
            match attempt(path, FlockArg::LockExclusiveNonblock) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Ok(None) => {}
                other => return other,
            }
        }
    }
}

/// True when somebody has the lock of a file that is there. Any number may ask at once.
pub(crate) fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
}

/// Locks what `path` names now; `None` when the file lost its name meanwhile, so that somebody else may
/// lock another of that name.
fn attempt(path: &Path, how: FlockArg) -> io::Result<Option<FileLock>> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let mut file = options.open(path)?;
    let lock = loop {
        match Flock::lock(file, how) {
            Ok(lock) => break lock,
            Err((same, Errno::EINTR)) => file = same,
            Err((_, error)) => return Err(error.into()),
        }
    };
    let (held, named) = (lock.metadata()?, std::fs::symlink_metadata(path));
    let same = named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino()));
    Ok(same.then_some(FileLock(lock)))
}
