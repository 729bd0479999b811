//! What a person gives cloud-init besides what lab writes itself: cloud-config, and scripts.

mod document;
mod meaning;

pub use document::{Document, Key};
pub use meaning::{Meaning, meaning};

use serde::{Serialize, Serializer};

/// cloud-config and scripts of a person's own, for one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserData {
    /// Keys of cloud-config and what they hold, in the order they were written.
    pub config: Vec<(Key, Document)>,
    /// Scripts with their `#!` line, as they were written; they run once, in this order, when all else is done.
    pub scripts: Vec<String>,
}

impl UserData {
    /// True where nothing is given.
    pub fn is_empty(&self) -> bool {
        self.config.is_empty() && self.scripts.is_empty()
    }

    /// Adds what `other` says: its scripts come later, its lists are appended, its mappings merged, and for all
    /// else it counts.
    pub fn add(&mut self, other: &UserData) {
        document::merge(&mut self.config, &other.config);
        self.scripts.extend(other.scripts.iter().cloned());
    }
}

/// True for a text whose beginning says that it is cloud-config or a script.
pub fn is_for_cloud_init(text: &str) -> bool {
    ["#!", "#cloud-config"].iter().any(|mark| text.starts_with(mark))
}

/// As it is compared: labs that were made before scripts could be said stay what they are.
impl Serialize for UserData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = document::Compared(&self.config);
        match self.scripts.is_empty() {
            true => config.serialize(serializer),
            false => (config, &self.scripts).serialize(serializer),
        }
    }
}
