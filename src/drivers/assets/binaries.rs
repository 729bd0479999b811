//! The binaries of Kubernetes: found in a folder or downloaded, and put on one read-only disk
//! that all nodes share, instead of being copied to each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::drivers::assets::download::{self, Checksum, Progress};
use crate::drivers::assets::images::archive;
use crate::drivers::host;
use crate::drivers::state::store;
use crate::model::Version;
use crate::model::name::hex;
use crate::model::platform::Artifacts;

/// What every bootstrap needs.
pub const REQUIRED: &[&str] = &[
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];
/// What is taken along when it is there; otherwise the nodes' packages serve.
const OPTIONAL: &[&str] = &["etcd", "etcdctl"];

/// The official releases.
const RELEASES: &str = "https://dl.k8s.io/release";

/// Binaries and image archives as found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Summary for stages.
    pub artifacts: Artifacts,
    /// Path of each file on the disk, `bin/kubelet` and so on.
    pub files: BTreeMap<String, PathBuf>,
    /// Version of the binaries.
    pub version: Version,
}

/// Reads a folder of binaries, and a folder of image archives when there is one.
///
/// # Errors
/// When a required binary is missing, or does not say its version.
pub fn scan(dir: &Path, images: Option<&Path>, cache: &Path) -> Result<Found, String> {
    let names = REQUIRED.iter().chain(OPTIONAL);
    let present: Vec<&str> = names.copied().filter(|name| dir.join(name).is_file()).collect();
    let missing: Vec<&str> =
        REQUIRED.iter().copied().filter(|name| !present.contains(name)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "use the artifacts in {}: {} missing",
            dir.display(),
            missing.join(", ")
        ));
    }
    let mut files: BTreeMap<String, PathBuf> =
        present.iter().map(|name| (format!("bin/{name}"), dir.join(name))).collect();
    for folder in [Some(dir.join("images")), images.map(Path::to_owned)].into_iter().flatten() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.ends_with(".tar") && !name.starts_with('.') && name.chars().all(plain) {
                files.insert(format!("images/{name}"), entry.path());
            }
        }
    }
    let version = version(&dir.join("kube-apiserver"))?;
    let strip = |prefix: &str| -> BTreeSet<String> {
        files.keys().filter_map(|name| name.strip_prefix(prefix).map(str::to_owned)).collect()
    };
    let (binaries, images) = (strip("bin/"), strip("images/"));
    let mut image_names = BTreeSet::new();
    for (_, path) in files.iter().filter(|(name, _)| name.starts_with("images/")) {
        let names = archive::names(path);
        image_names.extend(names.map_err(|error| format!("read {}: {error}", path.display()))?);
    }
    let digest = digest(&files, cache)?;
    let artifacts = Artifacts { digest, binaries, images, image_names };
    Ok(Found { artifacts, files, version })
}

/// What the official release of `version` will hold, before it is on this computer: for `plan`.
pub fn expected() -> Artifacts {
    Artifacts {
        digest: "0".repeat(64),
        binaries: REQUIRED.iter().map(|name| (*name).to_owned()).collect(),
        images: BTreeSet::new(),
        image_names: BTreeSet::new(),
    }
}

fn version(program: &Path) -> Result<Version, String> {
    let doing = format!("ask {} for its version", program.display());
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| format!("{doing}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let word = text.split_ascii_whitespace().find(|word| word.starts_with('v'));
    word.and_then(Version::parse).ok_or_else(|| format!("{doing}: it said '{}'", text.trim()))
}

#[derive(Default, Serialize, Deserialize)]
struct Known(BTreeMap<String, (u64, i64, i64, String)>);

/// One hash over all names and contents. Hashes of files that did not change since are remembered.
fn digest(files: &BTreeMap<String, PathBuf>, cache: &Path) -> Result<String, String> {
    let index = cache.join("artifacts/index.json");
    let old: Known =
        fs::read(&index).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
    let mut known = Known::default();
    let mut all = Sha256::new();
    for (name, path) in files {
        let failed = |error: std::io::Error| format!("read {}: {error}", path.display());
        let meta = fs::metadata(path).map_err(failed)?;
        let key = fs::canonicalize(path).map_err(failed)?.display().to_string();
        let same = |entry: &&(u64, i64, i64, String)| {
            (entry.0, entry.1, entry.2) == (meta.len(), meta.mtime(), meta.mtime_nsec())
        };
        let hash = match old.0.get(&key).filter(same) {
            Some(entry) => entry.3.clone(),
            None => download::hash(path, "sha256").map_err(failed)?,
        };
        all.update(format!("{name} {hash}\n"));
        known.0.insert(key, (meta.len(), meta.mtime(), meta.mtime_nsec(), hash));
    }
    let changed = known.0.iter().any(|(key, entry)| old.0.get(key) != Some(entry));
    if changed && store::make_dir(&cache.join("artifacts")).is_ok() {
        let merged = Known(old.0.into_iter().chain(known.0).collect());
        // Only a memory of hashes: without it the next run reads the files again.
        let _ =
            store::write_atomic(&index, &serde_json::to_vec(&merged).unwrap_or_default(), 0o600);
    }
    Ok(hex(&all.finalize()))
}

/// The disk with the files, made once per content: an ext4 file system with `bin/` and `images/`.
///
/// # Errors
/// When a file cannot be read or mkfs fails.
pub fn disk(found: &Found, cache: &Path) -> Result<PathBuf, String> {
    let dir = cache.join("artifacts");
    store::make_dir(&dir).map_err(|error| error.to_string())?;
    let digest = found.artifacts.digest.get(..12).unwrap_or("none");
    let path = dir.join(format!("{digest}.img"));
    if path.exists() {
        return Ok(path);
    }
    let io = |error: std::io::Error| format!("make the artifact disk: {error}");
    let work = tempfile::Builder::new().prefix("disk-").tempdir_in(&dir).map_err(io)?;
    let root = work.path().join("root");
    let mut bytes = 0;
    for (name, source) in &found.files {
        let target = root.join(name);
        fs::create_dir_all(target.parent().unwrap_or(&root)).map_err(io)?;
        bytes += fs::copy(source, &target).map_err(io)?;
        let mode = if name.starts_with("bin/") { 0o755 } else { 0o644 };
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(io)?;
    }
    let raw = work.path().join("disk.img");
    let file = fs::File::create(&raw).map_err(io)?;
    file.set_len((bytes + bytes / 10 + (24 << 20)) >> 20 << 20).map_err(io)?;
    let shown = |path: &Path| path.display().to_string();
    host::run_tool(
        "mkfs.ext4",
        &[
            "-q",
            "-F",
            "-L",
            "lab-artifacts",
            "-m",
            "0",
            "-O",
            "^has_journal",
            "-E",
            "root_owner=0:0",
            "-d",
            &shown(&root),
            &shown(&raw),
        ],
    )?;
    file.sync_all().map_err(io)?;
    fs::set_permissions(&raw, fs::Permissions::from_mode(0o444)).map_err(io)?;
    fs::rename(&raw, &path).map_err(io)?;
    Ok(path)
}

/// Downloads the official release of `version` into the cache; returns the folder.
///
/// # Errors
/// When a download or its checksum fails.
pub fn fetch_release(
    version: Version,
    cache: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, String> {
    let dir = release_dir(version, cache);
    store::make_dir(&dir).map_err(|error| error.to_string())?;
    for name in REQUIRED {
        let path = dir.join(name);
        if path.exists() {
            continue;
        }
        let url = format!("{RELEASES}/v{version}/bin/linux/amd64/{name}");
        let sum = download::text(&format!("{url}.sha256"))?;
        let hex = sum.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        let sum = Checksum { algorithm: "sha256".into(), hex };
        download::download(&url, &path, &sum, progress)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(|error| format!("make {} executable: {error}", path.display()))?;
    }
    Ok(dir)
}

/// Folder that holds a downloaded release.
pub fn release_dir(version: Version, cache: &Path) -> PathBuf {
    cache.join(format!("kubernetes/v{version}"))
}
