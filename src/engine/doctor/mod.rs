//! `doctor`: what on this computer keeps labs from running, or running well, and the exact cure.
//! [`survey`] reads the facts and changes nothing; [`diagnose`] judges them and reads nothing.

mod computer;
mod rules;
mod survey;

pub use computer::{Computer, Device, Libvirt, Setting, Wanted, WantedNetwork};
pub use rules::diagnose;
pub use survey::{survey, wanted};

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it should be.
    Good,
    /// Labs run, but slower or with less than they could.
    Warning,
    /// Labs do not run.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name.
    pub name: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What it is needed for.
    pub why: &'static str,
    /// What mends it, for people.
    pub fix: Option<String>,
    /// Programs with arguments that mend it and harm nothing; run by `doctor --fix`.
    pub commands: Vec<Vec<String>>,
}

impl Finding {
    fn new(name: &'static str, why: &'static str, grade: Grade, found: impl Into<String>) -> Self {
        Self { name, grade, found: found.into(), why, fix: None, commands: Vec::new() }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// A cure that is this one command.
    fn command(self, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Self { fix: Some(format!("sudo {}", words.join(" "))), commands: vec![words], ..self }
    }

    /// What is to be done, or known, after the cure.
    fn then(self, remark: &str) -> Self {
        let fix = self.fix.map(|fix| format!("{fix} ({remark})"));
        Self { fix, ..self }
    }
}
