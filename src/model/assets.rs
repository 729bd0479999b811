//! What a lab needs from outside this computer, as one list: images of operating systems, binaries,
//! container images, golden guests. Pure; `drivers::assets` has the cache that it is fetched into.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::lab::Lab;
use crate::model::mirror::may_have;
use crate::model::options::Cloning;
use crate::model::os::Os;
use crate::model::platform::{Image, Platform};
use crate::model::size;
use crate::model::version::Version;

/// The official releases of Kubernetes.
const RELEASES: &str = "https://dl.k8s.io/release";

/// What an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssetKind {
    /// Disk image of an operating system.
    Image,
    /// Program of Kubernetes.
    Binary,
    /// Image that containers run from.
    ContainerImage,
    /// Guest that others are copied from, warm.
    Golden,
}

impl AssetKind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            AssetKind::Image => "image",
            AssetKind::Binary => "binary",
            AssetKind::ContainerImage => "container image",
            AssetKind::Golden => "golden guest",
        }
    }
}

/// A file to download, and the list that says what it must hash to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Download {
    /// Address of the file.
    pub url: String,
    /// Address of the publisher's list of checksums.
    pub checksums: String,
    /// `sha256` or `sha512`.
    pub algorithm: String,
    /// What it must hash to, in hex, where a person says it; nobody asks a list then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Download {
    /// The image of a system.
    pub fn of_image(os: &Os) -> Self {
        Self {
            url: os.url.clone(),
            checksums: os.checksums.clone(),
            algorithm: os.algorithm.clone(),
            digest: os.sha256.clone(),
        }
    }

    /// Name of the file, as the list has it.
    pub fn file(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

/// Where an asset comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It is downloaded.
    Download(Download),
    /// It is in a folder that a person named, or is a file of that name.
    Folder(PathBuf),
    /// It is in an archive at hand, or in an image that was built here.
    AtHand,
    /// Guests get it from its registry, under that name.
    Registry(String),
    /// It is made on this computer when it is first wanted.
    Made,
    /// Nobody has it, and guests have no way to its registry.
    Nowhere,
}

/// One thing from outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Asset {
    /// What it is.
    pub kind: AssetKind,
    /// Its name: of the catalogue, of the program, of the image.
    pub name: String,
    /// Hex sha256, where it is known.
    pub digest: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// What decides the list besides the lab and its surroundings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Programs without which the lab cannot be set up.
    pub binaries: &'a [&'a str],
    /// The folder that a person named for them.
    pub folder: Option<&'a Path>,
    /// Container images that stages name, and what registries call them.
    pub containers: &'a [(&'a str, &'a str)],
    /// The same that the cluster itself runs from: registries know them by that name.
    pub pods: &'a [String],
    /// True when guests reach registries.
    pub outside: bool,
}

/// Everything that `lab` needs from outside, in the order of kinds and names.
pub fn assets(lab: &Lab, platform: &Platform, wanted: &Wanted<'_>) -> Vec<Asset> {
    let mut all = Vec::new();
    let systems = lab.systems();
    for image in systems.iter().filter_map(|name| platform.images.get(*name)) {
        all.push(os_image(image));
    }
    all.extend(wanted.binaries.iter().map(|name| binary(name, platform.version, wanted.folder)));
    all.extend(containers(lab, platform, wanted));
    if lab.options.clone == Cloning::Warm {
        all.extend(lab.nodes.iter().filter(|node| node.user_data.is_empty()).map(|node| Asset {
            kind: AssetKind::Golden,
            name: golden_name(&node.os, node.cpus, node.memory_mib),
            digest: None,
            source: Source::Made,
        }));
    }
    all.sort();
    all.dedup();
    all
}

/// What golden guests of a shape are called.
pub fn golden_name(os: &str, cpus: u32, memory_mib: u64) -> String {
    format!("{os}, {cpus} x {}", size::human(memory_mib << 20))
}

fn os_image(image: &Image) -> Asset {
    Asset {
        kind: AssetKind::Image,
        name: image.os.name.clone(),
        digest: image.is_known().then(|| image.digest.clone()),
        source: match &image.os.file {
            Some(file) => Source::Folder(file.clone()),
            None => Source::Download(Download::of_image(&image.os)),
        },
    }
}

fn binary(name: &str, version: Version, folder: Option<&Path>) -> Asset {
    let source = match folder {
        Some(folder) => Source::Folder(folder.to_owned()),
        None => Source::Download(release(version, name)),
    };
    Asset { kind: AssetKind::Binary, name: name.into(), digest: None, source }
}

/// A program of an official release.
pub fn release(version: Version, name: &str) -> Download {
    let url = format!("{RELEASES}/v{version}/bin/linux/amd64/{name}");
    Download { checksums: format!("{url}.sha256"), url, algorithm: "sha256".into(), digest: None }
}

fn containers(lab: &Lab, platform: &Platform, wanted: &Wanted<'_>) -> Vec<Asset> {
    let archived = |name: &str| platform.artifacts.image_names.contains(name);
    let reached = |name: &str| wanted.outside || may_have(&lab.kubernetes.mirrors, name);
    let built = platform.images.values().any(|image| image.direct_boot);
    let asset = |name: &str, source| Asset {
        kind: AssetKind::ContainerImage,
        name: name.into(),
        digest: None,
        source,
    };
    // Images that are built here bring them: until one is here, nobody knows.
    let is_known = platform.images.values().any(Image::is_known);
    let mut all: Vec<Asset> = wanted
        .containers
        .iter()
        .filter(|_| is_known)
        .map(|(name, registry)| match reached(registry) {
            _ if built || archived(name) => asset(name, Source::AtHand),
            true => asset(name, Source::Registry((*registry).to_owned())),
            false => asset(name, Source::Nowhere),
        })
        .collect();
    all.extend(wanted.pods.iter().map(|name| match reached(name) {
        _ if archived(name) => asset(name, Source::AtHand),
        true => asset(name, Source::Registry(name.clone())),
        false => asset(name, Source::Nowhere),
    }));
    for used in &lab.kubernetes.addons {
        let addon = &used.addon.name;
        match platform.addon_images.get(addon) {
            None => all.push(asset(addon, Source::Nowhere)),
            Some(images) => all.extend(images.values().map(|name| match archived(name) {
                true => asset(name, Source::AtHand),
                false => asset(name, Source::Registry(name.clone())),
            })),
        }
    }
    all
}
