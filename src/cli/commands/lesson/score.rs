//! What a lesson brought.

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{print, print_data, table};
use crate::cli::session::lesson::{Course, now};
use crate::cli::session::load;

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
