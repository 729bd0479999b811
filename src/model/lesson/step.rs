//! A step of a lesson: its text, what is broken, how it is judged, what helps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::flaw::Flaw;
use crate::model::lesson::Level;
use crate::model::name::check_label;

/// In place of a fault's name: one of those that fit, nobody knows which.
pub const ANY: &str = "any";

/// One step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Stable name.
    pub name: String,
    /// The file that the learner reads, in Markdown.
    pub text: String,
    /// What it is worth.
    #[serde(default = "ten")]
    pub points: u32,
    /// About how long it takes.
    #[serde(default)]
    pub minutes: Option<u32>,
    /// What is broken when it begins.
    #[serde(default, rename = "break")]
    pub broken: Option<Breakage>,
    /// What must hold when it is done, besides what its fault asks.
    #[serde(default)]
    pub verify: Vec<Question>,
    /// What must hold whatever the learner does.
    #[serde(default)]
    pub never: Vec<Question>,
    /// What helps, one after the other.
    #[serde(default)]
    pub hints: Vec<String>,
    /// Points that each hint costs.
    #[serde(default = "two")]
    pub cost: u32,
    /// What does it for the learner; that of its fault without a word.
    #[serde(default)]
    pub solve: Vec<Cure>,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            name: String::new(),
            text: String::new(),
            points: ten(),
            minutes: None,
            broken: None,
            verify: Vec::new(),
            never: Vec::new(),
            hints: Vec::new(),
            cost: two(),
            solve: Vec::new(),
        }
    }
}

fn ten() -> u32 {
    10
}

fn two() -> u32 {
    2
}

/// What is broken, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breakage {
    /// A shipped fault by its name, or [`ANY`].
    #[serde(default)]
    pub fault: Option<String>,
    /// A script of the lesson's own.
    #[serde(default)]
    pub script: Option<String>,
    /// A node, or a role; that of the fault without a word.
    #[serde(default)]
    pub on: Option<String>,
    /// With [`ANY`]: only faults of these layers.
    #[serde(default)]
    pub layers: Vec<String>,
    /// With [`ANY`]: only faults of these levels.
    #[serde(default)]
    pub levels: Vec<Level>,
}

/// Something that is asked of the lab.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// A check of `lab verify`, by its name, wherever it is made.
    #[serde(default)]
    pub check: Option<String>,
    /// All checks of a stage.
    #[serde(default)]
    pub stage: Option<String>,
    /// A script that succeeds where it holds.
    #[serde(default)]
    pub script: Option<String>,
    /// For a script: a node, or a role; the node that was broken without a word.
    #[serde(default)]
    pub on: Option<String>,
    /// For a script: what holds then, in the learner's words.
    #[serde(default)]
    pub says: Option<String>,
}

/// Something that puts it right.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cure {
    /// A stage that is carried out.
    #[serde(default)]
    pub stage: Option<String>,
    /// A script.
    #[serde(default)]
    pub script: Option<String>,
    /// A node, or a role. Without a word a script runs where the fault is, and a stage there, or, where nothing was
    /// broken, on all of its nodes.
    #[serde(default)]
    pub on: Option<String>,
}

impl Question {
    /// What is wrong with it, of a folder with these files.
    pub(super) fn flaw(&self, files: &BTreeMap<String, String>) -> Option<Flaw> {
        let said = [&self.check, &self.stage, &self.script].into_iter().flatten().count();
        let told = |message: &str, help: &str| Some(Flaw::new(message, help));
        match (said, &self.script, &self.says, &self.on) {
            (1, Some(script), Some(_), _) => missing(files, script),
            (1, Some(_), None, _) => told(
                "has a question that says nothing",
                "say in `says` what holds when the script succeeds",
            ),
            (1, None, None, None) => None,
            (1, None, ..) => told(
                "has a question with `on` or `says` that no script goes with",
                "checks and stages have their own places and words: leave them out",
            ),
            _ => told(
                "has a question that is none",
                "give each one of `check`, `stage` and `script`",
            ),
        }
    }
}

impl Cure {
    /// What is wrong with it, of a folder with these files.
    pub(super) fn flaw(&self, files: &BTreeMap<String, String>) -> Option<Flaw> {
        match (&self.stage, &self.script) {
            (Some(_), None) => None,
            (None, Some(script)) => missing(files, script),
            _ => Some(Flaw::new(
                "has a solution that is none",
                "give each one of `stage` and `script`",
            )),
        }
    }
}

fn missing(files: &BTreeMap<String, String>, file: &str) -> Option<Flaw> {
    let cure = "add it, or correct its name";
    (!files.contains_key(file)).then(|| Flaw::new(format!("has no file '{file}'"), cure))
}

impl Breakage {
    fn flaw(&self, files: &BTreeMap<String, String>) -> Option<Flaw> {
        let is_any = self.fault.as_deref() == Some(ANY);
        let told = |message: &str, help: &str| Some(Flaw::new(message, help));
        let chooses = !self.layers.is_empty() || !self.levels.is_empty();
        if chooses && !is_any {
            return told(
                "chooses among faults that it names",
                "`layers` and `levels` go with `fault: any`",
            );
        }
        match (&self.fault, &self.script) {
            (Some(_), None) if is_any && self.on.is_some() => told(
                "says where a fault is that nobody knows",
                "leave `on` out: each fault has its place",
            ),
            (Some(_), None) => None,
            (None, Some(_)) if self.on.is_none() => {
                told("breaks something nowhere", "say `on`: a node, or a role")
            }
            (None, Some(script)) => missing(files, script),
            _ => told("breaks nothing", "give `break` one of `fault` and `script`"),
        }
    }
}

impl Step {
    /// What is wrong with it, of a folder with these files.
    pub(super) fn flaw(&self, files: &BTreeMap<String, String>) -> Option<Flaw> {
        if let Err(flaw) = check_label("the name of a step", &self.name, 40) {
            return Some(Flaw::new(
                format!("has a step that cannot be: {}", flaw.message),
                flaw.help,
            ));
        }
        let of =
            |flaw: Flaw| Flaw::new(format!("{} (step '{}')", flaw.message, self.name), flaw.help);
        let has_fault = self.broken.as_ref().is_some_and(|broken| broken.fault.is_some());
        let all = missing(files, &self.text)
            .or_else(|| self.broken.as_ref().and_then(|broken| broken.flaw(files)))
            .or_else(|| self.verify.iter().chain(&self.never).find_map(|asked| asked.flaw(files)))
            .or_else(|| self.solve.iter().find_map(|cure| cure.flaw(files)));
        let all =
            all.or_else(|| match (has_fault, self.verify.is_empty(), self.solve.is_empty()) {
                (true, ..) | (_, false, false) => None,
                (_, true, _) => Some(Flaw::new("judges nothing", "say in `verify` what must hold")),
                (_, _, true) => Some(Flaw::new("has no way out", "say in `solve` what does it")),
            });
        all.map(of)
    }
}
