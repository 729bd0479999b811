//! What a lab's directory keeps of its snapshots: `snapshots/NAME/` with what was begun, the
//! manifest, libvirt's documents, and copies of the lab's own files.

use crate::drivers::state::error::StoreError;
use crate::drivers::state::record::{RECORD, Record};
use crate::drivers::state::store::Store;
use crate::model::snapshot::{AllDocuments, Documents, Intent, Manifest, SCHEMA_VERSION};

const ROOT: &str = "snapshots";
/// Files of the lab that a restored lab needs as they were: its nodes know these keys.
const OWN: &[&str] = &["pki", "ssh"];
const OWN_FILES: &[&str] = &["topology.yaml", RECORD];

/// The snapshots of one lab.
#[derive(Debug)]
pub struct SnapshotStore<'s>(&'s Store);

impl<'s> SnapshotStore<'s> {
    /// Those of the lab that `store` is the directory of.
    pub fn new(store: &'s Store) -> Self {
        Self(store)
    }

    fn bad(&self, name: &str, reason: impl std::fmt::Display) -> StoreError {
        let doing = format!("read the manifest of snapshot '{name}'");
        StoreError::new(doing, reason.to_string())
    }

    /// Names of all snapshots, half-made ones, too.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        self.0.names(ROOT)
    }

    /// A snapshot's manifest; `None` when there is none, or it was never completed.
    ///
    /// # Errors
    /// When it is broken or of a newer `lab`.
    pub fn manifest(&self, name: &str) -> Result<Option<Manifest>, StoreError> {
        let Some(text) = self.0.read(&format!("{ROOT}/{name}/manifest.json"))? else {
            return Ok(None);
        };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| self.bad(name, error))?;
        if manifest.schema_version > SCHEMA_VERSION {
            return Err(self.bad(
                name,
                format!(
                    "it was written by a newer lab (format {}, this one knows {SCHEMA_VERSION})",
                    manifest.schema_version
                ),
            ));
        }
        Ok(Some(manifest))
    }

    /// Writes the manifest: from here on the snapshot counts.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(manifest).unwrap_or_default();
        self.0.write(&format!("{ROOT}/{}/manifest.json", manifest.name), &text)
    }

    /// What was begun with a snapshot and not finished.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn intent(&self, name: &str) -> Result<Option<Intent>, StoreError> {
        let text = self.0.read(&format!("{ROOT}/{name}/intent.json"))?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.bad(name, error)))
            .transpose()
    }

    /// Says what is begun, before its first effect.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn begin(&self, name: &str, intent: &Intent) -> Result<(), StoreError> {
        let text = serde_json::to_string(intent).unwrap_or_default();
        self.0.write(&format!("{ROOT}/{name}/intent.json"), &text)
    }

    /// Says that it is finished, after its last effect.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn finish(&self, name: &str) -> Result<(), StoreError> {
        self.0.discard(&format!("{ROOT}/{name}/intent.json"))
    }

    /// Keeps the documents of one node.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_documents(
        &self,
        name: &str,
        node: &str,
        documents: &Documents,
    ) -> Result<(), StoreError> {
        self.0.write(&format!("{ROOT}/{name}/domains/{node}.xml"), &documents.domain)?;
        self.0.write(&format!("{ROOT}/{name}/parts/{node}.xml"), &documents.snapshot)
    }

    /// The documents of all nodes of a snapshot; empty ones for nodes that have none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn documents(&self, name: &str, nodes: &[String]) -> Result<AllDocuments, StoreError> {
        let read = |kind: &str, node: &str| {
            let text = self.0.read(&format!("{ROOT}/{name}/{kind}/{node}.xml"));
            text.map(Option::unwrap_or_default)
        };
        let mut all = AllDocuments::new();
        for node in nodes {
            let (domain, snapshot) = (read("domains", node)?, read("parts", node)?);
            all.insert(node.clone(), Documents { domain, snapshot });
        }
        Ok(all)
    }

    /// Names of the lab's own files that a snapshot keeps, below `from`.
    fn own(&self, from: &str) -> Result<Vec<String>, StoreError> {
        let mut all: Vec<String> = OWN_FILES.iter().map(|file| (*file).to_owned()).collect();
        for dir in OWN {
            all.extend(self.files(from, dir)?);
        }
        Ok(all)
    }

    /// Files in `dir` below `from`, directories walked through.
    fn files(&self, from: &str, dir: &str) -> Result<Vec<String>, StoreError> {
        let mut all = Vec::new();
        for name in self.0.names(&format!("{from}{dir}"))? {
            let path = format!("{dir}/{name}");
            match self.0.path(&format!("{from}{path}")).is_dir() {
                true => all.extend(self.files(from, &path)?),
                false => all.push(path),
            }
        }
        Ok(all)
    }

    /// Copies the lab's own files into the snapshot.
    ///
    /// # Errors
    /// When one cannot be read or written.
    pub fn keep_files(&self, name: &str) -> Result<(), StoreError> {
        for file in self.own("")? {
            if let Some(text) = self.0.read(&file)? {
                self.0.write(&format!("{ROOT}/{name}/files/{file}"), &text)?;
            }
        }
        Ok(())
    }

    /// One of the lab's own files as it was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(&self, name: &str, file: &str) -> Result<Option<String>, StoreError> {
        self.0.read(&format!("{ROOT}/{name}/files/{file}"))
    }

    /// Makes the lab's own files what they were: changed ones are written, new ones go. Of the record that is
    /// what is the lab's; where its computer keeps things is as it is today.
    ///
    /// # Errors
    /// When one cannot be read, written or removed.
    pub fn put_files_back(&self, name: &str) -> Result<(), StoreError> {
        let from = format!("{ROOT}/{name}/files/");
        let wanted = self.own(&from)?;
        for file in wanted.iter().filter(|file| *file != RECORD) {
            if let Some(text) = self.file(name, file)?
                && self.0.read(file)?.as_ref() != Some(&text)
            {
                self.0.write(file, &text)?;
            }
        }
        for file in self.own("")?.iter().filter(|file| !wanted.contains(file)) {
            self.0.discard(file)?;
        }
        self.put_record_back(name)
    }

    fn put_record_back(&self, name: &str) -> Result<(), StoreError> {
        let Some(text) = self.file(name, RECORD)? else { return Ok(()) };
        let then = Record::parse(&text).map_err(|error| self.bad(name, error))?;
        let wanted = match self.0.record()? {
            Some(now) => now.of_the_lab_as_in(then),
            None => then,
        };
        self.0.save_record(&wanted)
    }

    /// Removes everything that is kept of a snapshot, what says that it counts first and what was
    /// begun last.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        for part in ["manifest.json", "files", "domains", "parts"] {
            self.0.discard(&format!("{ROOT}/{name}/{part}"))?;
        }
        self.0.discard(&format!("{ROOT}/{name}"))?;
        self.tidy()
    }

    /// Removes the directory of all snapshots when none are left.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn tidy(&self) -> Result<(), StoreError> {
        match self.0.path(ROOT).exists() && self.names()?.is_empty() {
            true => self.0.discard(ROOT),
            false => Ok(()),
        }
    }
}
