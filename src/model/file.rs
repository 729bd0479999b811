//! Files and directories on a node, as stages make them and drivers put them there.

use serde::Serialize;

/// A whole file on a node.
#[derive(Clone, Serialize)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// Octal permissions.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
    /// Content.
    pub content: String,
    /// Never shown.
    pub secret: bool,
    /// Made anew on every run and removed by a later step; left out of the fingerprint.
    pub transient: bool,
    /// Shell condition under which it is not needed, and not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
}

/// Something to put on a node.
#[derive(Clone, Debug)]
pub enum Put {
    /// A directory: path, octal mode, owner.
    Directory(String, u32, String),
    /// A file.
    File(File),
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({} {:o} {} {} bytes)", self.path, self.mode, self.owner, self.content.len())
    }
}
