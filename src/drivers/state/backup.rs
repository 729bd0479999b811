//! Backups of a lab's secrets: one tar archive with all of `pki/` and `ssh/`, and the id of the lab.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use uuid::Uuid;

use crate::drivers::state::error::{StoreError, failed};
use crate::drivers::state::files::write_atomic;
use crate::drivers::state::secrets::INDEX;
use crate::drivers::state::store::Store;

/// Directories that are kept.
const DIRECTORIES: &[&str] = &["pki", "ssh"];
/// File that names the lab.
const LAB: &str = "lab-id";
/// Bytes of the largest archive that is read.
const LIMIT: u64 = 64 << 20;

impl Store {
    /// Writes the lab's keys and certificates to an archive that only its owner may read; how many
    /// files it holds.
    ///
    /// # Errors
    /// When a secret cannot be read or the archive cannot be written.
    pub fn back_up(&self, lab: Uuid, archive: &Path) -> Result<usize, StoreError> {
        let mut files = BTreeMap::from([(LAB.to_owned(), lab.to_string())]);
        for directory in DIRECTORIES {
            for name in self.names(directory)? {
                let file = format!("{directory}/{name}");
                if let Some(text) = self.read(&file)? {
                    files.insert(file, text);
                }
            }
        }
        let packed = pack(&files).map_err(failed("pack", archive))?;
        write_atomic(archive, &packed, 0o600).map_err(failed("write", archive))?;
        Ok(files.len() - 1)
    }

    /// Brings back what [`Self::back_up`] wrote; how many files that were.
    ///
    /// # Errors
    /// When the archive is damaged, of another lab, from before a rotation, or holds anything but such files:
    /// nothing is changed then. When a file cannot be written: restoring again goes on.
    pub fn bring_back(&self, lab: Uuid, archive: &Path) -> Result<usize, StoreError> {
        let mut files = unpack(archive).map_err(failed("read", archive))?;
        let refuse = |why: String| StoreError::new(format!("read {}", archive.display()), why);
        match files.remove(LAB) {
            Some(id) if id == lab.to_string() => {}
            Some(id) => return Err(refuse(format!("it is of another lab, {id}"))),
            None => return Err(refuse("it is no backup of a lab's certificates".into())),
        }
        let Some(index) = files.remove(INDEX) else {
            return Err(refuse(format!("it has no {INDEX}")));
        };
        if let Some(root) = self.is_rotated_since(&index) {
            return Err(refuse(format!(
                "it is from before {} was rotated: nodes no longer trust what it holds, and what they have would be unreadable",
                root.name()
            )));
        }
        self.create()?;
        self.begin_restoring()?;
        for (file, text) in &files {
            self.write(file, text)?;
        }
        // It vouches for the others.
        self.write(INDEX, &index)?;
        Ok(files.len() + 1)
    }
}

fn pack(files: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    archive.into_inner()
}

/// Files of the archive by name. Anything else than what [`pack`] writes is an error: names decide where
/// files are written.
fn unpack(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() || meta.len() > LIMIT {
        return Err(io::Error::other("it is no regular file of a sane size"));
    }
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(File::open(path)?.take(LIMIT)).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() || !is_ours(&name) {
            return Err(io::Error::other(format!("'{name}' has no place in such an archive")));
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        files.insert(name, text);
    }
    Ok(files)
}

fn is_ours(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match name.split_once('/') {
        Some((directory, file)) => {
            DIRECTORIES.contains(&directory)
                && !file.is_empty()
                && !file.starts_with('.')
                && file.chars().all(plain)
        }
        None => name == LAB,
    }
}
