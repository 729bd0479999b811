//! The lesson that is being done in a lab: found, remembered, and taken up again.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::output::agrees;
use crate::drivers::state::{Store, lesson_folder};
use crate::engine::Session;
use crate::model::lesson::progress::{ENDED, FILE, FORMAT, Progress};
use crate::model::lesson::{self, ANY, Breakage, Dealt, Lesson};
use crate::model::near::nearest;
use crate::model::{Flaw, code};

/// A lesson that is being done.
pub(crate) struct Course {
    pub lesson: Lesson,
    pub progress: Progress,
}

/// What is wrong with a lesson.
pub(crate) fn bad(flaw: Flaw) -> Failure {
    Failure::usage(flaw.message).code(&code::BAD_LESSON).hint(flaw.help)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// The lesson of a name, or of a folder.
pub(crate) fn found(name: &str) -> Result<Lesson, Failure> {
    if let Some(lesson) = lesson::shipped(name) {
        return Ok(lesson.clone());
    }
    if name.contains('/') || Path::new(name).is_dir() {
        return lesson_folder::read(Path::new(name)).map_err(bad);
    }
    let names = || lesson::all().iter().map(|lesson| lesson.name.as_str());
    let failure = Failure::unknown(format!("there is no lesson '{name}'"));
    Err(match nearest(name, names()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("there are: {}", names().collect::<Vec<_>>().join(", "))),
    })
}

/// What is remembered of a lesson in a lab, where there is one.
pub(crate) fn progress(store: &Store) -> Result<Option<Progress>, Failure> {
    remembered(store, FILE)
}

/// What came of the lessons of a lab that have ended, the oldest first.
pub(crate) fn ended(store: &Store) -> Result<Vec<Progress>, Failure> {
    let mut all = Vec::new();
    for name in store.names(ENDED)? {
        all.extend(remembered(store, &format!("{ENDED}/{name}"))?);
    }
    Ok(all)
}

fn remembered(store: &Store, file: &str) -> Result<Option<Progress>, Failure> {
    let Some(text) = store.read(file)? else { return Ok(None) };
    let read: Result<Progress, _> = serde_json::from_str(&text);
    match read {
        Ok(progress) if progress.format == FORMAT => Ok(Some(progress)),
        _ => Err(Failure::usage(format!(
            "{} was written by another version of lab",
            store.path(file).display()
        ))
        .code(&code::FILES)
        .hint("that version ends it: `lab lesson stop`")),
    }
}

/// Refuses to begin where a lesson is going on.
pub(crate) fn refuse_two(session: &Session) -> Result<(), Failure> {
    match progress(&session.store)? {
        None => Ok(()),
        Some(progress) => Err(Failure::usage(format!(
            "the lesson '{}' is going on in the lab '{}'",
            progress.lesson, session.lab.name
        ))
        .code(&code::LESSON)
        .hint("`lab lesson status` shows its step, `lab lesson stop` ends it")),
    }
}

/// Refuses to do what a lesson asks of its learner, unless somebody agrees to it; then it brings no points. The lab's
/// lock is held.
pub(crate) fn refuse_healing(session: &Session, agreed: bool) -> Result<(), Failure> {
    // One that cannot be read is in nobody's way.
    let Some(mut progress) = progress(&session.store).ok().flatten() else { return Ok(()) };
    let (at, is_broken) = (progress.at, progress.is_broken);
    // What is broken is one step's; what is to be done may be all of them's.
    let few = if is_broken { 1 } else { progress.steps.len() };
    let mut open: Vec<_> =
        progress.steps.iter_mut().skip(at).take(few).filter(|record| !record.is_solved).collect();
    if open.is_empty() {
        return Ok(());
    }
    let message = match is_broken {
        true => {
            "a lesson is going on, and something is broken on purpose, which `up` may put right"
        }
        false => "a lesson is going on, and `up` may do what it asks the learner for",
    };
    if !agreed && !agrees(message) {
        return Err(Failure::usage(message).code(&code::LESSON).hint(
            "`lab lesson stop` ends the lesson; `lab up --yes` goes on, and what it does brings no points",
        ));
    }
    open.iter_mut().for_each(|record| record.is_solved = true);
    let text = serde_json::to_string_pretty(&progress).unwrap_or_default();
    Ok(session.store.write(FILE, &text)?)
}

impl Course {
    /// That of a lab.
    pub fn of(session: &Session) -> Result<Self, Failure> {
        let Some(progress) = progress(&session.store)? else {
            return Err(Failure::usage(format!(
                "no lesson is going on in the lab '{}'",
                session.lab.name
            ))
            .code(&code::LESSON)
            .hint("`lab lesson list` lists them, `lab lesson start LESSON` begins one"));
        };
        let lesson = progress.taught().map_err(bad)?;
        Ok(Self { lesson, progress })
    }

    /// At its beginning.
    pub fn new(lesson: Lesson, seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let progress = Progress::new(&lesson, seed, now());
        Self { lesson, progress }
    }

    /// Something that is broken because somebody asked for it.
    pub fn of_breakage(broken: Breakage, seed: Option<u64>) -> Self {
        let mut course = Self::new(Lesson::of_breakage(broken.clone()), seed);
        course.progress.by_hand = Some(broken);
        course
    }

    /// Writes down how far it is.
    pub fn save(&self, session: &Session) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.progress).unwrap_or_default();
        Ok(session.store.write(FILE, &text)?)
    }

    /// It never was.
    pub fn forget(&self, session: &Session) -> Result<(), Failure> {
        Ok(session.store.discard(FILE)?)
    }

    /// It is over: what came of it is kept.
    pub fn end(mut self, session: &Session) -> Result<(), Failure> {
        self.progress.ended = Some(now());
        let text = serde_json::to_string_pretty(&self.progress).unwrap_or_default();
        let name = format!("{ENDED}/{}-{}.json", self.progress.started, self.progress.lesson);
        session.store.write(&name, &text)?;
        Ok(session.store.discard(FILE)?)
    }

    /// A step as it is in this lab.
    pub fn dealt(&self, session: &Session, place: usize) -> Result<Dealt, Failure> {
        lesson::deal(&self.lesson, place, &session.lab, self.progress.seed).map_err(bad)
    }

    /// The place of a step, by its name; that which is being done without one.
    pub fn place(&self, name: Option<&str>) -> Result<usize, Failure> {
        let Some(name) = name else { return Ok(self.progress.at) };
        let names = || self.lesson.steps.iter().map(|step| step.name.as_str());
        names().position(|step| step == name).ok_or_else(|| {
            Failure::unknown(format!("the lesson '{}' has no step '{name}'", self.lesson.name))
                .hint(format!("its steps: {}", names().collect::<Vec<_>>().join(", ")))
        })
    }

    /// True for what `lab lesson break` made.
    pub fn is_breakage(&self) -> bool {
        self.progress.by_hand.is_some()
    }

    /// True while nobody may know what is broken.
    pub fn is_secret(&self) -> bool {
        let step = self.lesson.steps.get(self.progress.at);
        let fault = step.and_then(|step| step.broken.as_ref()?.fault.as_deref());
        self.is_breakage() || fault == Some(ANY)
    }
}
