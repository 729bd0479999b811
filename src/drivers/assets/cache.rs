//! The cache: where assets are kept, who may write there, and how a file gets its name. A name stands for
//! finished bytes: they are checked and on the disk before it is given, and are never rewritten in place.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::drivers::assets::download::{Checksum, Fetcher, Progress, find_checksum, hash};
use crate::drivers::assets::error::{AssetError, Fault};
use crate::drivers::assets::sparse;
use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::file_lock::FileLock;
use crate::drivers::state::files;
use crate::model::assets::Download;

/// The assets on this computer.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    fetcher: Fetcher,
    points: Failpoints,
}

impl Cache {
    /// The cache in `dir`, which may not be there yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), fetcher: Fetcher::default(), points: Failpoints::default() }
    }

    /// The same, fetching otherwise: for tests.
    pub fn fetching_by(self, fetcher: Fetcher) -> Self {
        Self { fetcher, ..self }
    }

    /// The same, every change of which hits `points`.
    pub fn behind(self, points: Failpoints) -> Self {
        Self { points, ..self }
    }

    /// What every change hits.
    pub(crate) fn failpoints(&self) -> &Failpoints {
        &self.points
    }

    /// Path of what is kept under `name`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes a directory of it; its path.
    pub(crate) fn make_dir(&self, name: &str) -> Result<PathBuf, AssetError> {
        let path = self.path(name);
        files::make_dir(&path)?;
        Ok(path)
    }

    /// Waits until nobody else makes or removes what is kept under `name`; nobody does while the lock
    /// is held.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn lock(&self, name: &str) -> Result<FileLock, AssetError> {
        let path = self.path(&format!("{name}.lock"));
        files::make_dir(files::directory(&path))?;
        FileLock::wait(&path).map_err(AssetError::io(format!("lock {}", path.display())))
    }

    /// Gives a finished file its name.
    pub(crate) fn put(&self, from: &Path, to: &Path, mode: u32) -> Result<(), AssetError> {
        fs::set_permissions(from, fs::Permissions::from_mode(mode))
            .and_then(|()| files::put(&self.points, from, to))
            .map_err(AssetError::io(format!("write {}", to.display())))
    }

    /// Gives a finished file a second name, here or in a lab's directory: a copy where a file system ends between the
    /// two, or allows no link.
    pub(crate) fn share(&self, from: &Path, to: &Path) -> Result<(), AssetError> {
        let shared = || -> io::Result<()> {
            self.points.hit(&format!("link {}", to.display()))?;
            if fs::hard_link(from, to).is_ok() {
                return fs::File::open(files::directory(to))?.sync_all();
            }
            let mut unfinished = to.as_os_str().to_owned();
            unfinished.push(".unfinished");
            let unfinished = PathBuf::from(unfinished);
            sparse::copy(from, &unfinished)?;
            let meta = fs::metadata(from)?;
            fs::set_permissions(&unfinished, meta.permissions())?;
            // Images are known by their size and the time of their last change.
            fs::File::open(&unfinished)?.set_modified(meta.modified()?)?;
            files::put(&self.points, &unfinished, to)
        };
        let doing = format!("keep {} as {}", from.display(), to.display());
        shared().map_err(AssetError::io(doing))
    }

    /// Writes a small file, complete or not at all.
    pub(crate) fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), AssetError> {
        files::write_through(&self.points, path, text.as_bytes(), mode)
            .map_err(AssetError::io(format!("write {}", path.display())))
    }

    /// Removes a file or a directory with everything in it; fine when it is gone.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), AssetError> {
        files::remove_tree(&self.points, path)
            .map_err(AssetError::io(format!("remove {}", path.display())))
    }

    /// Downloads a file to `path`, which the caller has locked, checked against its publisher's list. What
    /// is there already and right is kept.
    ///
    /// # Errors
    /// When the server does not give it, or gives something else.
    pub fn fetch(
        &self,
        what: &Download,
        path: &Path,
        mode: u32,
        progress: Progress<'_>,
    ) -> Result<(), AssetError> {
        let sum = match &what.digest {
            Some(hex) => Checksum { algorithm: what.algorithm.clone(), hex: hex.clone() },
            None => self.listed(what)?,
        };
        if is_right(path, &sum).unwrap_or_default() {
            return Ok(());
        }
        let part = self.fetcher.download(&what.url, path, &sum, progress)?;
        self.put(&part, path, mode)
    }

    /// What a file must hash to by its publisher's list.
    fn listed(&self, what: &Download) -> Result<Checksum, AssetError> {
        let list = self.fetcher.text(&what.checksums)?;
        find_checksum(&list, what.file(), &what.algorithm)
            // A list of one file may leave its name out.
            .or_else(|| Checksum::alone(&list, &what.algorithm))
            .ok_or_else(|| {
                let doing = format!("find the checksum of {} in {}", what.file(), what.checksums);
                AssetError::new(Fault::WrongChecksum, doing, "it is not in that list")
            })
    }
}

fn is_right(path: &Path, sum: &Checksum) -> io::Result<bool> {
    Ok(fs::symlink_metadata(path)?.is_file() && hash(path, &sum.algorithm)? == sum.hex)
}
