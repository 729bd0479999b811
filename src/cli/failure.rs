//! How errors end the program: text, hint and exit code, in one place.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::output::{info, paint, print_failure};
use crate::drivers::assets::error::AssetError;
use crate::drivers::state::{Holder, StoreError};
use crate::engine::EngineError;
use crate::model::code::{self, Code};
pub(super) use crate::model::exit::{BUSY, CHANGES, FAILED, INTERRUPTED, USAGE};

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Failure {
    /// What failed; empty when everything was said already.
    message: String,
    hint: Option<String>,
    code: &'static Code,
    exit: u8,
}

impl Failure {
    /// Something that was tried and failed; `what` fits after "failed to".
    pub fn failed(what: impl Into<String>) -> Self {
        let message = format!("failed to {}", what.into());
        Self { message, hint: None, code: &code::COMPUTER, exit: FAILED }
    }

    /// A mistake in what was typed.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: &code::USAGE, exit: USAGE }
    }

    /// Something of a name that is not there.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::usage(message).code(&code::NO_SUCH)
    }

    /// Everything was said already.
    pub fn silent(exit: u8) -> Self {
        Self { message: String::new(), hint: None, code: &code::INTERNAL, exit }
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
            code: &code::BUSY,
            exit: BUSY,
        }
    }

    /// The same failure as one of another kind.
    pub fn code(mut self, code: &'static Code) -> Self {
        self.code = code;
        self
    }

    /// The same failure with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints itself for programs, where nothing else was printed for them.
    pub fn print(&self) {
        if self.message.is_empty() {
            return;
        }
        let (code, message, hint) = (self.code.id, &self.message, &self.hint);
        print_failure(&json!({"error": {"code": code, "message": message, "help": hint}}));
    }

    /// Says itself; the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            let error = paint("1;31", &format!("error[{}]", self.code.id));
            info(&format!("{error}: {}", self.message));
        }
        if let Some(hint) = &self.hint {
            info(&format!("  {}: {hint}", paint("1;36", "help")));
        }
        ExitCode::from(self.exit)
    }
}

/// How a run ended, for its log.
pub(super) fn outcome(error: &EngineError) -> &'static str {
    if error.preflight || error.asks { "refused" } else { "failed" }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let exit = if error.preflight { USAGE } else { FAILED };
        Self { message: format!("failed to {error}"), hint: error.hint, code: error.code, exit }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::failed(error.to_string()).code(error.code);
        Self { hint: error.hint, ..failure }
    }
}

impl From<AssetError> for Failure {
    fn from(error: AssetError) -> Self {
        Self::failed(error.to_string()).code(error.code())
    }
}
