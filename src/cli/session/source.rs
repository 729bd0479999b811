//! A topology as it was found.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::drivers::state::topology_file::Unread;
use crate::model::code;

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

/// Why a topology could not be read, for a person.
pub(super) fn unread(file: &Path, why: &Unread) -> Failure {
    let failed = |why: &str| format!("cannot read the topology {}: {why}", file.display());
    match why {
        Unread::Io(error) => Failure::usage(failed(&error.to_string())).code(&code::NO_TOPOLOGY),
        Unread::NoText(flaw) => {
            Failure::usage(failed(&flaw.message)).code(&code::NO_TEXT).hint(flaw.help.clone())
        }
    }
}
