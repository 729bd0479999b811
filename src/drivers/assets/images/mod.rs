//! Guest images: the catalogue, and the local copies that overlays stand on. An image is verified
//! once, made read-only, and recognised as untouched by size and time of change from then on.

pub(crate) mod archive;
mod build;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::drivers::assets::download::{self, Progress};
use crate::drivers::host;
use crate::drivers::state::store;
use crate::model::os::{self, Os};
use crate::model::platform::Image;
use crate::render::CLOUD_INIT;

/// What is remembered about a local image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Local {
    /// Hex sha256 of the disk.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// Time of its last change, seconds.
    pub mtime: i64,
    /// Virtual size of the disk, bytes.
    pub virtual_size: u64,
    /// Kernel and initrd are beside it.
    pub direct_boot: bool,
    /// `pull` or `build`, and when.
    pub source: String,
    /// Hash of what a built image was made from; empty for others.
    #[serde(default)]
    pub inputs: String,
}

/// The local images.
#[derive(Clone, Debug)]
pub struct Images {
    dir: PathBuf,
    overrides: BTreeMap<String, String>,
}

impl Images {
    /// Images below `cache`, with a person's own catalogue entries.
    pub fn new(cache: &Path, overrides: &BTreeMap<String, String>) -> Self {
        Self { dir: cache.join("images"), overrides: overrides.clone() }
    }

    /// The catalogue entry of that name.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn os(&self, name: &str) -> Result<Os, String> {
        let file = format!("{name}/image.json");
        let own = self.overrides.get(&format!("cloud-init/{file}")).cloned();
        let shipped = || CLOUD_INIT.get_file(&file)?.contents_utf8().map(str::to_owned);
        let Some(text) = own.or_else(shipped) else {
            return Err(format!(
                "find the image '{name}': the catalogue has {}",
                os::names().join(", ")
            ));
        };
        serde_json::from_str(&text).map_err(|error| format!("read cloud-init/{file}: {error}"))
    }

    /// Directory of one image.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Path of the disk.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.dir(name).join("disk.qcow2")
    }

    /// Paths of kernel and initrd.
    pub fn boot(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.dir(name).join("vmlinuz"), self.dir(name).join("initrd.img"))
    }

    /// What is known of the local copy.
    pub fn local(&self, name: &str) -> Option<Local> {
        let text = fs::read_to_string(self.dir(name).join("local.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The local image, checked to be what it was when it was verified.
    ///
    /// # Errors
    /// When it is missing, or was changed since; the message says how to get it back.
    pub fn image(&self, name: &str) -> Result<Image, String> {
        let os = self.os(name)?;
        let Some(local) = self.local(name) else {
            let how = if os.suite.is_some() {
                format!("`lab images pull {name}`, or without internet `lab images build {name}`")
            } else {
                format!("`lab images pull {name}`")
            };
            return Err(format!("find the image '{name}' on this computer: get it with {how}"));
        };
        let disk = self.disk(name);
        let meta =
            fs::metadata(&disk).map_err(|error| format!("read {}: {error}", disk.display()))?;
        if meta.len() != local.size || meta.mtime() != local.mtime {
            return Err(format!(
                "use the base image {}: it was changed since it was verified, and every disk that \
                 stands on it would break; get it again with `lab images rm {name}` and pull or build",
                disk.display()
            ));
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
    pub fn expected(&self, name: &str) -> Result<Image, String> {
        let os = self.os(name)?;
        Ok(Image { os, digest: "0".repeat(64), virtual_size: 0, direct_boot: false })
    }

    /// Downloads the cloud image, checked against the publisher's checksum list.
    ///
    /// # Errors
    /// When the download or a check fails.
    pub fn pull(&self, name: &str, progress: Progress<'_>) -> Result<Local, String> {
        let os = self.os(name)?;
        let dir = self.dir(name);
        store::make_dir(&dir).map_err(|error| error.to_string())?;
        let file = os.url.rsplit('/').next().unwrap_or_default();
        let list = download::text(&os.checksums)?;
        let Some(sum) = download::find_checksum(&list, file, &os.algorithm) else {
            return Err(format!("find the checksum of {file} in {}", os.checksums));
        };
        let incoming = dir.join(file);
        download::download(&os.url, &incoming, &sum, progress)?;
        self.adopt(name, &incoming, "pull", false, String::new())
    }

    /// True when the local image was built from just what it would be built from now.
    ///
    /// # Errors
    /// As [`Images::os`].
    pub fn is_built(&self, name: &str) -> Result<bool, String> {
        let inputs = build::inputs(&self.os(name)?);
        Ok(self.image(name).is_ok() && self.local(name).is_some_and(|local| local.inputs == inputs))
    }

    /// Makes the image from Debian packages, with the packages of all stages inside.
    ///
    /// # Errors
    /// When the image cannot be built here, or a tool fails.
    pub fn build(&self, name: &str, say: &dyn Fn(&str)) -> Result<Local, String> {
        let os = self.os(name)?;
        let dir = self.dir(name);
        store::make_dir(&dir).map_err(|error| error.to_string())?;
        let built = build::build(&os, &dir, say)?;
        self.adopt(name, &built, "build", true, build::inputs(&os))
    }

    /// Checks a qcow2 file and makes it the image `name`.
    fn adopt(
        &self,
        name: &str,
        file: &Path,
        source: &str,
        direct: bool,
        inputs: String,
    ) -> Result<Local, String> {
        let virtual_size = check(file)?;
        let read = |error: std::io::Error| format!("read {}: {error}", file.display());
        let sha256 = download::hash(file, "sha256").map_err(read)?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o444)).map_err(read)?;
        let disk = self.disk(name);
        fs::rename(file, &disk).map_err(|error| format!("rename {}: {error}", file.display()))?;
        let meta = fs::metadata(&disk).map_err(read)?;
        let local = Local {
            sha256,
            size: meta.len(),
            mtime: meta.mtime(),
            virtual_size,
            direct_boot: direct,
            source: format!("{source} {}", host::timestamp()),
            inputs,
        };
        let text = serde_json::to_string_pretty(&local).unwrap_or_default();
        let path = self.dir(name).join("local.json");
        store::write_atomic(&path, text.as_bytes(), 0o644)
            .map_err(|error| format!("write {}: {error}", path.display()))?;
        Ok(local)
    }

    /// Removes the local copy.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool, String> {
        self.os(name)?;
        let dir = self.dir(name);
        if !dir.exists() {
            return Ok(false);
        }
        fs::remove_dir_all(&dir).map_err(|error| format!("remove {}: {error}", dir.display()))?;
        Ok(true)
    }
}

/// Refuses anything but a plain qcow2 disk: an image that names another file would copy that file
/// into the guest. Returns the virtual size in bytes.
///
/// # Errors
/// What is wrong with the file.
pub fn check(file: &Path) -> Result<u64, String> {
    let shown = file.display().to_string();
    let text = host::run_tool("qemu-img", &["info", "--output=json", "-f", "qcow2", &shown])
        .map_err(|error| format!("check the image {shown}: it is not a qcow2 disk: {error}"))?;
    let info: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("check the image {shown}: {error}"))?;
    for (key, what) in
        [("backing-filename", "a backing file"), ("full-backing-filename", "a backing file")]
    {
        if let Some(other) = info[key].as_str() {
            return Err(format!("use the image {shown}: it refers to {what} ({other})"));
        }
    }
    if let Some(other) = info["format-specific"]["data"]["data-file"].as_str() {
        return Err(format!("use the image {shown}: its data is in another file ({other})"));
    }
    if info["encrypted"].as_bool() == Some(true) {
        return Err(format!("use the image {shown}: it is encrypted"));
    }
    info["virtual-size"].as_u64().ok_or_else(|| format!("check the image {shown}: no size"))
}
