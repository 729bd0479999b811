//! How errors end the program: text, hint and exit code, in one place.

use std::process::ExitCode;

use super::output::{complain, paint};
use crate::drivers::store::{Holder, StoreError};
use crate::engine::EngineError;

/// Something failed.
pub(super) const FAILED: u8 = 1;
/// The command line, the topology or the surroundings do not allow it; nothing was changed.
pub(super) const USAGE: u8 = 2;
/// `plan --detailed-exitcode` found changes.
pub(super) const CHANGES: u8 = 3;
/// Another run holds the lab.
pub(super) const BUSY: u8 = 75;
/// Interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Failure {
    /// What failed; empty when everything was said already.
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Something that was tried and failed; `what` fits after "failed to".
    pub fn failed(what: impl Into<String>) -> Self {
        Self { message: format!("failed to {}", what.into()), hint: None, code: FAILED }
    }

    /// A mistake in what was typed.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: USAGE }
    }

    /// Everything was said already.
    pub fn silent(code: u8) -> Self {
        Self { message: String::new(), hint: None, code }
    }

    /// Another run has the lab.
    pub fn busy(lab: &str, holder: Option<Holder>) -> Self {
        let who = holder.map_or_else(
            || "another run holds it".to_owned(),
            |h| format!("`{}` (process {}) holds it since {}", h.command, h.pid, h.since),
        );
        Self {
            message: format!("the lab '{lab}' is busy: {who}"),
            hint: Some("wait for it to end, or end it".into()),
            code: BUSY,
        }
    }

    /// The same failure with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints itself; the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            complain(&format!("{}: {}", paint("1;31", "error"), self.message));
        }
        if let Some(hint) = &self.hint {
            complain(&format!("  {}: {hint}", paint("1;36", "help")));
        }
        ExitCode::from(self.code)
    }
}

/// How a run ended, for its log.
pub(super) fn outcome(error: &EngineError) -> &'static str {
    if error.preflight || error.asks { "refused" } else { "failed" }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let code = if error.preflight { USAGE } else { FAILED };
        Self { message: format!("failed to {error}"), hint: error.hint, code }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error.to_string())
    }
}
