//! A directory.

use std::sync::Arc;

use serde::Serialize;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::kind::{About, Kind, Lasting, wrong_owner};
use crate::model::Put;

/// A directory.
#[derive(Clone, Debug, Serialize)]
pub struct Directory {
    /// Absolute path.
    pub path: String,
    /// Octal permissions.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
}

impl Directory {
    /// What travels to the node.
    pub(crate) fn put(&self) -> Put {
        Put::Directory(self.path.clone(), self.mode, self.owner.clone())
    }
}

impl Kind for Directory {
    fn title(&self) -> String {
        format!("make directory {}", self.path)
    }

    /// Nothing under /run outlives a reboot, nor is to.
    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        (!self.path.starts_with("/run/")).then(|| Arc::new(self.clone()) as Arc<dyn Lasting>)
    }

    fn show(&self, _script: &str, _hint: &str) -> String {
        format!("mode {:o}, owner {}\n", self.mode, self.owner)
    }
}

impl Lasting for Directory {
    fn about(&self) -> About {
        About::Path(self.path.clone())
    }

    fn changed(&self, facts: &Facts) -> Option<String> {
        let Some(found) = facts.entries.get(&self.path) else {
            return Some(format!("{} is gone", self.path));
        };
        wrong_owner(&self.path, (self.mode, &self.owner), (&found.mode, &found.owner))
    }
}
