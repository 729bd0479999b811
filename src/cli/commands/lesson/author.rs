//! For those who write lessons.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cli::commands::lesson::begin::{of_lesson, ready, refuse_unfit};
use crate::cli::commands::lesson::snapshot;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, print, print_data, say};
use crate::cli::session::lesson::{Course, bad, found, refuse_two};
use crate::cli::session::lookup::lock;
use crate::drivers::state::lesson_folder;
use crate::engine::Session;
use crate::engine::lesson::{Classroom, Rehearsed, rehearse};
use crate::kubernetes::{FLAVOURS, all_stages};
use crate::model::Flaw;
use crate::model::lesson::{DESCRIPTION, LAYERS, Lesson, MACHINES};

/// What a new lesson begins with, by file.
const FIRST: [(&str, &str); 3] = [
    (DESCRIPTION, include_str!("new/lesson.yaml")),
    ("first.md", include_str!("new/first.md")),
    ("answers.sh", include_str!("new/answers.sh")),
];

/// How a lesson is tried.
#[derive(Clone, Copy)]
pub(super) struct Trial {
    /// How often each step is.
    pub times: u32,
    /// What each half of it may take.
    pub patience: Duration,
}

pub(super) fn new(global: &Global, folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        let message = format!("{} is there already", folder.display());
        return Err(Failure::usage(message).hint("name a folder that is to be made"));
    }
    let made = std::fs::create_dir_all(folder).and_then(|()| {
        FIRST.iter().try_for_each(|(file, text)| std::fs::write(folder.join(file), text))
    });
    made.map_err(|error| Failure::failed(format!("write {}: {error}", folder.display())))?;
    if global.output == Format::Json {
        print_data(&json!({"folder": folder}));
    }
    let shown = folder.display().to_string();
    let named = if shown.contains('/') { shown.clone() } else { format!("./{shown}") };
    say(
        global,
        &format!(
            "made the lesson {shown}\nnext:\n  lab lesson lint {shown}\n  lab lesson test {named}"
        ),
    );
    Ok(())
}

pub(super) fn lint(global: &Global, folder: &Path) -> Result<(), Failure> {
    let lesson = lesson_folder::read(folder).map_err(bad)?;
    refuse_unknown(&lesson)?;
    match global.output {
        Format::Json => print_data(&json!({"lesson": lesson.name, "steps": lesson.steps.len()})),
        Format::Table => print(&format!(
            "the lesson '{}' is well written: {}",
            lesson.name,
            counted(lesson.steps.len(), "step")
        )),
    }
    Ok(())
}

/// Refuses words that mean nothing in any lab.
fn refuse_unknown(lesson: &Lesson) -> Result<(), Failure> {
    let flavours = || FLAVOURS.iter().map(|flavour| flavour.name);
    let stages = || all_stages().map(|stage| stage.name).chain([MACHINES]);
    let broken = lesson.steps.iter().filter_map(|step| step.broken.as_ref());
    let layer =
        broken.flat_map(|broken| &broken.layers).find(|one| !LAYERS.contains(&one.as_str()));
    let flavour = lesson.flavours.iter().find(|one| !flavours().any(|name| name == *one));
    let stage = lesson.start.iter().find(|one| !stages().any(|name| name == *one));
    let told = |what: &str, word: &String, all: Vec<&str>| {
        let message = format!("the lesson '{}' names a {what} that is none: '{word}'", lesson.name);
        Err(bad(Flaw::new(message, format!("there are: {}", all.join(", ")))))
    };
    match (flavour, stage, layer) {
        (Some(word), ..) => told("flavour", word, flavours().collect()),
        (_, Some(word), _) => told("stage", word, stages().collect()),
        (.., Some(word)) => told("layer", word, LAYERS.to_vec()),
        _ => Ok(()),
    }
}

pub(super) fn test(global: &Global, name: &str, trial: Trial) -> Result<ExitCode, Failure> {
    let lesson = found(name)?;
    let session = of_lesson(global, &lesson, name)?;
    refuse_two(&session)?;
    let mut course = Course::new(lesson, None);
    refuse_unfit(&session, &course)?;
    let session = ready(global, session, &course.lesson)?;
    let _lock = lock(&session, "lesson test")?;
    refuse_two(&session)?;
    let mut rows = Vec::new();
    for place in 0..course.lesson.steps.len() {
        // What is cut while it is broken can be stopped as a lesson can.
        course.progress.at = place;
        course.progress.is_broken = true;
        course.save(&session)?;
        rows.extend(tried(global, &session, &course, place, trial)?);
    }
    course.forget(&session)?;
    let is_well = rows.iter().all(|row| row["passed"] == true);
    if global.output == Format::Json {
        print_data(&json!({"passed": is_well, "steps": rows}));
    }
    if is_well { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(FAILED)) }
}

/// Tries a step so many times; one that is done once, like the stages of a bootstrap, cannot be tried again.
fn tried(
    global: &Global,
    session: &Session,
    course: &Course,
    place: usize,
    trial: Trial,
) -> Result<Vec<Json>, Failure> {
    let dealt = course.dealt(session, place)?;
    let times = if dealt.broken.is_some() { trial.times } else { trial.times.min(1) };
    let step = course.lesson.steps.get(place).map_or("", |step| &step.name);
    let quiet = Global { quiet: !global.verbose, ..global.clone() };
    let mut rows = Vec::new();
    for time in 1..=times {
        let made = snapshot::working(&quiet, "lab lesson stop", async |stop, events| {
            let room = Classroom::open(session, &stop, events)?;
            stop.or("try the step", rehearse(&room, &dealt, trial.patience)).await
        })?;
        let (is_well, word, lines) = came_of(made);
        if global.output == Format::Table {
            print(&format!(
                "{} {step} ({time}): {word}",
                if is_well { "ok     " } else { "FAILED " }
            ));
            lines.iter().for_each(|line| print(&format!("        | {line}")));
        }
        rows.push(json!({"step": step, "time": time, "passed": is_well, "came_of_it": word, "checks": lines}));
        if !is_well {
            break;
        }
    }
    Ok(rows)
}

/// Whether it is well, in a word, and which checks show it.
fn came_of(made: Rehearsed) -> (bool, String, Vec<String>) {
    match made {
        Rehearsed::Well(failed, took) => (true, format!("well, in {} s", took.as_secs()), failed),
        Rehearsed::Unnoticed(holding) => (false, "holds although it is not done".into(), holding),
        Rehearsed::Lost(lost) => (false, "lost what never may be".into(), lost),
        Rehearsed::Unsolved(left) => (false, "its solution does not solve it".into(), left),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::lesson::Lesson;

    #[test]
    fn a_new_lesson_is_one() {
        let files = FIRST.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
        let lesson = Lesson::of("mine", files.collect());
        assert!(lesson.is_ok(), "{lesson:?}");
    }
}
