//! The binaries of Kubernetes: found in a folder, or downloaded. They are read and never run: whoever
//! looks at a topology of somebody else's runs nothing of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::download::Progress;
use crate::drivers::assets::error::{AssetError, Fault};
use crate::drivers::assets::images::archive;
use crate::drivers::assets::known::Known;
use crate::drivers::assets::{regular, version};
use crate::model::Version;
use crate::model::assets;
use crate::model::name::hex;
use crate::model::platform::Artifacts;

/// What is taken along when it is there; otherwise the nodes' packages serve.
const OPTIONAL: &[&str] = &["etcd", "etcdctl"];
/// A file that goes on the disk: the folder that it must be inside of, and its path.
#[derive(Clone, Debug)]
pub struct FoundFile {
    /// The folder.
    pub root: PathBuf,
    /// The file.
    pub path: PathBuf,
}

/// Binaries and image archives as found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Summary for stages.
    pub artifacts: Artifacts,
    /// Each file on the disk, `bin/kubelet` and so on.
    pub files: BTreeMap<String, FoundFile>,
    /// Hex sha256 of each.
    pub sums: BTreeMap<String, String>,
    /// Version of the binaries.
    pub version: Version,
}

/// Reads a folder of binaries, and a folder of image archives when there is one. Of the `required`
/// binaries the first one's version counts.
///
/// # Errors
/// When a required binary is missing or does not tell its version, or when a file is no regular one of
/// its folder.
pub fn scan(
    required: &[&str],
    dir: &Path,
    archives: Option<&Path>,
    cache: &Cache,
) -> Result<Found, AssetError> {
    let there = |name: &&str| fs::symlink_metadata(dir.join(name)).is_ok();
    let missing: Vec<&str> = required.iter().copied().filter(|name| !there(name)).collect();
    if !missing.is_empty() {
        return Err(AssetError::new(
            Fault::Missing,
            format!("use the artifacts in {}", dir.display()),
            format!("{} missing", missing.join(", ")),
        ));
    }
    let present = required.iter().chain(OPTIONAL).copied().filter(|name| there(name));
    let file = |name: &str| FoundFile { root: dir.to_owned(), path: dir.join(name) };
    let mut files: BTreeMap<String, FoundFile> =
        present.map(|name| (format!("bin/{name}"), file(name))).collect();
    files.extend(archives_in(dir, &dir.join("images")));
    files.extend(archives.map(|folder| archives_in(folder, folder)).unwrap_or_default());
    let image_names = image_names(&files)?;
    let mut known = Known::load(cache);
    let sums = sums(&files, &mut known)?;
    let version = version_of(required, dir, &mut known)?;
    known.save(cache);
    let strip = |prefix: &str| -> BTreeSet<String> {
        files.keys().filter_map(|name| name.strip_prefix(prefix).map(str::to_owned)).collect()
    };
    let digest = digest(&sums);
    let (binaries, images) = (strip("bin/"), strip("images/"));
    let artifacts = Artifacts { digest, binaries, images, image_names };
    Ok(Found { artifacts, files, sums, version })
}

/// Archives of images in `folder`, which must be inside of `root`.
fn archives_in(root: &Path, folder: &Path) -> BTreeMap<String, FoundFile> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, _)| {
            name.ends_with(".tar") && !name.starts_with('.') && name.chars().all(plain)
        })
        .map(|(name, path)| (format!("images/{name}"), FoundFile { root: root.to_owned(), path }))
        .collect()
}

fn image_names(files: &BTreeMap<String, FoundFile>) -> Result<BTreeSet<String>, AssetError> {
    let mut all = BTreeSet::new();
    for (_, file) in files.iter().filter(|(name, _)| name.starts_with("images/")) {
        let archive = regular::open(&file.root, &file.path)?;
        let names = archive::names(archive);
        let doing = format!("read {}", file.path.display());
        all.extend(names.map_err(|error| AssetError::unfit(doing, error.to_string()))?);
    }
    Ok(all)
}

/// What the official release of `version` will hold, before it is on this computer: for `plan`.
pub fn expected(required: &[&str]) -> Artifacts {
    Artifacts {
        digest: "0".repeat(64),
        binaries: required.iter().map(|name| (*name).to_owned()).collect(),
        images: BTreeSet::new(),
        image_names: BTreeSet::new(),
    }
}

fn version_of(required: &[&str], dir: &Path, known: &mut Known) -> Result<Version, AssetError> {
    if let Some(version) = version::told(dir)? {
        return Ok(version);
    }
    let program = dir.join(required.first().copied().unwrap_or_default());
    let read = || version::linked(dir, &program).map(|version| version.to_string());
    let text = known.version(&program, read)?;
    let doing = || format!("read the version of {}", program.display());
    Version::parse(&text).ok_or_else(|| AssetError::unfit(doing(), format!("it is '{text}'")))
}

/// A hash of each file's content. Those of files that did not change since are remembered.
fn sums(
    files: &BTreeMap<String, FoundFile>,
    known: &mut Known,
) -> Result<BTreeMap<String, String>, AssetError> {
    let mut sums = BTreeMap::new();
    for (name, file) in files {
        let mut open = regular::open(&file.root, &file.path)?;
        let hash = known
            .sha256(&file.path, &mut open)
            .map_err(AssetError::io(format!("read {}", file.path.display())))?;
        sums.insert(name.clone(), hash);
    }
    Ok(sums)
}

/// One hash over all names and contents.
fn digest(sums: &BTreeMap<String, String>) -> String {
    let mut all = Sha256::new();
    for (name, sum) in sums {
        all.update(format!("{name} {sum}\n"));
    }
    hex(&all.finalize())
}

/// Downloads the official release of `version` into the cache; returns the folder.
///
/// # Errors
/// When a download or its checksum fails.
pub fn fetch_release(
    required: &[&str],
    version: Version,
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<PathBuf, AssetError> {
    fetch_all(required, version, cache, |name| assets::release(version, name), progress)
}

/// The same, from wherever `from` says.
///
/// # Errors
/// As [`fetch_release`].
pub fn fetch_all(
    required: &[&str],
    version: Version,
    cache: &Cache,
    from: impl Fn(&str) -> assets::Download,
    progress: Progress<'_>,
) -> Result<PathBuf, AssetError> {
    let name = release_name(version);
    let dir = cache.path(&name);
    if required.iter().all(|name| dir.join(name).exists()) {
        return Ok(dir);
    }
    cache.make_dir(&name)?;
    // Two first runs at once share one download: the second finds it done.
    let _lock = cache.lock(&name)?;
    for name in required {
        let path = dir.join(name);
        if !path.exists() {
            cache.fetch(&from(name), &path, 0o755, progress)?;
        }
    }
    Ok(dir)
}

fn release_name(version: Version) -> String {
    format!("kubernetes/v{version}")
}

/// Folder that holds a downloaded release.
pub fn release_dir(version: Version, cache: &Cache) -> PathBuf {
    cache.path(&release_name(version))
}
