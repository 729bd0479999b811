//! How a lesson begins, and each of its steps.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cli::args::Up;
use crate::cli::commands::lesson::snapshot;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{info, print, print_data, say};
use crate::cli::runtime::runtime;
use crate::cli::session::acquaint::acquaint;
use crate::cli::session::bring_up::brought_up;
use crate::cli::session::lesson::{Course, bad, found, now, refuse_two};
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::engine::lesson::{Classroom, judge, noticed};
use crate::engine::{CheckResult, EngineError, Session, Stop};
use crate::kubernetes::lessons;
use crate::model::lesson::{ANY, Breakage, Lesson, Solution, fault, faults};
use crate::model::near::nearest;
use crate::model::{Flaw, code};

/// Time in which what was broken is seen.
const SEEN: Duration = Duration::from_secs(180);

/// The lab that is meant; without a word, and without a topology here, that which the lesson is made for. A lesson's own
/// topology lies beside it, in `folder`.
pub(super) fn of_lesson(
    global: &Global,
    lesson: &Lesson,
    folder: &str,
) -> Result<Session, Failure> {
    let is_here = ["lab.yaml", "lab.yml"].iter().any(|file| Path::new(file).exists());
    let beside = Path::new(folder).join(&lesson.topology);
    let topology = match beside.is_file() {
        true => beside,
        false => lesson.topology.clone().into(),
    };
    let global = match global.file.is_some() || global.lab.is_some() || is_here {
        true => global.clone(),
        false => Global { file: Some(topology), ..global.clone() },
    };
    let session = load::session(&global)?;
    if let Some(why) = lesson.unfit(&session.lab) {
        let message = format!(
            "the lesson '{}' cannot be done in the lab '{}': {why}",
            lesson.name, session.lab.name
        );
        return Err(bad(Flaw::new(message, format!("`-f {}` is a lab for it", lesson.topology))));
    }
    Ok(session)
}

/// Refuses a lesson that names what the lab does not have, before anything is changed.
pub(super) fn refuse_unfit(session: &Session, course: &Course) -> Result<(), Failure> {
    let (flavour, lab) = (session.flavour(), &session.lab);
    let plan = flavour.checks(lab, &session.templates).map_err(EngineError::from)?;
    for place in 0..course.lesson.steps.len() {
        let dealt = course.dealt(session, place)?;
        let asked = [dealt.verify, dealt.never].concat();
        let mut unknown = lessons::unanswered(&plan, &asked);
        for one in dealt.solve {
            let Solution::Stage(stage, _) = one else { continue };
            unknown.extend(flavour.stage(&stage).is_none().then_some(stage));
        }
        if !unknown.is_empty() {
            let step = course.lesson.steps.get(place).map_or("", |step| &step.name);
            let message = format!(
                "the step '{step}' names what the lab '{}' does not have: {}",
                lab.name,
                unknown.join(", ")
            );
            let cure = "`lab verify` shows checks, `lab stage list` stages";
            return Err(bad(Flaw::new(message, cure)));
        }
    }
    Ok(())
}

/// Brings the lab to where the lesson begins.
pub(super) fn ready(
    global: &Global,
    session: Session,
    lesson: &Lesson,
) -> Result<Arc<Session>, Failure> {
    let session = Arc::new(acquaint(session)?);
    let up = Up { until: lesson.start.clone(), ..Up::default() };
    brought_up(&snapshot::beside(global), &up, &session)?;
    Ok(session)
}

pub(super) fn start(global: &Global, name: &str, seed: Option<u64>) -> Result<(), Failure> {
    let lesson = found(name)?;
    let session = of_lesson(global, &lesson, name)?;
    refuse_two(&session)?;
    let mut course = Course::new(lesson, seed);
    refuse_unfit(&session, &course)?;
    let session = ready(global, session, &course.lesson)?;
    let _lock = lock(&session, "lesson start")?;
    refuse_two(&session)?;
    refuse_done(&session, &course)?;
    snapshot::keep(global, &session, &mut course)?;
    shown(global, &begin(global, &session, course)?);
    Ok(())
}

/// Refuses to begin with something that is to be done, and is.
fn refuse_done(session: &Session, course: &Course) -> Result<(), Failure> {
    let dealt = course.dealt(session, 0)?;
    if dealt.broken.is_some() {
        return Ok(());
    }
    let stop = Stop::default();
    let results = runtime()?.block_on(judge(session, &dealt.verify, &stop, &|_| {}))?;
    match results.iter().all(CheckResult::holds) {
        false => Ok(()),
        true => Err(bad(Flaw::new(
            format!("what the lesson '{}' has done first is done in this lab", course.lesson.name),
            "begin with new machines: `lab down`, then `lab lesson start` once more",
        ))),
    }
}

pub(super) fn breakage(
    global: &Global,
    name: Option<&str>,
    node: Option<&str>,
    seed: Option<u64>,
) -> Result<(), Failure> {
    let name = name.unwrap_or(ANY);
    if name != ANY && fault(name).is_none() {
        let failure = Failure::unknown(format!("there is no fault '{name}'"));
        let near = nearest(name, faults().iter().map(|fault| fault.name.as_str()));
        return Err(failure.hint(near.map_or_else(
            || "`lab lesson faults` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        )));
    }
    let session = load::existing(global)?;
    load::refuse_machines_alone(&session)?;
    refuse_two(&session)?;
    let (fault, on) = (Some(name.to_owned()), node.map(str::to_owned));
    let course = Course::of_breakage(Breakage { fault, on, ..Breakage::default() }, seed);
    refuse_unfit(&session, &course)?;
    let _lock = lock(&session, "lesson break")?;
    refuse_two(&session)?;
    shown(global, &begin(global, &session, course)?);
    Ok(())
}

/// Begins the step that is next: what it breaks is broken, and seen. That something is broken is written down before it
/// is. What there is to show then.
pub(super) fn begin(
    global: &Global,
    session: &Session,
    mut course: Course,
) -> Result<Json, Failure> {
    if course.progress.is_over(&course.lesson) {
        return over(global, session, course);
    }
    let dealt = course.dealt(session, course.progress.at)?;
    course.progress.is_broken = dealt.broken.is_some();
    if let Some(record) = course.progress.record() {
        (record.began, record.done) = (None, None);
    }
    course.save(session)?;
    if let Some(broken) = &dealt.broken {
        info("something breaks; it may take a while until it is seen");
        // Whoever looks for it is told nothing.
        let quiet = Global { quiet: true, ..snapshot::beside(global) };
        let is_seen = snapshot::working(&quiet, "lab lesson stop", async |stop, events| {
            let room = Classroom::open(session, &stop, events)?;
            room.run(broken).await?;
            stop.or("see what is broken", noticed(&room, &dealt, SEEN)).await
        })?;
        if !is_seen {
            return Err(Failure::failed("see anything of what was broken")
                .code(&code::BAD_LESSON)
                .hint("`lab lesson stop` puts it right"));
        }
    }
    // Its time runs from here.
    if let Some(record) = course.progress.record() {
        record.began = Some(now());
    }
    course.save(session)?;
    Ok(step(session, &course))
}

/// The step that is being done, for people and programs.
pub(super) fn step(session: &Session, course: &Course) -> Json {
    let (at, all) = (course.progress.at, course.lesson.steps.len());
    let Some(step) = course.lesson.steps.get(at) else { return Json::Null };
    let text = course.lesson.text(&step.text).trim_end();
    json!({"lab": session.lab.name, "lesson": course.lesson.name, "step": step.name, "number": at + 1,
           "of": all, "text": text, "points": step.points})
}

/// Shows a step, or that there is none any more.
pub(super) fn shown(global: &Global, step: &Json) {
    if global.output == Format::Json {
        return print_data(step);
    }
    let word = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
    if step["text"].is_null() {
        return;
    }
    if step["of"].as_u64() > Some(1) {
        say(global, &format!("\nstep {} of {}: {}\n", step["number"], step["of"], word("step")));
    }
    print(&word("text"));
    let lab = match (&global.lab, &global.file) {
        (None, None) if Path::new("lab.yaml").exists() => String::new(),
        _ => format!(" --lab {}", word("lab")),
    };
    say(global, &format!("\nnext:\n  lab lesson verify{lab}\n  lab lesson hint{lab}"));
}

/// All steps are done.
fn over(global: &Global, session: &Session, course: Course) -> Result<Json, Failure> {
    let (points, of) = course.progress.score(&course.lesson);
    let name = course.lesson.name.clone();
    snapshot::forget(global, session, &course)?;
    course.end(session)?;
    info(&format!("the lesson '{name}' is done: {points} of {of} points"));
    Ok(json!({"lesson": name, "done": true, "points": points, "of": of}))
}
