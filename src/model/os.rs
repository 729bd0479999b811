//! The operating systems a node can run, read from `cloud-init/<name>/image.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Names of the catalogue, in the order they are listed.
pub const NAMES: &[&str] = &["debian-12", "debian-13", "ubuntu-24.04", "fedora", "rocky"];

/// What nodes run when a topology does not say it.
pub const DEFAULT: &str = "debian-12";

/// Package family: what package names and tools mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
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
