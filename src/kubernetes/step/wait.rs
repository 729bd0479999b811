//! A condition that comes true by itself.

use minijinja::Value;
use serde::Serialize;

use crate::kubernetes::step::kind::{Kind, indented};
use crate::render::{RenderError, Templates};

/// Seconds that the script asks before it lets itself be stopped.
pub const SPELL: u64 = 10;

/// A condition that comes true by itself.
#[derive(Clone, Debug, Serialize)]
pub struct Wait {
    /// What is waited for.
    pub title: String,
    /// Shell command that succeeds once it is true.
    pub probe: String,
    /// Seconds it may take.
    pub timeout: u64,
    /// Command whose output explains a failure.
    pub hint: String,
    /// Done without when it does not come true, with a warning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl Wait {
    /// Asks until the probe succeeds, for short spells, so that a request to stop is heard in between. Rests
    /// twice as long as the question took: many nodes that wait must not slow down those they wait for.
    pub(crate) fn script(&self, templates: &Templates) -> Result<String, RenderError> {
        #[derive(Serialize)]
        struct Data {
            spell: u64,
            probe: Value,
        }
        // A command of a stage's, which has put into it what a topology says through its own net.
        let probe = Value::from_safe_string(self.probe.clone());
        templates.render("stages/step/wait.sh.j2", &Data { spell: SPELL, probe })
    }
}

impl Kind for Wait {
    fn title(&self) -> String {
        format!("wait until {}", self.title)
    }

    fn show(&self, script: &str, hint: &str) -> String {
        let otherwise = if self.optional { "done without if not; " } else { "" };
        format!(
            "{otherwise}at most {} s, {SPELL} s at a time, until this succeeds:\n{}if not, look at: {hint}\n",
            self.timeout,
            indented(script)
        )
    }
}
