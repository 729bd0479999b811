//! `lab init`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::Init;
use super::failure::Failure;
use super::load;
use super::output::{complain, print};
use crate::drivers::host::Dirs;
use crate::drivers::store;
use crate::model::check::nearest;
use crate::model::name::check_label;
use crate::model::schema::json_schema;

/// What most begin with.
const DEFAULT: &str = "three";

/// What a person wants written.
struct Choice {
    from: String,
    name: Option<String>,
    to: Option<PathBuf>,
}

pub(super) fn run(init: &Init) -> Result<ExitCode, Failure> {
    let dirs = Dirs::from_environment();
    if init.list {
        print(&load::shipped().join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let silent = init.from.is_some() || init.name.is_some() || init.to.is_some();
    let choice = match terminal && !silent {
        true => ask()?,
        false => Choice {
            from: init.from.clone().unwrap_or_else(|| DEFAULT.into()),
            name: init.name.clone(),
            to: init.to.clone(),
        },
    };
    let Some(text) = load::named(&choice.from, &dirs) else {
        return Err(no_such(&choice.from));
    };
    let text = match &choice.name {
        Some(name) => {
            check_label("the lab's name", name, 30)
                .map_err(|(message, help)| Failure::usage(message).hint(help))?;
            renamed(&text, &choice.from, name)
        }
        None => text,
    };
    let to_file =
        choice.to.or_else(|| std::io::stdout().is_terminal().then(|| PathBuf::from("lab.yaml")));
    match to_file {
        None => print(&text),
        Some(path) => {
            write_new(&path, &(schema_line(&dirs) + &text))?;
            complain(&format!("wrote {}; look at it, then: lab up", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks until every answer can be used; an empty one takes what is in brackets.
fn ask() -> Result<Choice, Failure> {
    for name in load::shipped() {
        let text = load::named(&name, &Dirs::from_environment()).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
        complain(&format!("  {name:<12} {first}"));
    }
    let known = |answer: &str| match load::shipped().iter().any(|name| name == answer) {
        true => Ok(()),
        false => Err(format!("there is no '{answer}'")),
    };
    let from = question("topology to start from", DEFAULT, known)?;
    let label = |answer: &str| {
        check_label("the lab's name", answer, 30)
            .map_err(|(message, help)| format!("{message}; {help}"))
    };
    let name = question("name of the lab", &from, label)?;
    let free = |answer: &str| match Path::new(answer).exists() {
        true => Err(format!("{answer} exists already")),
        false => Ok(()),
    };
    let to = question("file to write", "lab.yaml", free)?;
    Ok(Choice { from, name: Some(name), to: Some(to.into()) })
}

fn question(
    what: &str,
    default: &str,
    good: impl Fn(&str) -> Result<(), String>,
) -> Result<String, Failure> {
    loop {
        let mut out = std::io::stderr();
        let _ = write!(out, "{what} [{default}]: ").and_then(|()| out.flush());
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if !read.is_ok_and(|count| count > 0) {
            return Err(Failure::usage("the questions were not answered")
                .hint("--from, --name and --to answer them beforehand"));
        }
        let answer = match line.trim() {
            "" => default.to_owned(),
            answer => answer.to_owned(),
        };
        match good(&answer) {
            Ok(()) => return Ok(answer),
            Err(why) => complain(&format!("  {why}")),
        }
    }
}

/// A remark by which editors find the JSON Schema, which is written where it points to; none when it
/// cannot be written.
fn schema_line(dirs: &Dirs) -> String {
    let path = dirs.cache.join("topology.schema.json");
    let text = serde_json::to_string_pretty(&json_schema()).unwrap_or_default();
    let made = store::make_dir(&dirs.cache).is_ok()
        && store::write_atomic(&path, text.as_bytes(), 0o644).is_ok();
    match made {
        true => format!("# yaml-language-server: $schema={}\n", path.display()),
        false => String::new(),
    }
}

/// The same topology under another name; its comments stay.
fn renamed(text: &str, from: &str, name: &str) -> String {
    let own = format!("name: {from}");
    text.lines()
        .map(|line| if line == own { format!("name: {name}\n") } else { format!("{line}\n") })
        .collect()
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} exists already", path.display()))
                .hint("name another file with --to")
        }
        _ => Failure::failed(format!("write {}: {error}", path.display())),
    };
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

fn no_such(name: &str) -> Failure {
    let all = load::shipped();
    let failure = Failure::unknown(format!("there is no shipped topology '{name}'"));
    match nearest(name, all.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `--from {near}`?")),
        None => failure.hint(format!("choose from: {}", all.join(", "))),
    }
}
