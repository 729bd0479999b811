//! Images that a person brings: from a file, an address, or a disk that somebody else has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::drivers::assets::download::{self, Progress};
use crate::drivers::assets::error::{AssetError, Fault};
use crate::drivers::assets::images::{
    INCOMING, INITRD, Images, Incoming, KERNEL, Local, check, entry, how_to_get,
};
use crate::drivers::assets::sparse;
use crate::drivers::host::tool::run_tool;
use crate::model::assets::Download;
use crate::model::os::{self, Os};
use crate::model::own_image::{From, OwnImage};

/// An image to be brought.
#[derive(Debug)]
pub struct New<'n> {
    /// How it is going to be called.
    pub name: &'n str,
    /// The system of the catalogue that it is.
    pub like: &'n str,
    /// Where it is.
    pub from: Origin,
    /// What it must hash to, in lower-case hex; of an address it must be said.
    pub sha256: Option<String>,
    /// The kernel that boots it, where it has no boot loader.
    pub kernel: Option<&'n Path>,
    /// The same for the kernel's first file system.
    pub initrd: Option<&'n Path>,
}

/// Where an image is that is to be brought.
#[derive(Debug)]
pub enum Origin {
    /// In a file of one's own.
    File(PathBuf),
    /// At an address.
    Url(String),
    /// On a disk that somebody else has, in a format of QEMU's.
    Disk {
        /// Where it is.
        path: PathBuf,
        /// `qcow2`, `raw`.
        format: String,
    },
}

impl Images {
    /// The same images, and those of a topology that the catalogue does not have; files are named from `base`.
    pub fn with_own(mut self, own: &BTreeMap<String, OwnImage>, base: &Path) -> Self {
        for os in own.values().filter_map(|image| os::own(image, base)) {
            let text = serde_json::to_string(&os).unwrap_or_default();
            self.overrides.entry(format!("cloud-init/{}", os::file(&os.name))).or_insert(text);
        }
        self
    }

    /// What an image is that a person brought.
    pub(super) fn added(&self, name: &str) -> Option<Os> {
        let like = self.like(name)?;
        let (name, sha256) = (name.to_owned(), self.local(name).map(|local| local.sha256));
        os::own(&OwnImage { name, like, from: None, sha256 }, Path::new(""))
    }

    /// The system of the catalogue that an image is which a person brought.
    pub fn like(&self, name: &str) -> Option<String> {
        self.local(name)?.like.filter(|like| os::names().contains(&like.as_str()))
    }

    /// Names of the images that a person brought, sorted.
    pub fn brought(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache.path("images")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| self.like(name).is_some()).collect();
        names.sort();
        names
    }

    /// The file of an image, beside its place and checked.
    pub(super) fn received(&self, os: &Os, progress: Progress<'_>) -> Result<PathBuf, AssetError> {
        let dir = self.cache.make_dir(&entry(&os.name))?;
        if let Some(file) = &os.file {
            return self.copied(file, &dir, os.sha256.as_deref());
        }
        if os.url.is_empty() {
            let doing = format!("find the image '{}' on this computer", os.name);
            return Err(AssetError::new(Fault::Missing, doing, how_to_get(os)));
        }
        let what = Download::of_image(os);
        // What a person's own address ends with need not be the name of a file.
        let incoming = dir.join(if os.like.is_some() { INCOMING } else { what.file() });
        self.cache.fetch(&what, &incoming, 0o444, progress)?;
        Ok(incoming)
    }

    /// A copy of a file, which must hash to `sha256` where that is said.
    fn copied(&self, file: &Path, dir: &Path, sha256: Option<&str>) -> Result<PathBuf, AssetError> {
        let (incoming, doing) = (dir.join(INCOMING), format!("copy the image {}", file.display()));
        fs::metadata(file).map_err(AssetError::io(doing.clone()))?;
        check(file)?;
        // One that came before may be for reading alone.
        self.cache.remove(&incoming)?;
        sparse::copy(file, &incoming).map_err(AssetError::io(doing.clone()))?;
        let found = download::hash(&incoming, "sha256").map_err(AssetError::io(doing.clone()))?;
        match sha256.filter(|wanted| *wanted != found) {
            None => Ok(incoming),
            Some(wanted) => {
                self.cache.remove(&incoming)?;
                let reason = format!("its sha256 is {found}, and {wanted} is wanted");
                Err(AssetError::new(Fault::WrongChecksum, doing, reason))
            }
        }
    }

    /// Brings an image of a person's own, which is like a system of the catalogue: from a file, an address, or a
    /// disk that somebody else has.
    ///
    /// # Errors
    /// When the name is taken, or the image cannot be read or used.
    pub fn add(&self, new: &New<'_>, progress: Progress<'_>) -> Result<Local, AssetError> {
        let (name, like) = (new.name, new.like);
        let _lock = self.cache.lock(&entry(name))?;
        if self.local(name).is_some() {
            let reason = format!("it is here already; `lab images rm {name}` removes it");
            return Err(AssetError::unfit(format!("add the image {name}"), reason));
        }
        let from = match &new.from {
            Origin::File(file) => Some(From::File(file.display().to_string())),
            Origin::Url(url) => Some(From::Url(url.clone())),
            Origin::Disk { .. } => None,
        };
        let own =
            OwnImage { name: name.into(), like: like.into(), from, sha256: new.sha256.clone() };
        let os = os::own(&own, Path::new("")).ok_or_else(|| {
            let reason = format!("the catalogue has {}", os::names().join(", "));
            AssetError::unfit(format!("find the system '{like}'"), reason)
        })?;
        let added = self.bring(new, os, progress);
        // A download goes on from where it was cut.
        if added.is_err() && !matches!(new.from, Origin::Url(_)) {
            self.cache.remove(&self.dir(name))?;
        }
        added
    }

    fn bring(&self, new: &New<'_>, os: Os, progress: Progress<'_>) -> Result<Local, AssetError> {
        let name = new.name;
        let dir = self.cache.make_dir(&entry(name))?;
        let disk = match &new.from {
            Origin::Disk { path, format } => self.flattened(path, format, &dir)?,
            _ => self.received(&os, progress)?,
        };
        let mut boot = Vec::new();
        for (file, from) in [(KERNEL, new.kernel), (INITRD, new.initrd)] {
            let Some(from) = from else { continue };
            let incoming = dir.join(format!("{file}.{INCOMING}"));
            let doing = format!("copy {}", from.display());
            sparse::copy(from, &incoming).map_err(AssetError::io(doing))?;
            boot.push((file, incoming));
        }
        let (inputs, source) = (String::new(), "add");
        let incoming = Incoming { disk: &disk, boot, source, inputs, like: os.like };
        self.adopt(name, &incoming)
    }

    /// A copy of a disk and of everything that it stands on. The disk itself is only read.
    fn flattened(&self, disk: &Path, format: &str, dir: &Path) -> Result<PathBuf, AssetError> {
        let (from, to) = (disk.display().to_string(), dir.join(INCOMING));
        self.cache.remove(&to)?;
        let target = to.display().to_string();
        let arguments = ["convert", "-f", format, "-O", "qcow2", &from, &target];
        run_tool("qemu-img", &arguments).map_err(|error| {
            AssetError::unfit(format!("copy the disk {from}"), String::from(error))
        })?;
        Ok(to)
    }
}
