//! Lessons and faults that there are.

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, print, print_data, table};
use crate::cli::session::lesson::found;
use crate::model::lesson;

pub(super) fn list(global: &Global) {
    let all = lesson::all();
    if global.output == Format::Json {
        let row = |lesson: &lesson::Lesson| {
            json!({"name": lesson.name, "title": lesson.title, "level": lesson.level.name(),
                   "minutes": lesson.minutes, "steps": lesson.steps.len(), "topology": lesson.topology})
        };
        return print_data(&json!({"lessons": all.iter().map(row).collect::<Vec<_>>()}));
    }
    let mut rows = vec![
        ["LESSON", "LEVEL", "MINUTES", "STEPS", "WHAT IT IS ABOUT"].map(String::from).to_vec(),
    ];
    rows.extend(all.iter().map(|lesson| {
        let (minutes, steps) = (lesson.minutes.to_string(), lesson.steps.len().to_string());
        vec![lesson.name.clone(), lesson.level.name().into(), minutes, steps, lesson.title.clone()]
    }));
    print(&table(&rows));
}

pub(super) fn show(global: &Global, name: &str) -> Result<(), Failure> {
    let lesson = found(name)?;
    let start = lesson.start.as_deref();
    if global.output == Format::Json {
        let step = |step: &lesson::Step| json!({"name": step.name, "points": step.points, "minutes": step.minutes, "hints": step.hints.len()});
        print_data(
            &json!({"name": lesson.name, "title": lesson.title, "level": lesson.level.name(),
            "minutes": lesson.minutes, "topology": lesson.topology, "start": start,
            "steps": lesson.steps.iter().map(step).collect::<Vec<_>>()}),
        );
        return Ok(());
    }
    let whence = match start {
        None => "a whole cluster".to_owned(),
        Some(lesson::MACHINES) => "machines with nothing on them".to_owned(),
        Some(stage) => format!("a cluster up to the stage {stage}"),
    };
    let mut lines = vec![
        lesson.title.clone(),
        String::new(),
        format!(
            "{}, about {} minutes, {}",
            lesson.level.name(),
            lesson.minutes,
            counted(lesson.steps.len(), "step")
        ),
        format!("It begins with {whence}, made for the topology {}.", lesson.topology),
        String::new(),
    ];
    let step = |step: &lesson::Step| {
        format!("  {:<24} {}", step.name, counted(step.points as usize, "point"))
    };
    lines.extend(lesson.steps.iter().map(step));
    lines.push(format!("\nto begin it: lab lesson start {name}"));
    print(&lines.join("\n"));
    Ok(())
}

pub(super) fn faults(global: &Global) {
    let all = lesson::faults();
    if global.output == Format::Json {
        let row = |fault: &lesson::Fault| {
            json!({"name": fault.name, "title": fault.title, "layer": fault.layer, "level": fault.level.name(),
                   "on": fault.on, "seen": fault.seen, "flavours": fault.flavours})
        };
        return print_data(&json!({"faults": all.iter().map(row).collect::<Vec<_>>()}));
    }
    let mut rows = vec![["FAULT", "LAYER", "LEVEL", "ON", "WHAT IT IS"].map(String::from).to_vec()];
    rows.extend(all.iter().map(|fault| {
        let words = [&fault.name, &fault.layer, fault.level.name(), &fault.on, &fault.title];
        words.map(String::from).to_vec()
    }));
    print(&table(&rows));
}
