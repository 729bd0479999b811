//! A lab's directory on the host: keys, certificates, the topology as it was used, run logs, the
//! lock. Everything is written to a temporary file, synced and renamed; directories are 0700 and
//! files 0600 from the moment they exist.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::drivers::state::failpoint::Failpoints;
use crate::pki::{Bundle, Entry, Pair, SshKeys};

/// Format of `lab.json`; a newer one is refused.
const SCHEMA_VERSION: u32 = 1;

/// A lab's files could not be read or written.
#[derive(Debug)]
pub struct StoreError {
    /// What was being done.
    pub doing: String,
    /// What went wrong.
    pub reason: String,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.reason)
    }
}

impl std::error::Error for StoreError {}

fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let doing = format!("{doing} {}", path.display());
    move |error| StoreError { doing, reason: error.to_string() }
}

/// What is remembered about a lab between runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Format of this file.
    pub schema_version: u32,
    /// Lab name.
    pub name: String,
    /// Lab id.
    pub id: uuid::Uuid,
    /// `system` or `private`.
    pub engine: String,
    /// Libvirt address, for the system engine.
    pub uri: String,
    /// Folder of binaries that was chosen, so that later commands need not name it again.
    #[serde(default)]
    pub artifacts: Option<PathBuf>,
    /// Folder of container image archives that was chosen.
    #[serde(default)]
    pub archives: Option<PathBuf>,
    /// Directory of a private engine's sockets, wherever the runtime directory was then.
    #[serde(default)]
    pub run: Option<PathBuf>,
    /// Base images that the lab's disks stand on.
    #[serde(default)]
    pub images: Vec<String>,
    /// Members that founded the etcd cluster, `name=peer URL`. Later members join them.
    #[serde(default)]
    pub etcd: Vec<String>,
    /// VRRP router ids of the floating addresses, by name.
    #[serde(default)]
    pub router_ids: std::collections::BTreeMap<String, u8>,
    /// Folder that relative paths in the topology start from.
    #[serde(default)]
    pub base: PathBuf,
}

impl Record {
    /// A record of the current format.
    pub fn new(name: &str, id: uuid::Uuid, engine: &str, uri: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            name: name.into(),
            id,
            engine: engine.into(),
            uri: uri.into(),
            artifacts: None,
            archives: None,
            run: None,
            images: Vec::new(),
            etcd: Vec::new(),
            router_ids: std::collections::BTreeMap::new(),
            base: PathBuf::new(),
        }
    }
}

/// Who holds a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Command line.
    pub command: String,
    /// When it started, RFC 3339.
    pub since: String,
}

/// The lock was not to be had.
#[derive(Debug)]
pub enum LockError {
    /// Another run has it.
    Held(Option<Holder>),
    /// The file system refused.
    Failed(StoreError),
}

/// The lock of a lab; released when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

/// One lab's directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    gate: Failpoints,
}

impl Store {
    /// The directory of the lab `name` below `state`.
    pub fn new(state: &Path, name: &str) -> Self {
        Self { root: state.join(name), gate: Failpoints::default() }
    }

    /// The same directory, every change of which passes `gate`.
    pub fn behind(self, gate: Failpoints) -> Self {
        Self { gate, ..self }
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
        make_dir(&self.root)?;
        let meta = fs::metadata(&self.root).map_err(failed("read", &self.root))?;
        let me = nix::unistd::geteuid().as_raw();
        if meta.uid() != me || meta.mode() & 0o022 != 0 {
            return Err(StoreError {
                doing: format!("use {}", self.root.display()),
                reason: "it belongs to another user or others may write to it".into(),
            });
        }
        Ok(())
    }

    /// Takes the lab's lock without waiting.
    ///
    /// # Errors
    /// Who holds it, or why it cannot be taken.
    pub fn lock(&self, command: &str) -> Result<Lock, LockError> {
        self.create().map_err(LockError::Failed)?;
        let path = self.path("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| LockError::Failed(failed("open", &path)(error)))?;
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            let holder = self.read("lock.json").ok().flatten();
            return Err(LockError::Held(holder.and_then(|text| serde_json::from_str(&text).ok())));
        };
        let holder = Holder {
            pid: std::process::id(),
            command: command.into(),
            since: crate::drivers::host::timestamp(),
        };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        self.write("lock.json", &text).map_err(LockError::Failed)?;
        Ok(Lock(lock))
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
        write_through(&self.gate, &path, text.as_bytes(), 0o600).map_err(failed("write", &path))
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
        remove_tree(&self.gate, &path).map_err(failed("remove", &path))
    }

    /// The record, when the lab has one.
    ///
    /// # Errors
    /// When it is broken or of a newer `lab`.
    pub fn record(&self) -> Result<Option<Record>, StoreError> {
        let Some(text) = self.read("lab.json")? else { return Ok(None) };
        let bad = |reason: String| StoreError {
            doing: format!("read {}", self.path("lab.json").display()),
            reason,
        };
        let record: Record = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if record.schema_version > SCHEMA_VERSION {
            return Err(bad(format!(
                "it was written by a newer lab (format {}, this one knows {SCHEMA_VERSION})",
                record.schema_version
            )));
        }
        Ok(Some(record))
    }

    /// Saves the record.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_record(&self, record: &Record) -> Result<(), StoreError> {
        self.write("lab.json", &serde_json::to_string_pretty(record).unwrap_or_default())
    }

    /// Loads whatever certificates and keys there are.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn bundle(&self) -> Result<Bundle, StoreError> {
        let mut bundle = Bundle::default();
        let index = self.read("pki/index.json")?.unwrap_or_default();
        let index: std::collections::BTreeMap<String, _> =
            serde_json::from_str(&index).unwrap_or_default();
        for (name, made) in index {
            // A leaf whose files are gone is made again; an authority cannot be: every node trusts it.
            if name.ends_with("ca") && !self.path(&format!("pki/{name}.key")).exists() {
                return Err(StoreError {
                    doing: format!("read {}", self.path(&format!("pki/{name}.key")).display()),
                    reason: "the authority that all nodes trust is gone; restore it, or `lab down`"
                        .into(),
                });
            }
            let certificate = self.read(&format!("pki/{name}.crt"))?;
            let key = self.read(&format!("pki/{name}.key"))?;
            if let (Some(certificate), Some(key)) = (certificate, key) {
                bundle.entries.insert(name, Entry { pair: Pair { certificate, key }, made });
            }
        }
        bundle.encryption_key.0 = self.read("pki/encryption-key")?.unwrap_or_default();
        Ok(bundle)
    }

    /// Saves the entries `made`, then the index.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_bundle(&self, bundle: &Bundle, made: &[String]) -> Result<(), StoreError> {
        for name in made {
            if let Some(entry) = bundle.entries.get(name) {
                self.write(&format!("pki/{name}.crt"), &entry.pair.certificate)?;
                self.write(&format!("pki/{name}.key"), &entry.pair.key)?;
            }
        }
        self.write("pki/encryption-key", &bundle.encryption_key.0)?;
        let index: std::collections::BTreeMap<_, _> =
            bundle.entries.iter().map(|(name, entry)| (name, &entry.made)).collect();
        self.write("pki/index.json", &serde_json::to_string_pretty(&index).unwrap_or_default())
    }

    /// Removes the files of certificates and keys that the bundle no longer has.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_pairs(&self, names: &[String]) -> Result<(), StoreError> {
        let files = names.iter().flat_map(|n| [format!("pki/{n}.crt"), format!("pki/{n}.key")]);
        files.into_iter().try_for_each(|file| self.remove_file(&file))
    }

    /// Removes the host keys of nodes that left.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_host_keys(&self, nodes: &[&str]) -> Result<(), StoreError> {
        nodes.iter().try_for_each(|node| self.remove_file(&format!("ssh/host-{node}")))
    }

    fn remove_file(&self, name: &str) -> Result<(), StoreError> {
        self.discard(name)
    }

    /// Loads whatever SSH keys there are for `nodes`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn ssh_keys<'n>(
        &self,
        nodes: impl Iterator<Item = &'n str>,
    ) -> Result<SshKeys, StoreError> {
        let user = self.read("ssh/id_ed25519")?.unwrap_or_default();
        let mut keys = SshKeys { user, ..SshKeys::default() };
        for node in nodes {
            if let Some(key) = self.read(&format!("ssh/host-{node}"))? {
                keys.hosts.insert(node.into(), key);
            }
        }
        Ok(keys)
    }

    /// Saves SSH keys.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn save_ssh_keys(&self, keys: &SshKeys, public: &str) -> Result<(), StoreError> {
        self.write("ssh/id_ed25519", &keys.user)?;
        self.write("ssh/id_ed25519.pub", &format!("{public}\n"))?;
        for (node, key) in &keys.hosts {
            self.write(&format!("ssh/host-{node}"), key)?;
        }
        Ok(())
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

    /// Removes the whole directory. The lock file goes last; its holder keeps the lock.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn remove(&self) -> Result<(), StoreError> {
        remove_tree(&self.gate, &self.root).map_err(failed("remove", &self.root))?;
        // The directory of all labs goes with the last one; fine when others are in it.
        let _ = self.root.parent().map(fs::remove_dir);
        Ok(())
    }
}

/// Names of all labs that have a directory below `state`.
pub fn labs(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("lab.json").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// VRRP router ids of all labs below `state` but `name`.
pub fn router_ids_of_others(state: &Path, name: &str) -> std::collections::BTreeSet<u8> {
    labs(state)
        .into_iter()
        .filter(|other| other != name)
        .filter_map(|other| Store::new(state, &other).record().ok().flatten())
        .flat_map(|record| record.router_ids.into_values())
        .collect()
}

/// Makes a directory and its parents; those made here are 0700.
///
/// # Errors
/// When the file system refuses.
pub fn make_dir(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make", path))
}

/// Writes `bytes` to `path` by way of a temporary file in the same directory.
///
/// # Errors
/// When the file system refuses; nothing is left behind then.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_through(&Failpoints::default(), path, bytes, mode)
}

fn write_through(gate: &Failpoints, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let hit = |what: &str| gate.hit(&format!("{what} {}", path.display()));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = parent.unwrap_or(Path::new("."));
    hit("write")?;
    let mut temp = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
        .tempfile_in(dir)?;
    temp.write_all(bytes)?;
    hit("fsync")?;
    temp.as_file().sync_all()?;
    hit("rename")?;
    temp.persist(path).map_err(|error| error.error)?;
    hit("fsync the directory of")?;
    File::open(dir)?.sync_all()
}

/// Removes one thing after the other, what is deepest first; fine when it is gone.
pub(crate) fn remove_tree(gate: &Failpoints, path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !meta.is_dir() {
        gate.hit(&format!("remove {}", path.display()))?;
        return gone(fs::remove_file(path));
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().try_for_each(|entry| remove_tree(gate, entry))?;
    gate.hit(&format!("remove {}", path.display()))?;
    gone(fs::remove_dir(path))
}

/// Reads a topology: at most `limit` bytes of a regular file or, for `-`, of standard input.
///
/// # Errors
/// Why it cannot be read, as text for people.
pub fn read_topology(path: &Path, limit: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    } else {
        // A FIFO would block, a directory reads as nothing: look before opening.
        let meta = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        })?;
        if !meta.is_file() {
            return Err("it is not a regular file".into());
        }
        let file = File::open(path).map_err(|error| error.to_string())?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to())
    })?;
    // Some editors put a byte order mark first; it means nothing.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
