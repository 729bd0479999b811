//! Lessons: what a learner reads, what is broken for them, and how their work is judged. Each is a folder with
//! `lesson.yaml`: one of `lessons/`, or a person's own.

mod deal;
mod fault;
pub mod progress;
mod step;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::flaw::Flaw;
use crate::model::lab::Lab;
pub use crate::model::lesson::deal::{Asked, Dealt, Placed, Solution, deal};
pub use crate::model::lesson::fault::{FAULT, Fault, LAYERS, Need};
pub use crate::model::lesson::step::{ANY, Breakage, Cure, Question, Step};
use crate::model::name::check_label;

/// The folders of all shipped lessons, and that of the faults.
static LESSONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/lessons");

/// What describes a lesson, in its folder.
pub const DESCRIPTION: &str = "lesson.yaml";
/// The folder of the faults, beside the lessons.
const FAULTS: &str = "faults";
/// Where a lesson begins that needs nothing but machines.
pub const MACHINES: &str = "ssh";

/// The lesson of `lab lesson break`.
pub const BREAKAGE: &str = "breakage";

static ALL: LazyLock<Vec<Lesson>> = LazyLock::new(|| {
    let lessons = LESSONS.dirs().filter(|dir| dir.path().as_os_str() != FAULTS);
    lessons.filter_map(|dir| Lesson::of(name_of(dir), files_of(dir)).ok()).collect()
});

static ALL_FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let faults = LESSONS.get_dir(FAULTS).into_iter().flat_map(Dir::dirs);
    faults.filter_map(|dir| Fault::of(name_of(dir), files_of(dir)).ok()).collect()
});

/// How hard it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For the first day.
    Beginner,
    /// For who has built a cluster.
    Intermediate,
    /// For who has run one.
    Advanced,
}

impl Level {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Advanced => "advanced",
        }
    }
}

/// One lesson, as its folder says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Name of its folder.
    #[serde(skip)]
    pub name: String,
    /// Its files, text by name.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
    /// Name for people.
    pub title: String,
    /// How hard it is.
    pub level: Level,
    /// About how long it takes.
    pub minutes: u32,
    /// The lab that it is made for: a shipped topology, or a file beside it.
    pub topology: String,
    /// The last stage that is carried out before it begins, `ssh` for none; all of them without a word.
    #[serde(default)]
    pub start: Option<String>,
    /// Flavours of Kubernetes that it is for; all without a word.
    #[serde(default)]
    pub flavours: Vec<String>,
    /// What a lab must have for it.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

/// Every shipped lesson, by name.
pub fn all() -> &'static [Lesson] {
    &ALL
}

/// Every shipped fault, by name.
pub fn faults() -> &'static [Fault] {
    &ALL_FAULTS
}

/// The shipped lesson of that name.
pub fn shipped(name: &str) -> Option<&'static Lesson> {
    ALL.iter().find(|lesson| lesson.name == name)
}

/// The shipped fault of that name.
pub fn fault(name: &str) -> Option<&'static Fault> {
    ALL_FAULTS.iter().find(|fault| fault.name == name)
}

fn name_of(dir: &'static Dir<'static>) -> &'static str {
    dir.path().file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn files_of(dir: &Dir<'_>) -> BTreeMap<String, String> {
    let file = |file: &include_dir::File<'_>| {
        let name = file.path().file_name()?.to_str()?.to_owned();
        Some((name, file.contents_utf8()?.to_owned()))
    };
    dir.files().filter_map(file).collect()
}

/// Reads a description; `what` names whose it is.
fn read<'t, T: Deserialize<'t>>(text: &'t str, file: &str, name: &str) -> Result<T, Flaw> {
    serde_saphyr::from_str(text).map_err(|error| {
        let told = error.to_string();
        let why = told.lines().next().unwrap_or_default();
        Flaw::new(format!("{file} of '{name}': {why}"), "its fields are told by `lab help lessons`")
    })
}

impl Lesson {
    /// The lesson of a folder with these files.
    ///
    /// # Errors
    /// What is wrong with the description, or which file is missing.
    pub fn of(name: &str, files: BTreeMap<String, String>) -> Result<Self, Flaw> {
        let Some(text) = files.get(DESCRIPTION) else {
            let cure = format!("describe the lesson in a file {DESCRIPTION}");
            return Err(Flaw::new(format!("'{name}' is no lesson: it has no {DESCRIPTION}"), cure));
        };
        let mut lesson: Self = read(text, DESCRIPTION, name)?;
        name.clone_into(&mut lesson.name);
        lesson.files = files;
        lesson.flaw().map_or(Ok(lesson), Err)
    }

    /// A lesson of one step: something was broken, and is to be found.
    pub fn of_breakage(broken: Breakage) -> Self {
        let text = "found.md".to_owned();
        let files = BTreeMap::from([(text.clone(), include_str!("broken.md").to_owned())]);
        let step = Step { name: "find".into(), text, broken: Some(broken), ..Step::default() };
        Self {
            name: BREAKAGE.into(),
            files,
            title: "Something is broken".into(),
            level: Level::Intermediate,
            minutes: 15,
            topology: "three".into(),
            start: None,
            flavours: Vec::new(),
            needs: Vec::new(),
            steps: vec![step],
        }
    }

    /// What keeps it from being one.
    fn flaw(&self) -> Option<Flaw> {
        let of = |flaw: Flaw| {
            Flaw::new(format!("the lesson '{}' {}", self.name, flaw.message), flaw.help)
        };
        if let Err(flaw) = check_label("the name of a lesson", &self.name, 40) {
            return Some(flaw);
        }
        if self.steps.is_empty() {
            return Some(of(Flaw::new("has no step", "add one below `steps`")));
        }
        for (place, step) in self.steps.iter().enumerate() {
            if self.steps.iter().take(place).any(|before| before.name == step.name) {
                let message = format!("has two steps named '{}'", step.name);
                return Some(of(Flaw::new(message, "give each a name of its own")));
            }
            if let Some(flaw) = step.flaw(&self.files) {
                return Some(of(flaw));
            }
            let broken = step.broken.as_ref().and_then(|broken| broken.fault.as_deref());
            if let Some(name) = broken.filter(|name| *name != ANY && fault(name).is_none()) {
                let message = format!("breaks what is no fault: '{name}' (step '{}')", step.name);
                return Some(of(Flaw::new(message, "`lab lesson faults` lists them")));
            }
        }
        None
    }

    /// The text of one of its files.
    pub fn text(&self, file: &str) -> &str {
        self.files.get(file).map(String::as_str).unwrap_or_default()
    }

    /// Why it cannot be done in a lab, in words; `None` where it can.
    pub fn unfit(&self, lab: &Lab) -> Option<String> {
        let flavour = &lab.kubernetes.flavour;
        if !self.flavours.is_empty() && !self.flavours.contains(flavour) {
            let own = self.flavours.join(", ");
            return Some(format!("it is for the flavour {own}, and the lab is of {flavour}"));
        }
        Need::lacking(&self.needs, lab)
    }

    /// Which of a folder's files are the lesson's.
    pub fn own_files(names: &[String]) -> Vec<String> {
        let ends = [".md", ".sh"];
        let is_own =
            |name: &&String| *name == DESCRIPTION || ends.iter().any(|end| name.ends_with(end));
        names.iter().filter(is_own).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
