//! `lab init`.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use super::args::Init;
use super::failure::Failure;
use super::load;
use super::output::{complain, print};
use crate::drivers::host::Dirs;
use crate::model::name::check_label;

pub(super) fn run(init: &Init) -> Result<ExitCode, Failure> {
    let dirs = Dirs::from_environment();
    if init.list {
        print(&load::shipped().join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(text) = load::named(&init.from, &dirs) else {
        return Err(Failure::usage(format!("there is no shipped topology '{}'", init.from))
            .hint(format!("choose from: {}", load::shipped().join(", "))));
    };
    let text = match &init.name {
        Some(name) => {
            check_label("the lab's name", name, 30)
                .map_err(|(message, help)| Failure::usage(message).hint(help))?;
            renamed(&text, &init.from, name)
        }
        None => text,
    };
    let to_file = init
        .to
        .as_deref()
        .or_else(|| std::io::stdout().is_terminal().then_some(Path::new("lab.yaml")));
    match to_file {
        None => print(&text),
        Some(path) => {
            write_new(path, &text)?;
            complain(&format!("wrote {}; look at it, then: lab up", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
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
