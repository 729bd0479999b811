//! Add-ons: what can be installed on a cluster through its API. Each is a folder of `addons/`, and nothing
//! else knows of it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::model::Version;

/// The folders of all add-ons.
pub static ADDONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/addons");

static ALL: LazyLock<Vec<Addon>> = LazyLock::new(|| {
    let read = |dir: &'static Dir<'static>| {
        let text = dir.get_file(dir.path().join("addon.yaml"))?.contents_utf8()?;
        let name = dir.path().to_str()?;
        let addon: Addon = serde_saphyr::from_str(text).ok()?;
        Some(Addon { name: name.into(), ..addon })
    };
    ADDONS.dirs().filter_map(read).collect()
});

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ALL.iter().map(|addon| addon.name.as_str()).collect());

/// One add-on, as its `addon.yaml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// Name in a topology: that of its folder.
    #[serde(skip)]
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Last word of its image's repository, by which it is found among archives.
    pub image: String,
    /// Registry that has the image.
    pub registry: String,
    /// Image by the minor release of Kubernetes from which on it is used.
    pub releases: BTreeMap<u32, String>,
    /// Templates whose text the manifest puts in, by the name that it has there.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// Template of its manifest.
    pub manifest: String,
    /// What kubectl is asked for; the add-on works once the answer is at least 1.
    pub ready: String,
    /// What is told where it is wanted and its image cannot be had.
    pub lacking: String,
}

impl Addon {
    /// The image that goes with a release of Kubernetes, registry and all.
    pub fn image_of(&self, version: Version) -> Option<String> {
        let newest = self.releases.range(..=version.minor).next_back();
        newest.map(|(_, image)| format!("{}/{image}", self.registry))
    }

    /// The name under which one of its templates is rendered.
    pub fn template(&self, file: &str) -> String {
        format!("addons/{}/{file}", self.name)
    }
}

/// Every add-on, by name.
pub fn all() -> &'static [Addon] {
    &ALL
}

/// Names of all add-ons.
pub fn names() -> &'static [&'static str] {
    &NAMES
}
