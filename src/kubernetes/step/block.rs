//! A fenced block in a file that others own, too.

use std::sync::Arc;

use serde::Serialize;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::kind::{About, Kind, Lasting};
use crate::render::{RenderError, Templates};

/// A fenced block in a file that others own, too.
#[derive(Clone, Debug, Serialize)]
pub struct Block {
    /// Absolute path.
    pub path: String,
    /// Lines between the fences.
    pub content: String,
}

/// The fences, as the script writes them.
const FENCES: [&str; 2] = ["# BEGIN lab", "# END lab"];

impl Block {
    /// Replaces the fenced block; everything outside the fences stays as it is.
    pub(crate) fn script(&self, templates: &Templates) -> Result<String, RenderError> {
        templates.render("stages/step/block.sh.j2", self)
    }
}

impl Kind for Block {
    fn title(&self) -> String {
        format!("keep a block in {}", self.path)
    }

    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        Some(Arc::new(self.clone()))
    }
}

impl Lasting for Block {
    fn about(&self) -> About {
        About::Block(self.path.clone())
    }

    fn changed(&self, facts: &Facts) -> Option<String> {
        let inside = |lines: &Vec<String>| {
            let lines = lines.iter().filter(|line| !FENCES.contains(&line.as_str()));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        let found = facts.blocks.get(&self.path).map(inside);
        let is_so = found.as_ref() == Some(&self.content);
        (!is_so).then(|| format!("lab's lines in {} were changed", self.path))
    }
}
