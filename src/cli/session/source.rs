//! A topology as it was found.

use std::path::PathBuf;

/// A topology's text and where it came from.
#[derive(Debug)]
pub(crate) struct Source {
    /// Text.
    pub text: String,
    /// Name for messages.
    pub shown: String,
    /// Folder that its relative paths start from.
    pub base: PathBuf,
    /// Folder of the file, when it is one of a person's own: where its lab belongs.
    pub home: Option<PathBuf>,
    /// It is that of a lab that exists, as it was made.
    pub is_of_lab: bool,
}
