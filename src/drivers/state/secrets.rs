//! Keys and certificates in the lab's directory: `pki/` and `ssh/`. The index vouches for what it names,
//! with a hash of it. It is written last; what is made anew is taken out of it before. So a run that was
//! cut leaves nothing that looks damaged, and whatever does look damaged is: it is never made anew.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::drivers::state::error::StoreError;
use crate::drivers::state::store::Store;
use crate::model::name::hex;
use crate::pki::{Bundle, EncryptionKey, Entry, Made, Pair, Root, SshKeys, Standing};

/// Format of the index; a newer one is refused.
const SCHEMA_VERSION: u32 = 2;
pub(super) const INDEX: &str = "pki/index.json";
const USER_KEY: &str = "ssh/id_ed25519";
const KNOWN_HOSTS: &str = "ssh/known_hosts";

#[derive(Default, Serialize, Deserialize)]
struct Index {
    schema_version: u32,
    entries: BTreeMap<String, Vouched>,
    /// Which generation of each root signs; not in indexes of before, whose roots were never rotated.
    #[serde(default)]
    roots: BTreeMap<Root, Standing>,
    /// True while a backup is being brought back.
    #[serde(default)]
    is_restoring: bool,
}

/// One entry: what it was made from, and what its files hold.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Vouched {
    #[serde(flatten)]
    made: Made,
    /// Hex sha256 over certificate and key; empty in indexes of before.
    #[serde(default)]
    sha256: String,
}

impl Vouched {
    fn of(entry: &Entry) -> Self {
        Self { made: entry.made.clone(), sha256: sum(&entry.pair) }
    }

    fn is_true_of(&self, pair: &Pair) -> bool {
        match self.sha256.as_str() {
            "" => pair.certificate.contains("-----END") && pair.key.contains("-----END"),
            sum_of_then => sum(pair) == sum_of_then,
        }
    }
}

fn sum(pair: &Pair) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{} ", pair.certificate.len()));
    hash.update(&pair.certificate);
    hash.update(&pair.key);
    hex(&hash.finalize())
}

impl Index {
    fn parse(path: &Path, text: &str) -> Result<Self, StoreError> {
        let refuse = |why: String| StoreError::damaged(path, why);
        let damaged = |error: serde_json::Error| refuse(format!("it is damaged: {error}"));
        let value: serde_json::Value = serde_json::from_str(text).map_err(damaged)?;
        let Some(version) = value.get("schema_version") else {
            // Before formats were counted, it held the entries alone.
            let entries = serde_json::from_value(value).map_err(damaged)?;
            return Ok(Self { entries, ..Self::default() });
        };
        match version.as_u64() {
            Some(version) if version > u64::from(SCHEMA_VERSION) => Err(refuse(format!(
                "it was written by a newer lab (format {version}, this one knows {SCHEMA_VERSION})"
            ))),
            _ => serde_json::from_value(value).map_err(damaged),
        }
    }
}

fn encryption_file(generation: u32) -> String {
    format!("pki/{}", Root::EncryptionKey.entry(generation))
}

fn gone(index: &Path) -> StoreError {
    StoreError::damaged(index, "it is gone, and the lab was made with it")
}

impl Store {
    /// The index of certificates and keys; `None` where none were made yet.
    fn index(&self) -> Result<Option<Index>, StoreError> {
        let path = self.path(INDEX);
        if let Some(text) = self.read(INDEX)? {
            return Index::parse(&path, &text).map(Some);
        }
        match self.names("pki")?.is_empty() {
            true => Ok(None),
            false => Err(gone(&path)),
        }
    }

    /// The same as [`Self::bundle`], for whoever makes what is missing: authorities and keys are made for a
    /// lab that has none, and never for one that lost them.
    ///
    /// # Errors
    /// As [`Self::bundle`]; when a lab that exists has no secrets.
    pub fn bundle_to_complete(&self) -> Result<Bundle, StoreError> {
        let bundle = self.bundle()?;
        match bundle.entries.is_empty() && self.record()?.is_some() {
            true => Err(gone(&self.path(INDEX))),
            false => Ok(bundle),
        }
    }

    /// Loads the lab's certificates and keys; none where the lab has none yet.
    ///
    /// # Errors
    /// When a file cannot be read, is damaged, or is gone though nodes count on it.
    pub fn bundle(&self) -> Result<Bundle, StoreError> {
        let mut bundle = Bundle::default();
        let Some(index) = self.index()? else { return Ok(bundle) };
        if index.is_restoring {
            let why = "bringing back a backup was cut; `lab certs restore` once more ends it";
            return Err(StoreError::damaged(&self.path(INDEX), why));
        }
        if index.entries.is_empty() && self.record()?.is_none() {
            // Their making was cut before the first was whole; nobody has them.
            return Ok(bundle);
        }
        bundle.roots = index.roots;
        let lasting = bundle.lasting();
        for name in &lasting {
            if !index.entries.contains_key(name) {
                let why = format!("it does not know '{name}', which every node trusts");
                return Err(StoreError::damaged(&self.path(INDEX), why));
            }
        }
        for (name, vouched) in index.entries {
            if let Some(pair) = self.pair(&name, &vouched, lasting.contains(&name))? {
                bundle.entries.insert(name, Entry { pair, made: vouched.made });
            }
        }
        for generation in bundle.standing(Root::EncryptionKey).trusted() {
            let key = self.encryption_key(generation)?;
            bundle.encryption_keys.insert(generation, EncryptionKey(key));
        }
        Ok(bundle)
    }

    /// One pair as the index knows it; `None` for a leaf that somebody removed, both halves of it.
    fn pair(&self, name: &str, vouched: &Vouched, lasts: bool) -> Result<Option<Pair>, StoreError> {
        let files = [format!("pki/{name}.crt"), format!("pki/{name}.key")];
        let (certificate, key) = match (self.read(&files[0])?, self.read(&files[1])?) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if !lasts => return Ok(None),
            (found, _) => {
                let missing = if found.is_none() { &files[0] } else { &files[1] };
                return Err(self.lost(name, missing, "it is gone", lasts));
            }
        };
        let pair = Pair { certificate, key };
        match vouched.is_true_of(&pair) {
            true => Ok(Some(pair)),
            false => {
                let shown = format!("{} or its key", files[0]);
                Err(self.lost(name, &shown, "it is not what the index knows it by: damaged", lasts))
            }
        }
    }

    fn lost(&self, name: &str, file: &str, why: &str, lasts: bool) -> StoreError {
        let error = StoreError::damaged(&self.path(file), why);
        if lasts {
            return error;
        }
        let cure = error.hint.unwrap_or_default();
        let hint = format!(
            "remove both pki/{name}.crt and pki/{name}.key, and `lab up` makes that one anew; or {cure}"
        );
        StoreError { hint: Some(hint), ..error }
    }

    fn encryption_key(&self, generation: u32) -> Result<String, StoreError> {
        let file = encryption_file(generation);
        let path = self.path(&file);
        let Some(key) = self.read(&file)? else {
            let why = "it is gone, and every Secret in etcd is readable with it alone";
            return Err(StoreError::damaged(&path, why));
        };
        let bytes = base64::engine::general_purpose::STANDARD.decode(&key);
        match bytes.is_ok_and(|bytes| bytes.len() == 32) {
            true => Ok(key),
            false => Err(StoreError::damaged(&path, "it is no key of 32 bytes in base64: damaged")),
        }
    }

    /// Saves the entries `made`, then the index.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_bundle(&self, bundle: &Bundle, made: &[String]) -> Result<(), StoreError> {
        let path = self.path(INDEX);
        let before = self.read(INDEX)?.and_then(|text| Index::parse(&path, &text).ok());
        let (before, roots) = before.map(|index| (index.entries, index.roots)).unzip();
        let mut kept = before.clone().unwrap_or_default();
        kept.retain(|name, _| !made.contains(name));
        if before.as_ref() != Some(&kept) {
            self.save_index(kept, roots.unwrap_or_default(), false)?;
        }
        for name in made {
            if let Some(entry) = bundle.entries.get(name) {
                self.write(&format!("pki/{name}.crt"), &entry.pair.certificate)?;
                self.write(&format!("pki/{name}.key"), &entry.pair.key)?;
            }
        }
        for (generation, key) in &bundle.encryption_keys {
            let file = encryption_file(*generation);
            if self.read(&file)?.as_ref() != Some(&key.0) {
                self.write(&file, &key.0)?;
            }
        }
        let all = bundle.entries.iter().map(|(name, entry)| (name.clone(), Vouched::of(entry)));
        self.save_index(all.collect(), bundle.roots.clone(), false)
    }

    fn save_index(
        &self,
        entries: BTreeMap<String, Vouched>,
        roots: BTreeMap<Root, Standing>,
        is_restoring: bool,
    ) -> Result<(), StoreError> {
        let index = Index { schema_version: SCHEMA_VERSION, entries, roots, is_restoring };
        self.write(INDEX, &serde_json::to_string_pretty(&index).unwrap_or_default())
    }

    /// The root that was rotated since an index was written, where the lab's own can be read.
    pub(super) fn is_rotated_since(&self, index: &str) -> Option<Root> {
        let path = self.path(INDEX);
        let now = Index::parse(&path, &self.read(INDEX).ok()??).ok()?.roots;
        let then = Index::parse(&path, index).ok()?.roots;
        let generation = |roots: &BTreeMap<Root, Standing>, root: &Root| {
            roots.get(root).copied().unwrap_or_default().generation
        };
        Root::ALL.into_iter().find(|root| generation(&then, root) < generation(&now, root))
    }

    /// Has the index vouch for nothing until a backup's own is there: what comes is many files.
    pub(super) fn begin_restoring(&self) -> Result<(), StoreError> {
        let roots = self.read(INDEX)?.and_then(|text| Index::parse(&self.path(INDEX), &text).ok());
        // Whoever restores again after a cut is still kept from what is older.
        self.save_index(BTreeMap::new(), roots.map(|index| index.roots).unwrap_or_default(), true)
    }

    /// Removes the files of certificates and keys that the bundle no longer has.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_pairs(&self, names: &[String]) -> Result<(), StoreError> {
        let files = names.iter().flat_map(|n| [format!("pki/{n}.crt"), format!("pki/{n}.key")]);
        files.into_iter().try_for_each(|file| self.discard(&file))
    }

    /// Certificates of authorities that people's kubeconfigs may hold, damaged or not; also of one that a
    /// rotation has left behind.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn authorities(&self) -> Result<Vec<String>, StoreError> {
        let is_one = |name: &String| {
            let generation =
                name.strip_prefix(Root::Ca.name()).and_then(|n| n.strip_suffix(".crt"));
            generation.is_some_and(|text| {
                text.is_empty() || text.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok())
            })
        };
        let files = self.names("pki")?.into_iter().filter(is_one);
        files.filter_map(|name| self.read(&format!("pki/{name}")).transpose()).collect()
    }

    /// Removes the keys of a root's former generations, which nobody trusts any more.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_former(&self, root: Root, standing: Standing) -> Result<(), StoreError> {
        let oldest = standing.trusted().into_iter().min().unwrap_or(1);
        for generation in 1..oldest {
            match root {
                Root::EncryptionKey => self.discard(&encryption_file(generation))?,
                _ => self.discard(&format!("pki/{}.key", root.entry(generation)))?,
            }
        }
        Ok(())
    }

    /// Removes the host keys of nodes that left.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_host_keys(&self, nodes: &[&str]) -> Result<(), StoreError> {
        nodes.iter().try_for_each(|node| self.discard(&format!("ssh/host-{node}")))
    }

    /// Loads whatever SSH keys there are for `nodes`.
    ///
    /// # Errors
    /// When a file cannot be read, or is gone though nodes know its key.
    pub fn ssh_keys<'n>(
        &self,
        nodes: impl Iterator<Item = &'n str>,
    ) -> Result<SshKeys, StoreError> {
        // Written after the keys: whoever is in it has one.
        let pinned = self.read(KNOWN_HOSTS)?;
        let gone = |file: &str, why: &str| Err(StoreError::damaged(&self.path(file), why));
        let user = match self.read(USER_KEY)? {
            None if pinned.is_some() => {
                return gone(USER_KEY, "it is gone, and the nodes let in nobody without it");
            }
            user => user.unwrap_or_default(),
        };
        let pinned = pinned.unwrap_or_default();
        let is_pinned =
            |node: &str| pinned.lines().any(|line| line.split(',').next() == Some(node));
        let mut keys = SshKeys { user, ..SshKeys::default() };
        for node in nodes {
            let file = format!("ssh/host-{node}");
            match self.read(&file)? {
                Some(key) => drop(keys.hosts.insert(node.into(), key)),
                None if is_pinned(node) => {
                    return gone(&file, "it is gone, and the node is known by it");
                }
                None => {}
            }
        }
        Ok(keys)
    }

    /// Saves SSH keys.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_ssh_keys(&self, keys: &SshKeys, public: &str) -> Result<(), StoreError> {
        self.write(USER_KEY, &keys.user)?;
        self.write("ssh/id_ed25519.pub", &format!("{public}\n"))?;
        for (node, key) in &keys.hosts {
            self.write(&format!("ssh/host-{node}"), key)?;
        }
        Ok(())
    }
}
