//! A binary from the artifact disk, linked to where it is expected.

use std::sync::Arc;

use serde::Serialize;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::kind::{About, Kind, Lasting};
use crate::render::{RenderError, Templates};

/// Where the binaries of the artifact disk are on a node.
const FOLDER: &str = "/opt/lab/bin";

/// A binary from the artifact disk, linked to where it is expected.
#[derive(Clone, Debug, Serialize)]
pub struct Binary {
    /// File name on the disk.
    pub name: String,
    /// Absolute path of the link.
    pub path: String,
    /// The Kubernetes it is of, where it is of one: another one is another step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Binary {
    fn target(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }
}

/// Links all of them.
pub(crate) fn script(templates: &Templates, binaries: &[&Binary]) -> Result<String, RenderError> {
    #[derive(Serialize)]
    struct Data<'a> {
        links: Vec<(String, &'a str)>,
    }
    let links = binaries.iter().map(|binary| (binary.target(), binary.path.as_str())).collect();
    templates.render("stages/step/binary.sh.j2", &Data { links })
}

/// What there is to link to.
pub(crate) fn hint() -> String {
    format!("ls -l {FOLDER}")
}

impl Kind for Binary {
    fn title(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" {version}"));
        let version = version.unwrap_or_default();
        format!("link {} to {}{version} on the artifact disk", self.path, self.name)
    }

    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        Some(Arc::new(self.clone()))
    }
}

impl Lasting for Binary {
    fn about(&self) -> About {
        About::Path(self.path.clone())
    }

    fn changed(&self, facts: &Facts) -> Option<String> {
        let (path, target) = (&self.path, self.target());
        match facts.entries.get(path) {
            None => Some(format!("{path} is gone")),
            Some(found) if found.target.as_ref() == Some(&target) => None,
            Some(_) => Some(format!("{path} no longer leads to {target}")),
        }
    }
}
