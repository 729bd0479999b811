//! What is done while a lesson goes on.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cli::commands::lesson::begin::{begin, shown, step};
use crate::cli::commands::lesson::snapshot;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, info, paint, print, print_data, say};
use crate::cli::session::lesson::{Course, now};
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::drivers::state::file_lock::FileLock;
use crate::engine::lesson::{Classroom, judge};
use crate::engine::{CheckResult, Session};
use crate::model::code;
use crate::model::lesson::Asked;
use crate::model::lesson::progress::FILE;

/// Time between two verdicts of `verify --watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// The lab that is meant and its lesson, which nobody else changes meanwhile.
struct Going {
    session: Session,
    course: Course,
    _lock: FileLock,
}

impl Going {
    fn of(global: &Global, command: &str) -> Result<Self, Failure> {
        let session = load::existing(global)?;
        // Whoever has none is told that, and not that somebody is at work.
        Course::of(&session)?;
        let lock = lock(&session, &format!("lesson {command}"))?;
        let course = Course::of(&session)?;
        Ok(Self { session, course, _lock: lock })
    }

    /// Does what solves a step.
    fn solve(&self, global: &Global, place: usize) -> Result<(), Failure> {
        let dealt = self.course.dealt(&self.session, place)?;
        let done = snapshot::working(global, "lab lesson solve", async |stop, events| {
            Classroom::open(&self.session, &stop, events)?.solve(&dealt.solve).await
        })?;
        if done { Ok(()) } else { Err(Failure::silent(FAILED)) }
    }

    fn save(&self) -> Result<(), Failure> {
        self.course.save(&self.session)
    }

    fn ask(&self, global: &Global, all: &[Asked]) -> Result<Vec<CheckResult>, Failure> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        snapshot::working(global, "lab lesson verify", async |stop, _| {
            judge(&self.session, all, &stop, &|_| {}).await
        })
    }
}

pub(super) fn status(global: &Global) -> Result<(), Failure> {
    let session = load::existing(global)?;
    let course = Course::of(&session)?;
    let progress = &course.progress;
    let (points, of) = progress.score(&course.lesson);
    if global.output == Format::Json {
        print_data(&json!({"step": step(&session, &course), "started": progress.started,
            "steps": progress.steps, "points": points, "of": of}));
        return Ok(());
    }
    say(global, &format!("the lesson '{}': {points} of {of} points", course.lesson.title));
    shown(global, &step(&session, &course));
    Ok(())
}

/// What came of judging a step.
struct Judged {
    results: Vec<CheckResult>,
    lost: Vec<CheckResult>,
    is_done: bool,
}

impl Judged {
    fn of(global: &Global, going: &mut Going, is_first: bool) -> Result<Self, Failure> {
        let dealt = going.course.dealt(&going.session, going.course.progress.at)?;
        let results = going.ask(global, &dealt.verify)?;
        let is_done = !results.is_empty() && results.iter().all(CheckResult::holds);
        // A node that is being started anew has lost nothing.
        let never = if is_done { going.ask(global, &dealt.never)? } else { Vec::new() };
        let lost: Vec<CheckResult> = never.into_iter().filter(|one| !one.holds()).collect();
        if let Some(record) = going.course.progress.record() {
            record.tries += u32::from(is_first);
            record.is_lost |= !lost.is_empty();
            record.done = is_done.then(now);
        }
        going.save()?;
        Ok(Self { results, lost, is_done })
    }

    /// In the learner's words: what holds, and what does not yet. Where nobody may know what is broken, how much.
    fn lines(&self, is_secret: bool) -> Vec<String> {
        let failing = self.results.iter().filter(|one| !one.holds()).count();
        if is_secret && !self.is_done {
            return vec![format!(
                "NOT YET: {failing} of {}",
                counted(self.results.len(), "question")
            )];
        }
        let line =
            |word: &str, one: &CheckResult| format!("{word} {:<14} {}", one.node, one.proves);
        let verdict =
            |one: &CheckResult| line(if one.holds() { "ok     " } else { "NOT YET" }, one);
        let lost = self.lost.iter().map(|one| line("LOST   ", one));
        self.results.iter().map(verdict).chain(lost).collect()
    }

    fn data(&self, is_secret: bool, next: &Json) -> Json {
        let holding = self.results.iter().filter(|one| one.holds()).count();
        let of =
            |one: &CheckResult| json!({"node": one.node, "says": one.proves, "holds": one.holds()});
        let all = |some: &[CheckResult]| some.iter().map(of).collect::<Vec<_>>();
        let shown = !is_secret || self.is_done;
        json!({"done": self.is_done, "holding": holding, "of": self.results.len(),
               "questions": if shown { all(&self.results) } else { Vec::new() },
               "lost": all(&self.lost), "next": next})
    }
}

/// Refuses to judge a step whose beginning was cut: what it breaks may not be broken.
fn refuse_unbegun(course: &mut Course) -> Result<(), Failure> {
    match course.progress.record() {
        Some(record) if record.began.is_none() => {
            let message = format!("the step '{}' did not begin to its end", record.step);
            Err(Failure::usage(message)
                .code(&code::LESSON)
                .hint("`lab lesson reset` begins it anew"))
        }
        _ => Ok(()),
    }
}

pub(super) fn verify(global: &Global, watch: bool) -> Result<ExitCode, Failure> {
    let (mut last, mut is_first) = (Vec::new(), true);
    loop {
        let mut going = Going::of(global, "verify")?;
        refuse_unbegun(&mut going.course)?;
        let is_secret = going.course.is_secret();
        let judged = Judged::of(global, &mut going, is_first)?;
        let lines = judged.lines(is_secret);
        if lines != last && global.output == Format::Table {
            lines.iter().for_each(|line| print(line));
        }
        if judged.is_done {
            let next = gone_on(global, going)?;
            match global.output {
                Format::Json => print_data(&judged.data(is_secret, &next)),
                Format::Table => shown(global, &next),
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !watch {
            if global.output == Format::Json {
                print_data(&judged.data(is_secret, &Json::Null));
            }
            say(global, "\nnot yet; `lab lesson hint` helps");
            return Err(Failure::silent(FAILED));
        }
        (last, is_first) = (lines, false);
        // Others may work meanwhile.
        drop(going);
        std::thread::sleep(PAUSE);
    }
}

/// The step is done: what it brought is said, and the next one begins.
fn gone_on(global: &Global, going: Going) -> Result<Json, Failure> {
    let Going { session, mut course, _lock } = going;
    let (points, of) = course.progress.points(&course.lesson, course.progress.at);
    info(&format!("\n{}", paint("1;32", &format!("done: {points} of {of} points"))));
    course.progress.at += 1;
    course.progress.is_broken = false;
    course.save(&session)?;
    begin(global, &session, course)
}

pub(super) fn hint(global: &Global) -> Result<(), Failure> {
    let mut going = Going::of(global, "hint")?;
    let at = going.course.progress.at;
    let dealt = going.course.dealt(&going.session, at)?;
    let cost = going.course.lesson.steps.get(at).map_or(0, |step| step.cost);
    let Some(record) = going.course.progress.record() else { return Ok(()) };
    let is_more = record.hints < dealt.hints.len();
    record.hints += usize::from(is_more);
    let given = record.hints;
    going.save()?;
    let known: Vec<&String> = dealt.hints.iter().take(given).collect();
    if global.output == Format::Json {
        print_data(&json!({"hints": known, "of": dealt.hints.len(), "cost": cost}));
        return Ok(());
    }
    known.iter().for_each(|hint| print(hint));
    say(
        global,
        &match is_more {
            true => format!(
                "\nhint {given} of {}, for {}",
                dealt.hints.len(),
                counted(cost as usize, "point")
            ),
            false => "\nthat is all; `lab lesson solve` does it, for no points".into(),
        },
    );
    Ok(())
}

pub(super) fn solve(global: &Global, named: Option<&str>) -> Result<(), Failure> {
    let mut going = Going::of(global, "solve")?;
    let place = going.course.place(named)?;
    if place != going.course.progress.at {
        let message = "only the step that is being done can be solved";
        return Err(Failure::usage(message)
            .hint("`lab lesson status` shows it, `lab lesson reset STEP` goes to another"));
    }
    if let Some(record) = going.course.progress.record() {
        record.is_solved = true;
    }
    going.save()?;
    going.solve(global, place)?;
    if let Some(fault) = going.course.dealt(&going.session, place)?.fault {
        info(&format!("it was: {}", fault.title));
    }
    if global.output == Format::Json {
        print_data(&step(&going.session, &going.course));
    }
    say(global, "solved; `lab lesson verify` goes on");
    Ok(())
}

pub(super) fn reset(global: &Global, step: Option<&str>) -> Result<(), Failure> {
    let mut going = Going::of(global, "reset")?;
    let (place, at) = (going.course.place(step)?, going.course.progress.at);
    // What is put right on the way is nobody's work, and what it was is nobody's business.
    if let Some(record) = going.course.progress.record() {
        record.began = None;
    }
    going.save()?;
    let quiet = Global { quiet: global.quiet || going.course.is_secret(), ..global.clone() };
    if snapshot::is_whole(&going.session, &going.course)? {
        snapshot::restore(global, &going.session)?;
        // What earlier steps had the learner do is there again.
        for earlier in 0..place {
            if going.course.dealt(&going.session, earlier)?.broken.is_none() {
                going.solve(global, earlier)?;
            }
        }
    } else if going.course.progress.is_broken {
        going.solve(&quiet, at)?;
    } else {
        info("there is no snapshot to go back to: what you did by hand stays");
    }
    going.course.progress.at = place;
    let Going { session, course, _lock } = going;
    shown(global, &begin(global, &session, course)?);
    Ok(())
}

pub(super) fn next(global: &Global) -> Result<(), Failure> {
    let mut going = Going::of(global, "next")?;
    let at = going.course.progress.at;
    if let Some(record) = going.course.progress.record() {
        record.is_solved = true;
    }
    going.save()?;
    going.solve(global, at)?;
    if let Some(record) = going.course.progress.record() {
        record.done = Some(now());
    }
    let next = gone_on(global, going)?;
    shown(global, &next);
    Ok(())
}

pub(super) fn stop(global: &Global) -> Result<(), Failure> {
    let session = load::existing(global)?;
    if let Some(why) = unreadable(&session)? {
        let _lock = lock(&session, "lesson stop")?;
        why.report();
        session.store.discard(FILE)?;
        info("the lesson is forgotten; what it broke is not put right: `lab up`, `lab verify`");
        return Ok(());
    }
    let mut going = Going::of(global, "stop")?;
    let at = going.course.progress.at;
    let mut told = "has ended".to_owned();
    let mut is_right = true;
    if going.course.progress.is_broken {
        if let Some(record) = going.course.progress.record() {
            record.is_solved = true;
        }
        going.save()?;
        // Nobody is kept in a lesson that cannot be ended well.
        match going.solve(global, at) {
            Ok(()) => told.push_str("; what was broken is put right"),
            Err(failure) => {
                failure.report();
                is_right = false;
                told.push_str(
                    "; what was broken is NOT put right: mend the node, then `lab up` and `lab verify`",
                );
            }
        }
        going.course.progress.is_broken = !is_right;
    }
    let Going { session, course, _lock } = going;
    snapshot::forget(global, &session, &course)?;
    let name = course.lesson.name.clone();
    course.end(&session)?;
    info(&format!("the lesson '{name}' {told}"));
    if global.output == Format::Json {
        print_data(&json!({"lab": session.lab.name, "lesson": name, "put_right": is_right}));
    }
    Ok(())
}

/// Why what is remembered of a lesson can be read no more, where it cannot: it was written by another version, say.
fn unreadable(session: &Session) -> Result<Option<Failure>, Failure> {
    let is_there = session.store.read(FILE)?.is_some();
    Ok(Course::of(session).err().filter(|_| is_there))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::lesson::shipped;

    /// Killed between what is written down and what is broken, a step would hold without any work.
    #[test]
    fn a_step_that_did_not_begin_to_its_end_is_not_judged() {
        let mut course = Course::new(shipped("exam").unwrap().clone(), Some(1));
        assert!(refuse_unbegun(&mut course).is_err());
        course.progress.record().unwrap().began = Some(now());
        assert!(refuse_unbegun(&mut course).is_ok());
        course.progress.at = 1;
        assert!(refuse_unbegun(&mut course).is_err());
    }
}
