//! A whole file.

use std::sync::Arc;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::kind::{About, Kind, Lasting, indented, wrong_owner};
use crate::model::{File, Put};
use crate::render::sha256;

/// What travels to the node.
pub(crate) fn put(file: &File) -> Put {
    Put::File(file.clone())
}

impl Kind for File {
    fn title(&self) -> String {
        format!("write {}", self.path)
    }

    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        let File { path, mode, owner, content, .. } = self;
        let (path, mode, owner) = (path.clone(), *mode, owner.clone());
        let left = || Arc::new(Left { path, mode, owner, sum: sha256(content) });
        (!self.transient).then(|| left() as Arc<dyn Lasting>)
    }

    fn is_transient(&self) -> bool {
        self.transient
    }

    fn show(&self, _script: &str, _hint: &str) -> String {
        let unless = self.unless.iter().map(|condition| format!("not sent if: {condition}\n"));
        let unless: String = unless.collect();
        format!("mode {:o}, owner {}\n{unless}{}", self.mode, self.owner, indented(&self.content))
    }
}

/// A file as it was written; of its content, which may be a secret, only the sum is kept.
#[derive(Debug)]
struct Left {
    path: String,
    mode: u32,
    owner: String,
    /// Hex sha256.
    sum: String,
}

impl Lasting for Left {
    fn about(&self) -> About {
        About::Path(self.path.clone())
    }

    fn has_content(&self) -> bool {
        true
    }

    fn changed(&self, facts: &Facts) -> Option<String> {
        let Some(found) = facts.entries.get(&self.path) else {
            return Some(format!("{} is gone", self.path));
        };
        let owner = wrong_owner(&self.path, (self.mode, &self.owner), (&found.mode, &found.owner));
        let content = || format!("{} was changed", self.path);
        owner.or_else(|| (found.sum.as_ref() != Some(&self.sum)).then(content))
    }
}
