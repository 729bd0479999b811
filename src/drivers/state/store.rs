//! A lab's directory on the host: keys, certificates, the topology as it was used, run logs, the
//! lock. Everything is written to a temporary file, synced and renamed; directories are 0700 and
//! files 0600 from the moment they exist.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::drivers::state::error::{StoreError, failed};
use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::file_lock::is_held;
use crate::drivers::state::files::{
    made_dir, make_dir, remove_tree, remove_tree_but, write_through,
};

/// The file whose lock is the lab's.
pub(super) const LOCK: &str = "lock";
/// How directories of labs begin that are being removed.
const GONE: &str = ".gone-";
/// Directories in which files are written that a killed run may leave unfinished.
pub(super) const WRITTEN: &[&str] = &["pki", "ssh", "snapshots"];

/// One lab's directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    points: Failpoints,
}

impl Store {
    /// The directory of the lab `name` below `state`.
    pub fn new(state: &Path, name: &str) -> Self {
        Self { root: state.join(name), points: Failpoints::default() }
    }

    /// The same directory, every change of which hits `points`.
    pub fn behind(self, points: Failpoints) -> Self {
        Self { points, ..self }
    }

    /// What every change of the lab hits.
    pub fn failpoints(&self) -> &Failpoints {
        &self.points
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the directory, or checks that it is ours alone.
    ///
    /// # Errors
    /// When it belongs to somebody else, or others may write to it.
    pub fn create(&self) -> Result<(), StoreError> {
        let meta = made_dir(&self.root)?;
        let me = nix::unistd::geteuid().as_raw();
        if meta.uid() != me || meta.mode() & 0o022 != 0 {
            return Err(StoreError::new(
                format!("use {}", self.root.display()),
                "it belongs to another user or others may write to it",
            ));
        }
        Ok(())
    }

    /// Reads a text file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Writes a file, complete or not at all.
    ///
    /// # Errors
    /// When the disk is full or the directory is not writable; the old file then stays.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        let dir = path.parent().unwrap_or(&self.root).to_owned();
        make_dir(&dir)?;
        write_through(&self.points, &path, text.as_bytes(), 0o600).map_err(failed("write", &path))
    }

    /// Names of the files in one of its directories, sorted; temporary ones are left out.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(dir);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("read", &path))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a file or a directory with everything in it; fine when it is gone.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn discard(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        remove_tree(&self.points, &path).map_err(failed("remove", &path))
    }

    /// Opens the log of a run for appending.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn run_log(&self, command: &str) -> Result<(PathBuf, File), StoreError> {
        let dir = self.path("runs");
        make_dir(&dir)?;
        let path = dir.join(format!("{}-{command}.log", crate::drivers::host::compact_timestamp()));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        file.map(|file| (path.clone(), file)).map_err(failed("write", &path))
    }

    /// Removes the whole directory. It is moved away first: whoever takes the lab's lock from then on has
    /// a new, empty one, and what is removed is nobody's any more. A lock that is held stays held.
    ///
    /// # Errors
    /// When something in it cannot be removed; the next call, or the next lock, goes on.
    pub fn remove(&self) -> Result<(), StoreError> {
        if self.root.exists() {
            let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
            let away = self.root.with_file_name(format!("{GONE}{}-{id}", self.name()));
            self.points
                .hit(&format!("move {} away", self.root.display()))
                .and_then(|()| fs::rename(&self.root, &away))
                .map_err(failed("remove", &self.root))?;
            self.remove_leftover(&away)?;
        }
        self.remove_leftovers()?;
        // The directory of all labs goes with the last one; fine when others are in it.
        let _ = self.root.parent().map(fs::remove_dir);
        Ok(())
    }

    /// Directories of this lab whose removal began and did not end, or is under way.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let parent = self.root.parent().unwrap_or(&self.root);
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Names may hold dashes; what follows the last that is no part of an id is one.
            let parts = name.strip_prefix(GONE).and_then(|rest| {
                rest.split_at_checked(rest.len().checked_sub(uuid::fmt::Hyphenated::LENGTH)?)
            });
            parts.is_some_and(|(lab, id)| {
                lab.strip_suffix('-') == Some(&*self.name()) && Uuid::parse_str(id).is_ok()
            })
        };
        entries.map(|entry| entry.path()).filter(is_ours).collect()
    }

    /// Goes on with removals that were cut. Where one is under way, its lock is held.
    pub(super) fn remove_leftovers(&self) -> Result<(), StoreError> {
        let all = self.leftovers().into_iter();
        let mut cut = all.filter(|path| !is_held(&path.join(LOCK)));
        cut.try_for_each(|path| self.remove_leftover(&path))
    }

    fn remove_leftover(&self, path: &Path) -> Result<(), StoreError> {
        // The lock goes last: what holds it says that the removal is under way.
        remove_tree_but(&self.points, path, Some(LOCK)).map_err(failed("remove", path))
    }

    fn name(&self) -> String {
        self.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
