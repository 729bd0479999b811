//! What was once read of large files, so that it need not be read again while they do not change.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::download;

const INDEX: &str = "artifacts/index.json";

/// One file, as it was when it was read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    /// Times of the last change of its bytes, and of anything about it: seconds and nanoseconds.
    times: [i64; 4],
    sha256: String,
    #[serde(default)]
    version: Option<String>,
}

/// A memory of files, by their real paths.
#[derive(Default)]
pub(crate) struct Known {
    old: BTreeMap<String, Entry>,
    new: BTreeMap<String, Entry>,
}

impl Known {
    pub fn load(cache: &Cache) -> Self {
        let text = fs::read(cache.path(INDEX)).ok();
        let old = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { old, new: BTreeMap::new() }
    }

    /// Hex sha256 of a file that was opened.
    pub fn sha256(&mut self, path: &Path, file: &mut File) -> io::Result<String> {
        let meta = file.metadata()?;
        let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
        let key = fs::canonicalize(path)?.display().to_string();
        let same = |entry: &&Entry| (entry.size, entry.times) == (meta.len(), times);
        let entry = match self.old.get(&key).filter(same) {
            Some(entry) => entry.clone(),
            None => {
                let sha256 = download::hash_of(file, "sha256")?;
                Entry { size: meta.len(), times, sha256, version: None }
            }
        };
        let sha256 = entry.sha256.clone();
        self.new.insert(key, entry);
        Ok(sha256)
    }

    /// The version of a program whose hash was asked for, found by `read` where nobody knows it.
    pub fn version<E>(
        &mut self,
        path: &Path,
        read: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, E> {
        let key = fs::canonicalize(path).unwrap_or_default().display().to_string();
        let known = self.new.get_mut(&key);
        match known {
            Some(Entry { version: Some(version), .. }) => Ok(version.clone()),
            Some(entry) => Ok(entry.version.insert(read()?).clone()),
            None => read(),
        }
    }

    /// Remembers what was read now. Without it the next run reads the files again: that is all.
    pub fn save(self, cache: &Cache) {
        if self.new.iter().all(|(key, entry)| self.old.get(key) == Some(entry)) {
            return;
        }
        let merged: BTreeMap<_, _> = self.old.into_iter().chain(self.new).collect();
        if cache.make_dir("artifacts").is_ok() {
            let text = serde_json::to_string(&merged).unwrap_or_default();
            let _ = cache.write(&cache.path(INDEX), &text, 0o600);
        }
    }
}
