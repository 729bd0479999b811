//! How far a learner is: kept in the lab's directory, and read by whoever teaches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::flaw::Flaw;
use crate::model::lesson::{Breakage, Lesson, Step};

/// The file that it is kept in.
pub const FILE: &str = "lesson.json";
/// The folder of lessons that have ended.
pub const ENDED: &str = "lessons";
/// What this version writes.
pub const FORMAT: u32 = 1;

/// A lesson that is being done. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Version of the file.
    pub format: u32,
    /// Name of the lesson.
    pub lesson: String,
    /// Its files, text by name: whatever becomes of its folder.
    pub files: BTreeMap<String, String>,
    /// True where it made the snapshot to which its steps are reset.
    #[serde(default)]
    pub has_snapshot: bool,
    /// What random faults follow from.
    pub seed: u64,
    /// When it began.
    pub started: i64,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<i64>,
    /// Which step is being done; as many as there are once all are.
    pub at: usize,
    /// True while something is broken on purpose.
    pub is_broken: bool,
    /// What was broken because somebody asked for that.
    #[serde(default)]
    pub by_hand: Option<Breakage>,
    /// What came of each step.
    pub steps: Vec<Record>,
}

/// What came of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub step: String,
    /// When it began: once what was broken was seen.
    #[serde(default)]
    pub began: Option<i64>,
    /// When everything held.
    #[serde(default)]
    pub done: Option<i64>,
    /// How often it was judged.
    pub tries: u32,
    /// Hints that were given.
    pub hints: usize,
    /// True where it was done for the learner.
    pub is_solved: bool,
    /// True where something was lost that never may be.
    #[serde(default)]
    pub is_lost: bool,
}

impl Progress {
    /// At the beginning of a lesson.
    pub fn new(lesson: &Lesson, seed: u64, now: i64) -> Self {
        let record = |step: &Step| Record { step: step.name.clone(), ..Record::default() };
        Self {
            format: FORMAT,
            lesson: lesson.name.clone(),
            files: lesson.files.clone(),
            has_snapshot: false,
            seed,
            started: now,
            ended: None,
            at: 0,
            is_broken: false,
            by_hand: None,
            steps: lesson.steps.iter().map(record).collect(),
        }
    }

    /// The lesson that it is of.
    ///
    /// # Errors
    /// When this version can no longer read it.
    pub fn taught(&self) -> Result<Lesson, Flaw> {
        match &self.by_hand {
            Some(broken) => Ok(Lesson::of_breakage(broken.clone())),
            None => Lesson::of(&self.lesson, self.files.clone()),
        }
    }

    /// The step that is being done.
    pub fn record(&mut self) -> Option<&mut Record> {
        self.steps.get_mut(self.at)
    }

    /// Points of a step, and how many it may bring.
    pub fn points(&self, lesson: &Lesson, place: usize) -> (u32, u32) {
        let (Some(step), Some(record)) = (lesson.steps.get(place), self.steps.get(place)) else {
            return (0, 0);
        };
        let hints = u32::try_from(record.hints).unwrap_or(u32::MAX);
        let cost = hints.saturating_mul(step.cost);
        let got = match record.done {
            Some(_) if !record.is_solved && !record.is_lost => step.points.saturating_sub(cost),
            _ => 0,
        };
        (got, step.points)
    }

    /// Points of all steps, and how many there are.
    pub fn score(&self, lesson: &Lesson) -> (u32, u32) {
        let all = (0..lesson.steps.len()).map(|place| self.points(lesson, place));
        all.fold((0, 0), |(got, most), (one, of)| {
            (got.saturating_add(one), most.saturating_add(of))
        })
    }

    /// True once every step is done.
    pub fn is_over(&self, lesson: &Lesson) -> bool {
        self.at >= lesson.steps.len()
    }
}
