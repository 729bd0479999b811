//! Guest images: the catalogue, and the local copies that overlays stand on. An image is verified
//! once, made read-only, and recognised as untouched by size and time of change from then on.

pub mod archive;
pub mod brought;
mod build;
pub mod kept;
mod local;
pub mod packed;
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::download::{self, Progress};
use crate::drivers::assets::error::{AssetError, Fault};
pub use crate::drivers::assets::images::local::{FileMark, Local};
use crate::drivers::assets::images::local::{refuse_another, refuse_changed};
use crate::drivers::host;
use crate::drivers::host::tool::run_tool;
use crate::drivers::state::Standing;
use crate::model::name::check_label;
use crate::model::os::{self, Os};
use crate::model::platform::Image;

/// An image that came, before it has its name.
struct Incoming<'f> {
    /// Its disk.
    disk: &'f Path,
    /// Kernel and initrd, by the names that they get.
    boot: Vec<(&'static str, PathBuf)>,
    /// `pull`, `build` or `add`.
    source: &'static str,
    /// See [`Local::inputs`].
    inputs: String,
    /// See [`Local::like`].
    like: Option<String>,
}

/// A file that is not yet what it is going to be.
const INCOMING: &str = "incoming";
const DISK: &str = "disk.qcow2";
const KERNEL: &str = "vmlinuz";
const INITRD: &str = "initrd.img";
/// Vouches for the other files.
const LOCAL: &str = "local.json";

/// The local images.
#[derive(Clone, Debug)]
pub struct Images {
    cache: Cache,
    overrides: BTreeMap<String, String>,
}

impl Images {
    /// Images of a cache, with a person's own catalogue entries.
    pub fn new(cache: Cache, overrides: &BTreeMap<String, String>) -> Self {
        Self { cache, overrides: overrides.clone() }
    }

    /// The cache that they are in, with all other assets.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The same images in a cache that behaves otherwise.
    pub fn with_cache(self, change: impl FnOnce(Cache) -> Cache) -> Self {
        Self { cache: change(self.cache), ..self }
    }

    /// The catalogue entry of that name.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn os(&self, name: &str) -> Result<Os, AssetError> {
        let file = os::file(name);
        let own = self.overrides.get(&format!("cloud-init/{file}")).cloned();
        let shipped = || os::shipped(name).map(str::to_owned);
        let Some(text) = own.or_else(shipped) else {
            if let Some(os) = self.added(name) {
                return Ok(os);
            }
            return Err(AssetError::new(
                Fault::Missing,
                format!("find the image '{name}'"),
                format!(
                    "the catalogue has {}; `lab images add` brings others",
                    os::names().join(", ")
                ),
            ));
        };
        let doing = || format!("read cloud-init/{file}");
        serde_json::from_str(&text).map_err(|error| AssetError::unfit(doing(), error.to_string()))
    }

    /// Directory of one image.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.cache.path(&entry(name))
    }

    /// Path of the disk.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.dir(name).join(DISK)
    }

    /// Paths of kernel and initrd.
    pub fn boot(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.dir(name).join(KERNEL), self.dir(name).join(INITRD))
    }

    /// What is known of the local copy.
    pub fn local(&self, name: &str) -> Option<Local> {
        let text = fs::read_to_string(self.dir(name).join(LOCAL)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The local image, checked to be what it was when it was verified.
    ///
    /// # Errors
    /// When it is missing, or was changed since; the message says how to get it back.
    pub fn image(&self, name: &str) -> Result<Image, AssetError> {
        let os = self.os(name)?;
        let Some(local) = self.local(name) else {
            let doing = format!("find the image '{name}' on this computer");
            let reason = format!("get it with {}", how_to_get(&os));
            return Err(AssetError::new(Fault::Missing, doing, reason));
        };
        refuse_another(&os, &local)?;
        let mut files = vec![(DISK, local.size, local.mtime)];
        files.extend(local.boot.iter().map(|(name, mark)| (&**name, mark.size, mark.mtime)));
        for (file, size, mtime) in files {
            let path = self.dir(name).join(file);
            let meta =
                fs::metadata(&path).map_err(AssetError::io(format!("read {}", path.display())))?;
            if (meta.len(), meta.mtime()) != (size, mtime) {
                return Err(AssetError::unfit(
                    format!("use the base image {}", path.display()),
                    format!(
                        "it was changed since it was verified, and every disk that stands on it \
                         would break; get it again with `lab images rm {name}` and pull or build"
                    ),
                ));
            }
        }
        Ok(Image {
            os,
            digest: local.sha256,
            virtual_size: local.virtual_size,
            direct_boot: local.direct_boot,
        })
    }

    /// What the catalogue says, before the image is on this computer: for `plan`.
    ///
    /// # Errors
    /// As [`Images::os`].
    pub fn expected(&self, name: &str) -> Result<Image, AssetError> {
        Ok(Image::expected(self.os(name)?))
    }

    /// Downloads the cloud image, checked against the publisher's checksum list.
    ///
    /// # Errors
    /// When the download or a check fails.
    pub fn pull(&self, name: &str, progress: Progress<'_>) -> Result<Local, AssetError> {
        let _lock = self.cache.lock(&entry(name))?;
        self.pull_locked(name, &[], progress)
    }

    /// The image, downloaded where it is missing. Of two runs at once one downloads it. `standing` are
    /// labs whose disks stand on one of that name, and its sha256: none but that one is taken.
    ///
    /// # Errors
    /// As [`Images::pull`] and [`Images::image`]; when the publisher has another image by now.
    pub fn ensure(
        &self,
        name: &str,
        standing: &[Standing],
        progress: Progress<'_>,
    ) -> Result<Image, AssetError> {
        // A cache that others filled need not be ours to write to.
        if let Ok(image) = self.image(name) {
            if let Some(local) = self.local(name).filter(|_| standing.is_empty()) {
                refuse_changed(&image.os, &local)?;
            }
            return Ok(image);
        }
        let _lock = self.cache.lock(&entry(name))?;
        if self.local(name).is_none() {
            self.pull_locked(name, standing, progress)?;
        }
        self.image(name)
    }

    fn pull_locked(
        &self,
        name: &str,
        standing: &[Standing],
        progress: Progress<'_>,
    ) -> Result<Local, AssetError> {
        let os = self.os(name)?;
        let incoming = self.received(&os, progress)?;
        let disk = &*incoming;
        if !standing.is_empty() {
            let doing = format!("read {}", disk.display());
            let sha256 = download::hash(disk, "sha256").map_err(AssetError::io(doing))?;
            if let Err(error) = refuse_other(name, &sha256, standing) {
                self.cache.remove(disk)?;
                return Err(error);
            }
        }
        let source = if os.file.is_some() { "add" } else { "pull" };
        let (boot, inputs, like) = (Vec::new(), String::new(), os.like);
        self.adopt(name, &Incoming { disk, boot, source, inputs, like })
    }

    /// True when the local image was built from just what it would be built from now.
    ///
    /// # Errors
    /// As [`Images::os`].
    pub fn is_built(&self, name: &str) -> Result<bool, AssetError> {
        let inputs = build::inputs(&self.os(name)?);
        Ok(self.image(name).is_ok() && self.local(name).is_some_and(|local| local.inputs == inputs))
    }

    /// Makes the image from Debian packages, with the packages of all stages inside.
    ///
    /// # Errors
    /// When the image cannot be built here, or a tool fails.
    pub fn build(&self, name: &str, say: &dyn Fn(&str)) -> Result<Local, AssetError> {
        let _lock = self.cache.lock(&entry(name))?;
        let os = self.os(name)?;
        let dir = self.cache.make_dir(&entry(name))?;
        let built = build::build(&os, &dir, say)?;
        let boot = vec![(KERNEL, built.kernel.clone()), (INITRD, built.initrd.clone())];
        let (disk, inputs) = (&*built.disk, build::inputs(&os));
        self.adopt(name, &Incoming { disk, boot, source: "build", inputs, like: None })
    }

    /// Checks a qcow2 file and makes it the image `name`. What vouches for the files goes first and comes
    /// last.
    fn adopt(&self, name: &str, incoming: &Incoming<'_>) -> Result<Local, AssetError> {
        let (dir, disk) = (self.dir(name), self.disk(name));
        let read = |path: &Path| AssetError::io(format!("read {}", path.display()));
        let virtual_size = check(incoming.disk)?;
        let sha256 = download::hash(incoming.disk, "sha256").map_err(read(incoming.disk))?;
        self.cache.remove(&dir.join(LOCAL))?;
        self.cache.put(incoming.disk, &disk, 0o444)?;
        let mut boot = BTreeMap::new();
        for (file, from) in &incoming.boot {
            let path = dir.join(file);
            self.cache.put(from, &path, 0o444)?;
            boot.insert((*file).to_owned(), FileMark::of(&path).map_err(read(&path))?);
        }
        let meta = fs::metadata(&disk).map_err(read(&disk))?;
        let local = Local {
            sha256,
            size: meta.len(),
            mtime: meta.mtime(),
            virtual_size,
            direct_boot: !boot.is_empty(),
            source: format!("{} {}", incoming.source, host::timestamp()),
            inputs: incoming.inputs.clone(),
            like: incoming.like.clone(),
            boot,
        };
        let text = serde_json::to_string_pretty(&local).unwrap_or_default();
        self.cache.write(&dir.join(LOCAL), &text, 0o644)?;
        Ok(local)
    }

    /// Removes the local copy.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool, AssetError> {
        // What of one came that never became an image is nobody's, and may be known by its folder alone.
        let is_plain = check_label("an image", name, 40).is_ok();
        let dir = self.dir(name);
        if !is_plain || !dir.exists() {
            return self.os(name).map(|_| false);
        }
        let _lock = self.cache.lock(&entry(name))?;
        // What vouches for the rest first: half an image is none.
        self.cache.remove(&dir.join(LOCAL))?;
        self.cache.remove(&dir)?;
        Ok(true)
    }
}

/// Refuses an image of that name and digest below the disks of labs that stand on another.
///
/// # Errors
/// Which labs those are.
pub fn refuse_other(name: &str, sha256: &str, standing: &[Standing]) -> Result<(), AssetError> {
    let others = standing.iter().filter(|other| other.sha256 != sha256);
    let labs: Vec<&str> = others.map(|other| other.lab.as_str()).collect();
    if labs.is_empty() {
        return Ok(());
    }
    Err(AssetError::new(
        Fault::OtherBase,
        format!("use the image {name} with sha256 {}", sha256.get(..12).unwrap_or(sha256)),
        format!("disks of {} stand on another of that name, and would be damaged", labs.join(", ")),
    ))
}

fn entry(name: &str) -> String {
    format!("images/{name}")
}

/// The commands that get an image.
pub fn how_to_get(os: &Os) -> String {
    let name = &os.name;
    match os.suite {
        Some(_) => {
            format!("`lab images pull {name}`, or without internet `lab images build {name}`")
        }
        None if os.file.is_none() && os.url.is_empty() => {
            let like = os.like.as_deref().unwrap_or_default();
            format!("`lab images add {name} FILE --like {like}`")
        }
        None if os.like.is_some() => "`lab up` or `lab assets fetch`".into(),
        None => format!("`lab images pull {name}`"),
    }
}

/// Refuses anything but a plain qcow2 disk: an image that names another file would copy that file
/// into the guest. Returns the virtual size in bytes.
///
/// # Errors
/// What is wrong with the file.
pub fn check(file: &Path) -> Result<u64, AssetError> {
    let shown = file.display().to_string();
    let checking = || format!("check the image {shown}");
    let text = run_tool("qemu-img", &["info", "--output=json", "-f", "qcow2", &shown]).map_err(
        |error| AssetError::unfit(checking(), format!("it is not a qcow2 disk: {error}")),
    )?;
    let info: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| AssetError::unfit(checking(), error.to_string()))?;
    let unfit = |why: String| Err(AssetError::unfit(format!("use the image {shown}"), why));
    for key in ["backing-filename", "full-backing-filename"] {
        if let Some(other) = info[key].as_str() {
            return unfit(format!("it refers to a backing file ({other})"));
        }
    }
    if let Some(other) = info["format-specific"]["data"]["data-file"].as_str() {
        return unfit(format!("its data is in another file ({other})"));
    }
    if info["encrypted"].as_bool() == Some(true) {
        return unfit("it is encrypted".into());
    }
    info["virtual-size"].as_u64().ok_or_else(|| AssetError::unfit(checking(), "no size"))
}
