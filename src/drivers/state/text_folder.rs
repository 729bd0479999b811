//! A folder of small text files that somebody wrote: an add-on's, a lesson's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::drivers::state::files::read_regular;

/// The most that the files of a folder may hold together; a topology may hold no more either.
const MAX_BYTES: u64 = 512 << 10;

/// A folder that is being read.
#[derive(Debug)]
pub(super) struct TextFolder {
    path: PathBuf,
    /// Bytes that may still be read.
    left: u64,
}

impl TextFolder {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), left: MAX_BYTES }
    }

    /// Its own name, wherever links to it lead.
    ///
    /// # Errors
    /// When there is none.
    pub fn name(&self) -> io::Result<String> {
        let path = self.path.canonicalize()?;
        let name = path.file_name().and_then(|name| name.to_str());
        Ok(name.unwrap_or_default().to_owned())
    }

    /// Names of the regular files in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let is_file = fs::metadata(entry.path()).is_ok_and(|about| about.is_file());
            let name = entry.file_name().into_string().ok();
            names.extend(name.filter(|name| is_file && !name.starts_with('.')));
        }
        Ok(names)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// When it is no text, or more than all files of a folder may hold together.
    pub fn text(&mut self, file: &str) -> io::Result<String> {
        let told = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let bytes = read_regular(&self.path.join(file), self.left + 1)
            .map_err(|error| told(format!("{file}: {error}")))?;
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| told("its files hold more than 512 KiB".into()))?;
        String::from_utf8(bytes).map_err(|_| told(format!("{file} is no text")))
    }
}
