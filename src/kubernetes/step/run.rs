//! A script; the only untyped step.

use serde::Serialize;

use crate::kubernetes::step::kind::Kind;

/// A script; the only untyped step.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What it does, for people.
    pub title: String,
    /// Shell condition under which there is nothing to do.
    pub unless: Option<String>,
    /// POSIX shell, run as root with `set -eu`.
    pub script: String,
    /// Matters only the first time; left out of the fingerprint.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub transient: bool,
}

impl Run {
    /// The script, which ends at once where there is nothing to do.
    pub(crate) fn script(&self) -> String {
        match &self.unless {
            Some(condition) => format!("if {condition}; then exit 0; fi\n{}", self.script),
            None => self.script.clone(),
        }
    }
}

impl Kind for Run {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn is_transient(&self) -> bool {
        self.transient
    }
}
