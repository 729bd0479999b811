//! Add-ons: what can be installed on a cluster through its API. Each is a folder with `addon.yaml` and manifests:
//! one of `addons/`, or a person's own that a topology names.

mod manifest;
mod parameter;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize, Serializer};

use crate::model::Version;
use crate::model::addon::manifest::first_line;
pub use crate::model::addon::manifest::{Manifest, Object, Workload};
pub use crate::model::addon::parameter::{Parameter, Rule};
use crate::model::flaw::Flaw;
use crate::model::name::check_label;

/// The folders of all shipped add-ons.
pub static ADDONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/addons");

/// What describes an add-on, in its folder.
pub const DESCRIPTION: &str = "addon.yaml";
/// How names of templates end.
pub const TEMPLATE: &str = ".j2";
/// How names of manifests end.
const MANIFESTS: &[&str] = &[".yaml", ".yml", ".yaml.j2", ".yml.j2"];

static ALL: LazyLock<Vec<Arc<Addon>>> = LazyLock::new(|| {
    let read = |dir: &'static Dir<'static>| {
        let file = |file: &'static include_dir::File<'static>| {
            let name = file.path().file_name()?.to_str()?.to_owned();
            Some((name, file.contents_utf8()?.to_owned()))
        };
        let files = dir.files().filter_map(file).collect();
        let addon = Addon::of(dir.path().to_str()?, files).ok()?;
        Some(Arc::new(Addon { is_shipped: true, ..addon }))
    };
    ADDONS.dirs().filter_map(read).collect()
});

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ALL.iter().map(|addon| addon.name.as_str()).collect());

/// One add-on, as its folder says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// Name in a topology: that of its folder.
    #[serde(skip)]
    pub name: String,
    /// Its files, text by name.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
    /// True for those that come with `lab`.
    #[serde(skip)]
    pub is_shipped: bool,
    /// Name for people.
    pub title: String,
    /// What it is good for, in a sentence.
    #[serde(default)]
    pub why: String,
    /// Other add-ons that must be there.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Images of its pods, by the name that manifests have for them.
    #[serde(default)]
    pub images: BTreeMap<String, Images>,
    /// What a topology may say of it.
    #[serde(default)]
    pub parameters: BTreeMap<String, Rule>,
    /// Templates whose text manifests put in, by the name that it has there.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// Files with its objects, in the order in which they are applied.
    #[serde(default)]
    pub manifests: Vec<String>,
    /// What proves that it is of use, besides that its pods run.
    #[serde(default)]
    pub checks: Vec<Proof>,
}

/// An image by release of Kubernetes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Registry that has it.
    pub registry: String,
    /// Repository and tag, by the minor release of Kubernetes from which on they are used.
    pub releases: BTreeMap<u32, String>,
}

/// A check that an add-on brings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Stable name.
    pub name: String,
    /// What it proves.
    pub proves: String,
    /// Its script, run as root on the first controller.
    pub script: String,
    /// What to look at when it fails.
    pub hint: String,
}

/// An add-on that a topology wants.
#[derive(Clone, Debug)]
pub struct Used {
    /// Which one.
    pub addon: Arc<Addon>,
    /// Its parameters, those that nothing is said of among them.
    pub parameters: BTreeMap<String, Parameter>,
}

/// As templates see it: by its name.
impl Serialize for Used {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.addon.name)
    }
}

impl Used {
    /// The add-on with nothing said of it.
    pub fn plain(addon: &Arc<Addon>) -> Self {
        let known = |(name, rule): (&String, &Rule)| Some((name.clone(), rule.default.clone()?));
        let parameters = addon.parameters.iter().filter_map(known).collect();
        Self { addon: Arc::clone(addon), parameters }
    }
}

impl Images {
    /// The image that goes with a release of Kubernetes, registry and all.
    pub fn of(&self, version: Version) -> Option<String> {
        let newest = self.releases.range(..=version.minor).next_back();
        newest.map(|(_, image)| format!("{}/{image}", self.registry))
    }

    /// True for a name that one of its repositories ends with, whoever keeps the image and in which version.
    pub fn is_one(&self, name: &str) -> bool {
        let mut last = self.releases.values().map(|image| repository(image));
        last.any(|last| last == repository(name))
    }
}

fn is_manifest(file: &str) -> bool {
    file != DESCRIPTION && MANIFESTS.iter().any(|end| file.ends_with(end))
}

/// The last word of an image's repository: `traefik` of `docker.io/library/traefik:v3`.
fn repository(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}

impl Addon {
    /// The add-on of a folder with these files.
    ///
    /// # Errors
    /// What is wrong with the description, or which file is missing.
    pub fn of(name: &str, files: BTreeMap<String, String>) -> Result<Self, Flaw> {
        let mut addon = match files.get(DESCRIPTION) {
            Some(text) => serde_saphyr::from_str(text).map_err(|error| {
                let why = first_line(&error);
                let cure = format!("fields of {DESCRIPTION} are told by `lab help addons`");
                Flaw::new(format!("{DESCRIPTION} of the add-on '{name}': {why}"), cure)
            })?,
            None => Self::undescribed(name),
        };
        name.clone_into(&mut addon.name);
        addon.files = files;
        if addon.manifests.is_empty() {
            addon.manifests =
                addon.files.keys().filter(|file| is_manifest(file)).cloned().collect();
        }
        addon.flaw().map_or(Ok(addon), Err)
    }

    /// Which of a folder's files are the add-on's, by its description where it has one.
    pub fn own_files(description: Option<&str>, names: &[String]) -> Vec<String> {
        let described = match description.map(serde_saphyr::from_str::<Self>) {
            // What is wrong with it is told by whoever reads it.
            Some(Err(_)) => return vec![DESCRIPTION.to_owned()],
            Some(Ok(addon)) => addon,
            None => Self::undescribed(""),
        };
        let scripts = described.checks.iter().map(|check| &check.script);
        let named: Vec<&String> =
            described.manifests.iter().chain(described.texts.values()).chain(scripts).collect();
        let is_own = |name: &&String| {
            *name == DESCRIPTION
                || named.contains(name)
                || (described.manifests.is_empty() && is_manifest(name))
        };
        names.iter().filter(is_own).cloned().collect()
    }

    fn undescribed(name: &str) -> Self {
        Self {
            name: String::new(),
            files: BTreeMap::new(),
            is_shipped: false,
            title: name.to_owned(),
            why: String::new(),
            needs: Vec::new(),
            images: BTreeMap::new(),
            parameters: BTreeMap::new(),
            texts: BTreeMap::new(),
            manifests: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// What keeps it from being one.
    fn flaw(&self) -> Option<Flaw> {
        let name = &self.name;
        let of = |message: String, help: &str| {
            Some(Flaw::new(format!("the add-on '{name}' {message}"), help))
        };
        if self.manifests.is_empty() {
            return of("has no manifest".into(), "put the objects to apply into a file NAME.yaml");
        }
        let scripts = self.checks.iter().map(|check| &check.script);
        let named = self.manifests.iter().chain(self.texts.values()).chain(scripts);
        if let Some(missing) = named.into_iter().find(|file| !self.files.contains_key(*file)) {
            return of(format!("has no file '{missing}'"), "add it, or correct its name");
        }
        let names = self.checks.iter().map(|check| &check.name).chain(self.images.keys());
        for word in names.chain(&self.needs) {
            if let Err(flaw) = check_label(&format!("a name in '{name}'"), word, 40) {
                return Some(flaw);
            }
        }
        for (parameter, rule) in &self.parameters {
            if let Some(flaw) = rule.flaw(parameter) {
                return of(format!("has a parameter that cannot be: {}", flaw.message), &flaw.help);
            }
        }
        // Templates say what they are once they are rendered.
        for file in self.manifests.iter().filter(|file| !file.ends_with(TEMPLATE)) {
            let text = self.files.get(file).map(String::as_str).unwrap_or_default();
            if let Err(flaw) = Manifest::parse(text) {
                let message =
                    format!("has a file that cannot be applied: {file}: {}", flaw.message);
                return of(message, &flaw.help);
            }
        }
        None
    }

    /// The name under which one of its templates is rendered.
    pub fn template(&self, file: &str) -> String {
        format!("addons/{}/{file}", self.name)
    }
}

/// Every shipped add-on, by name.
pub fn all() -> &'static [Arc<Addon>] {
    &ALL
}

/// Names of all shipped add-ons.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// The shipped add-on of that name.
pub fn shipped(name: &str) -> Option<&'static Arc<Addon>> {
    ALL.iter().find(|addon| addon.name == name)
}

#[cfg(test)]
mod tests;
