//! What goes wrong with a lab's own files.

use std::io;
use std::path::Path;

use crate::model::code::{self, Code};

/// A lab's files could not be read or written.
#[derive(Debug)]
pub struct StoreError {
    /// Which kind of error it is.
    pub code: &'static Code,
    /// What was being done.
    pub doing: String,
    /// What went wrong.
    pub reason: String,
    /// The cure, when it is known.
    pub hint: Option<String>,
}

impl StoreError {
    /// An error of the usual kind, without a cure.
    pub fn new(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code: &code::FILES, doing: doing.into(), reason: reason.into(), hint: None }
    }

    /// A secret of the lab is damaged or gone: it is never made anew behind anybody's back.
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self {
            code: &code::CERTIFICATES,
            hint: Some(
                "put the file back, or `lab certs restore FILE` with what `lab certs backup` wrote; \
                 without either, `lab down` and `lab up` begin anew"
                    .into(),
            ),
            ..Self::new(format!("read {}", path.display()), reason)
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.reason)
    }
}

impl std::error::Error for StoreError {}

/// What the file system said while `doing` something with `path`.
pub(super) fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let doing = format!("{doing} {}", path.display());
    move |error| StoreError { code: code_of(&error), ..StoreError::new(doing, error.to_string()) }
}

/// A full disk is an error of its own: its cure is another.
fn code_of(error: &io::Error) -> &'static Code {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => &code::DISK_FULL,
        _ => &code::FILES,
    }
}
