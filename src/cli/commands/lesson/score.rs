//! What a lesson brought.

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{print, print_data, table};
use crate::cli::session::lesson::{Course, bad, ended, now, progress};
use crate::cli::session::load;
use crate::drivers::host::Dirs;
use crate::drivers::state::{Store, labs};
use crate::model::lesson::progress::Progress;

pub(super) fn score(global: &Global) -> Result<(), Failure> {
    let session = load::existing(global)?;
    let course = Course::of(&session)?;
    let (progress, lesson) = (&course.progress, &course.lesson);
    let (points, of) = progress.score(lesson);
    if global.output == Format::Json {
        let step = |place: usize| {
            let (points, of) = progress.points(lesson, place);
            json!({"record": progress.steps.get(place), "points": points, "of": of})
        };
        let steps: Vec<_> = (0..lesson.steps.len()).map(step).collect();
        print_data(
            &json!({"lab": session.lab.name, "lesson": lesson.name, "points": points, "of": of,
            "steps": steps}),
        );
        return Ok(());
    }
    let heading = ["STEP", "POINTS", "MINUTES", "TRIES", "HINTS", ""];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for (place, record) in progress.steps.iter().enumerate() {
        let (got, of) = progress.points(lesson, place);
        let until = record.done.unwrap_or_else(now);
        let minutes = record.began.map(|began| ((until - began) / 60).to_string());
        let remark = match (record.is_lost, record.is_solved, record.done) {
            (true, ..) => "something was lost",
            (_, true, _) => "solved by lab",
            (.., Some(_)) => "done",
            _ if place == progress.at => "now",
            _ => "",
        };
        rows.push(vec![
            record.step.clone(),
            format!("{got}/{of}"),
            minutes.unwrap_or_else(|| "-".into()),
            record.tries.to_string(),
            record.hints.to_string(),
            remark.into(),
        ]);
    }
    print(&table(&rows));
    print(&format!("\n{points} of {of} points"));
    Ok(())
}

/// Those of all labs, for whoever teaches.
pub(super) fn all(global: &Global) -> Result<(), Failure> {
    let dirs = Dirs::from_environment();
    let mut found = Vec::new();
    for lab in labs(&dirs.state) {
        let store = Store::new(&dirs.state, &lab);
        let all = ended(&store).and_then(|ended| Ok((ended, progress(&store)?)));
        match all {
            Ok((ended, going)) => {
                found.extend(ended.into_iter().chain(going).map(|one| (lab.clone(), one)));
            }
            // One seat is not to hide the others.
            Err(failure) => drop(failure.report()),
        }
    }
    if global.output == Format::Json {
        let rows: Result<Vec<_>, Failure> = found.iter().map(|(lab, one)| data(lab, one)).collect();
        print_data(&json!({"lessons": rows?}));
        return Ok(());
    }
    let heading = ["LAB", "LESSON", "STEP", "MINUTES", "TRIES", "HINTS", "POINTS"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for (lab, one) in &found {
        let row = data(lab, one)?;
        let number = |name: &str| row[name].to_string();
        let step = row["step"].as_str().unwrap_or("-").to_owned();
        let points = format!("{}/{}", row["points"], row["of"]);
        let counts = ["minutes", "tries", "hints"].map(number);
        rows.push(
            [vec![lab.clone(), one.lesson.clone(), step], counts.to_vec(), vec![points]].concat(),
        );
    }
    print(&table(&rows));
    Ok(())
}

/// How far a lesson is, and what it brought.
fn data(lab: &str, one: &Progress) -> Result<serde_json::Value, Failure> {
    let lesson = one.taught().map_err(bad)?;
    let (points, of) = one.score(&lesson);
    let step = one.steps.get(one.at).filter(|_| one.ended.is_none()).map(|record| &record.step);
    let tries: u32 = one.steps.iter().map(|record| record.tries).sum();
    let hints: usize = one.steps.iter().map(|record| record.hints).sum();
    let minutes = (one.ended.unwrap_or_else(now) - one.started) / 60;
    Ok(
        json!({"lab": lab, "lesson": one.lesson, "step": step, "started": one.started, "ended": one.ended,
        "minutes": minutes, "tries": tries, "hints": hints, "points": points, "of": of}),
    )
}
