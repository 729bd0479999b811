//! What a step means for a lab: which fault, on which node, what is asked, what helps.

use sha2::{Digest, Sha256};

use crate::model::flaw::Flaw;
use crate::model::lesson::fault::Fault;
use crate::model::lesson::step::{ANY, Cure, Question, Step};
use crate::model::lesson::{Lesson, fault, faults};
use crate::model::{Lab, Node, Role};

/// A script, and the node that it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Shell.
    pub script: String,
    /// Name of the node.
    pub node: String,
}

/// Something that is asked, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A check of `lab verify`, by its name.
    Check(String),
    /// All checks of a stage.
    Stage(String),
    /// A script, and what holds where it succeeds.
    Script(Placed, String),
}

/// Something that puts it right, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Solution {
    /// A stage on one node, or on all that have it.
    Stage(String, Option<String>),
    /// A script.
    Script(Placed),
}

/// A step, as it is for one lab.
#[derive(Clone, Debug)]
pub struct Dealt {
    /// The fault, where it is a shipped one.
    pub fault: Option<&'static Fault>,
    /// What breaks it.
    pub broken: Option<Placed>,
    /// What must hold when it is done.
    pub verify: Vec<Asked>,
    /// Those of them by which its fault is seen.
    pub seen: Vec<Asked>,
    /// What must hold whatever happens.
    pub never: Vec<Asked>,
    /// What helps.
    pub hints: Vec<String>,
    /// What does it.
    pub solve: Vec<Solution>,
}

/// A number below `count` that follows from a seed and a word.
fn chosen(seed: u64, word: &str, count: usize) -> usize {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(word).finalize();
    let number = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    usize::try_from(number % (count.max(1) as u64)).unwrap_or_default()
}

/// Those of the shipped faults that a step may have.
fn fitting(lab: &Lab, step: &Step) -> Vec<&'static Fault> {
    let Some(broken) = &step.broken else { return Vec::new() };
    let is_one = |fault: &&Fault| {
        fault.unfit(lab).is_none()
            && (broken.layers.is_empty() || broken.layers.contains(&fault.layer))
            && (broken.levels.is_empty() || broken.levels.contains(&fault.level))
    };
    faults().iter().filter(is_one).collect()
}

/// The faults of a lesson's steps: of those that are not named none comes twice, as far as there are enough.
fn faults_of(lesson: &Lesson, lab: &Lab, seed: u64) -> Vec<Option<&'static Fault>> {
    let mut all: Vec<Option<&'static Fault>> = Vec::new();
    for step in &lesson.steps {
        let named = step.broken.as_ref().and_then(|broken| broken.fault.as_deref());
        let one = match named {
            Some(ANY) => {
                let fitting = fitting(lab, step);
                let was =
                    |one: &&'static Fault| all.iter().flatten().any(|fault| fault.name == one.name);
                let fresh: Vec<_> = fitting.iter().copied().filter(|one| !was(one)).collect();
                let among = if fresh.is_empty() { fitting } else { fresh };
                among.get(chosen(seed, &step.name, among.len())).copied()
            }
            named => named.and_then(fault),
        };
        all.push(one);
    }
    all
}

/// A node by its name, or one of those with a role.
fn node<'l>(lab: &'l Lab, word: &str, seed: u64, step: &str) -> Result<&'l Node, Flaw> {
    if let Some(node) = lab.node(word) {
        return Ok(node);
    }
    let all: Vec<&Node> =
        Role::parse(word).into_iter().flat_map(|role| lab.with_role(role)).collect();
    all.get(chosen(seed, step, all.len())).copied().ok_or_else(|| {
        let cure = "the lesson wants a topology with such a node";
        Flaw::new(format!("the lab '{}' has no node and no role '{word}'", lab.name), cure)
    })
}

/// Gives out step `place` of a lesson for a lab; the same for the same seed.
///
/// # Errors
/// What the lab does not have.
pub fn deal(lesson: &Lesson, place: usize, lab: &Lab, seed: u64) -> Result<Dealt, Flaw> {
    let step = lesson.steps.get(place).ok_or_else(|| {
        Flaw::new(
            format!("the lesson '{}' has no step {}", lesson.name, place + 1),
            "`lab lesson show` lists them",
        )
    })?;
    let fault = faults_of(lesson, lab, seed).get(place).copied().flatten();
    let breakage = step.broken.as_ref();
    if fault.is_none() && breakage.is_some_and(|broken| broken.fault.is_some()) {
        let cure = "`lab lesson faults` lists them all; name one, or fewer conditions";
        return Err(Flaw::new(format!("no fault fits the step '{}' in this lab", step.name), cure));
    }
    if let Some((fault, why)) = fault.and_then(|fault| Some((fault, fault.unfit(lab)?))) {
        let message =
            format!("the fault '{}' cannot be in the lab '{}': {why}", fault.name, lab.name);
        return Err(Flaw::new(message, "take another fault, or another lab"));
    }
    let word = breakage.and_then(|broken| broken.on.as_deref());
    let at = match word.or(fault.map(|fault| fault.on.as_str())) {
        Some(word) => Some(node(lab, word, seed, &step.name)?.name.clone()),
        None => None,
    };
    if let Some((fault, node)) = fault.zip(at.as_deref().and_then(|name| lab.node(name)))
        && !fault.role().is_some_and(|role| node.is(role))
    {
        let message = format!(
            "the fault '{}' is not one of {}: it is of the role {}",
            fault.name, node.name, fault.on
        );
        return Err(Flaw::new(message, format!("name a node with the role {}, or none", fault.on)));
    }
    let own = breakage.and_then(|broken| broken.script.as_deref()).map(|file| lesson.text(file));
    let script = fault.map(Fault::script).or(own);
    let broken = script.zip(at.clone()).map(|(text, node)| Placed { script: text.into(), node });
    let hand = Hand { lab, at: at.as_deref(), seed, step: &step.name };
    let mut verify = hand.asked(&step.verify, &|file| lesson.text(file))?;
    let mut seen = Vec::new();
    let mut hints = step.hints.clone();
    let mut solve = hand.solutions(&step.solve, &|file| lesson.text(file))?;
    if let Some(fault) = fault {
        let text = |file: &str| fault.files.get(file).map(String::as_str).unwrap_or_default();
        seen.extend(fault.fails.iter().cloned().map(Asked::Check));
        seen.extend(hand.asked(&fault.verify, &text)?);
        verify.extend(seen.iter().cloned());
        if hints.is_empty() {
            hints.clone_from(&fault.hints);
        }
        if solve.is_empty() {
            solve = hand.solutions(&fault.solve, &text)?;
        }
    }
    let never = hand.asked(&step.never, &|file| lesson.text(file))?;
    Ok(Dealt { fault, broken, verify, seen, never, hints, solve })
}

/// What places of a step are found by.
struct Hand<'a> {
    lab: &'a Lab,
    at: Option<&'a str>,
    seed: u64,
    step: &'a str,
}

/// The text of a file, by its name.
type Text<'t> = &'t dyn Fn(&str) -> &'t str;

impl Hand<'_> {
    fn placed(&self, text: &str, on: Option<&str>) -> Result<Placed, Flaw> {
        let node = match (on, self.at) {
            (Some(word), _) => node(self.lab, word, self.seed, self.step)?.name.clone(),
            (None, Some(node)) => node.to_owned(),
            (None, None) => {
                let message = format!("a script of the step '{}' has no place", self.step);
                return Err(Flaw::new(message, "say `on`: a node, or a role"));
            }
        };
        Ok(Placed { script: text.to_owned(), node })
    }

    fn asked(&self, questions: &[Question], text: Text<'_>) -> Result<Vec<Asked>, Flaw> {
        let one = |question: &Question| match (&question.check, &question.stage, &question.script) {
            (Some(check), ..) => Ok(Asked::Check(check.clone())),
            (_, Some(stage), _) => Ok(Asked::Stage(stage.clone())),
            (.., script) => {
                let text = text(script.as_deref().unwrap_or_default());
                let says = question.says.clone().unwrap_or_default();
                Ok(Asked::Script(self.placed(text, question.on.as_deref())?, says))
            }
        };
        questions.iter().map(one).collect()
    }

    fn solutions(&self, cures: &[Cure], text: Text<'_>) -> Result<Vec<Solution>, Flaw> {
        let one = |cure: &Cure| match (&cure.stage, &cure.script) {
            (Some(stage), _) => {
                let named =
                    cure.on.as_deref().map(|word| node(self.lab, word, self.seed, self.step));
                let named = named.transpose()?.map(|node| node.name.clone());
                Ok(Solution::Stage(stage.clone(), named.or_else(|| self.at.map(str::to_owned))))
            }
            (None, script) => {
                let text = text(script.as_deref().unwrap_or_default());
                Ok(Solution::Script(self.placed(text, cure.on.as_deref())?))
            }
        };
        cures.iter().map(one).collect()
    }
}
