//! Copies of files with holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

/// Copies a file; what is a hole there is one in the copy. Filesystems that can share the blocks.
///
/// # Errors
/// When either file cannot be used.
pub(crate) fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(source)?, File::create(target)?);
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut end = 0;
    while let Some(start) = next(&source, end, Whence::SeekData)? {
        end = next(&source, start, Whence::SeekHole)?.unwrap_or(length);
        source.seek(SeekFrom::Start(start))?;
        target.seek(SeekFrom::Start(start))?;
        io::copy(&mut (&mut source).take(end - start), &mut target)?;
    }
    Ok(())
}

/// Where data, or a hole, begins from `offset` on; `None` when nothing of it follows.
fn next(file: &File, offset: u64, what: Whence) -> io::Result<Option<u64>> {
    let offset = i64::try_from(offset).map_err(io::Error::other)?;
    match lseek(file, offset, what) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(Errno::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn holes_stay_holes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let file = File::create(&from).unwrap();
        for place in [0, 5 << 20, 9 << 20] {
            file.write_all_at(&[7; 4096], place).unwrap();
        }
        file.set_len(20 << 20).unwrap();
        copy(&from, &to).unwrap();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap());
        let blocks = |path: &Path| std::fs::metadata(path).unwrap().blocks();
        assert!(blocks(&to) <= blocks(&from), "{} {}", blocks(&to), blocks(&from));
    }

    #[test]
    fn nothing_is_a_copy_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, "").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::metadata(to).unwrap().len(), 0);
    }
}
