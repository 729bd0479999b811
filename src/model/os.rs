//! The operating systems a node can run, read from `cloud-init/<name>/image.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::Deserialize;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Debian and Ubuntu: apt.
    Debian,
    /// Fedora, Rocky and kin: dnf.
    Redhat,
}

/// One operating system of the catalogue.
#[derive(Clone, Debug, Deserialize)]
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
    /// Packages by purpose (`runtime`, `etcd`, `worker` and so on).
    pub packages: BTreeMap<String, Vec<String>>,
    /// Folder of the CNI plugins that the packages bring.
    pub cni_bin: String,
}
