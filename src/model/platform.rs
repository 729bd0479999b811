//! Facts about where a lab runs that stages and templates depend on: found by drivers, passed in,
//! so that everything made from them stays a pure function.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::logins::Logins;
use crate::model::os::Os;
use crate::model::version::Version;

/// How guests execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// Hardware virtualisation.
    Kvm,
    /// QEMU's emulation: works everywhere, many times slower.
    Emulated,
}

impl Acceleration {
    /// The `type` of a libvirt domain.
    pub fn domain_type(self) -> &'static str {
        match self {
            Acceleration::Kvm => "kvm",
            Acceleration::Emulated => "qemu",
        }
    }

    /// Whether every processor that a guest uses costs the computer many times as much.
    pub fn is_emulated(self) -> bool {
        self == Acceleration::Emulated
    }
}

/// Facts about one image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Catalogue entry.
    pub os: Os,
    /// Hex sha256 of the disk; part of the base volume's name.
    pub digest: String,
    /// Virtual size in bytes: no overlay may be smaller.
    pub virtual_size: u64,
    /// Kernel and initrd beside the disk, for direct boot.
    pub direct_boot: bool,
}

/// Stands for a digest that nobody knows yet.
const UNKNOWN_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Image {
    /// What the catalogue says of an image that is not on this computer.
    pub fn expected(os: Os) -> Self {
        Self { os, digest: UNKNOWN_DIGEST.into(), virtual_size: 0, direct_boot: false }
    }

    /// The digest of an image that is a person's own.
    pub fn own(&self) -> Option<&str> {
        self.os.like.as_ref().map(|_| self.digest.as_str())
    }

    /// False for an image that is not on this computer.
    pub fn is_known(&self) -> bool {
        self.digest != UNKNOWN_DIGEST
    }

    /// Name of the base volume, without suffix.
    pub fn volume(&self) -> String {
        format!("{}-{}", self.os.name, &self.digest[..12.min(self.digest.len())])
    }
}

/// The binaries that reach the nodes on the artifact disk.
#[derive(Clone, Debug, Default)]
pub struct Artifacts {
    /// Hex sha256 over names and contents; part of the disk's name.
    pub digest: String,
    /// File names of the binaries on the disk.
    pub binaries: BTreeSet<String>,
    /// File names of the container image archives on the disk.
    pub images: BTreeSet<String>,
    /// Names of the container images in those archives.
    pub image_names: BTreeSet<String>,
}

/// Everything about the surroundings that decides what is made.
#[derive(Clone, Debug)]
pub struct Platform {
    /// KVM or emulation.
    pub acceleration: Acceleration,
    /// Kubernetes version that will run.
    pub version: Version,
    /// Images by catalogue name.
    pub images: BTreeMap<String, Image>,
    /// Binaries.
    pub artifacts: Artifacts,
    /// Images of the add-ons all of whose images can be had, by add-on and by its name for each.
    pub addon_images: BTreeMap<String, BTreeMap<String, String>>,
    /// Logins of registries, where the topology names a file of them.
    pub logins: Option<Logins>,
}

impl Platform {
    /// The catalogue entry of a node's operating system.
    pub fn os(&self, name: &str) -> Option<&Os> {
        self.images.get(name).map(|image| &image.os)
    }

    /// Name of the artifact disk's volume, when there is something on it.
    pub fn artifact_volume(&self) -> Option<String> {
        let digest = self.artifacts.digest.get(..12)?;
        Some(format!("artifacts-{digest}.img"))
    }
}

/// Where things are on the computer that libvirt runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Volumes: one directory per pool below it.
    pub pools: String,
    /// Console logs.
    pub consoles: String,
    /// Libvirt reads this computer's files as `lab` does: images need not be handed over.
    pub local: bool,
}

impl Layout {
    /// Where a system libvirt keeps such things.
    pub fn system() -> Self {
        Self {
            pools: "/var/lib/libvirt/lab".into(),
            consoles: "/var/log/libvirt/qemu".into(),
            local: false,
        }
    }

    /// Directory of a pool.
    pub fn pool(&self, name: &str) -> String {
        format!("{}/{name}", self.pools)
    }

    /// File that a domain's console is logged to.
    pub fn console(&self, domain: &str) -> String {
        format!("{}/{domain}-console.log", self.consoles)
    }
}
