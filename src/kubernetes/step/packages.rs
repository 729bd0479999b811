//! Packages that must be installed.

use serde::Serialize;

use crate::kubernetes::step::kind::Kind;
use crate::render::{RenderError, Templates};

/// Packages that must be installed.
#[derive(Clone, Debug, Serialize)]
pub struct Packages {
    /// Names in the node's own package family.
    pub names: Vec<String>,
}

impl Kind for Packages {
    fn title(&self) -> String {
        format!("install packages {}", self.names.join(", "))
    }
}

impl Packages {
    /// Installs what is missing.
    pub(crate) fn script(&self, templates: &Templates) -> Result<String, RenderError> {
        templates.render("stages/step/packages.sh.j2", self)
    }
}
