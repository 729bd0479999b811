//! The version of a program of Kubernetes, as the program itself says it.

use minijinja::context;

use crate::render::{RenderError, Templates};

/// Script that prints it as `kubernetes=`. What was said once is remembered until the node is started
/// again: to start the program costs an emulated node seconds.
pub(crate) fn script(templates: &Templates, binary: &str) -> Result<String, RenderError> {
    templates.render("stages/version.sh.j2", &context! { binary })
}
