//! The operating systems a node can run, read from `cloud-init/<name>/image.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

use crate::model::own_image::{From, OwnImage};

/// The catalogue, and what seeds and images are made from.
pub static CLOUD_INIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/cloud-init");

/// Every system that is a folder of the catalogue, family by family.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let entry = |dir: &'static Dir<'static>| {
        let file = dir.get_file(dir.path().join("image.json"))?;
        let os: Os = serde_json::from_str(file.contents_utf8()?).ok()?;
        Some((os.family, dir.path().to_str()?))
    };
    let mut all: Vec<_> = CLOUD_INIT.dirs().filter_map(entry).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, name)| name).collect()
});

/// Names of the catalogue, in the order they are listed.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// What nodes run when a topology does not say it.
pub const DEFAULT: &str = "debian-12";

/// Package family: what package names and tools mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Debian and Ubuntu: apt.
    Debian,
    /// Fedora, Rocky and kin: dnf.
    Redhat,
}

impl Family {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Redhat => "redhat",
        }
    }
}

/// One operating system of the catalogue.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Os {
    /// Name in a topology file.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Package family.
    pub family: Family,
    /// Cloud image to download.
    pub url: String,
    /// File that lists the image's checksum.
    pub checksums: String,
    /// `sha256` or `sha512`.
    pub algorithm: String,
    /// Debian suite that `lab images build` makes the image from, where it can.
    #[serde(default)]
    pub suite: Option<String>,
    /// Hex sha256 of the image, where it is one of a person's own; `checksums` says nothing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file that such an image is taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The system of the catalogue that such an image is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// Packages by purpose (`runtime`, `etcd`, `worker` and so on).
    pub packages: BTreeMap<String, Vec<String>>,
    /// Folder of the CNI plugins that the packages bring.
    pub cni_bin: String,
}

/// The catalogue's entry of that name.
pub fn shipped(name: &str) -> Option<&'static str> {
    CLOUD_INIT.get_file(file(name))?.contents_utf8()
}

/// Where the entry of that name is, below the catalogue.
pub fn file(name: &str) -> String {
    format!("{name}/image.json")
}

/// The entry of a person's own image; files are named from `base`. `None` where it is like nothing that
/// the catalogue has.
pub fn own(image: &OwnImage, base: &Path) -> Option<Os> {
    let like: Os = serde_json::from_str(shipped(&image.like)?).ok()?;
    let (url, file) = match &image.from {
        Some(From::Url(url)) => (url.clone(), None),
        Some(From::File(file)) => (String::new(), Some(base.join(file))),
        None => (String::new(), None),
    };
    Some(Os {
        name: image.name.clone(),
        title: format!("like {}", like.title),
        url,
        checksums: String::new(),
        algorithm: "sha256".into(),
        suite: None,
        sha256: image.sha256.as_ref().map(|hash| hash.to_ascii_lowercase()),
        file,
        like: Some(like.name.clone()),
        ..like
    })
}
