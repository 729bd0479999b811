//! Topologies that people write, as they are found in questions, in reports of bugs and in the files of other tools:
//! what is said of each is in `tests/golden/people.txt`. And: a cure, typed in, mends what it is told for.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lab::drivers::state::topology_file::{Unread, read_topology};
use lab::model::Problem;
use lab::model::topology::fill::fill;
use lab::model::topology::inline::inline;
use lab::model::topology::{self, Loaded, yaml};

use crate::rig;

/// Read as the program reads it where no variable is set, and each file is a script.
fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let text = fill(text, &|_| None)?;
    topology::load(&inline(&text, &|_, _| Ok("#!/bin/sh\n".into()))?, &rig::owner())
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("tests/topologies")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn told(problem: &Problem) -> String {
    let kind = if problem.is_error() { "error" } else { "warning" };
    let help = problem.help.as_deref().unwrap_or_default();
    format!("    {kind}[{}]: {}\n        {help}\n", problem.code.id, problem.message)
}

/// What is said of a topology, without its places.
fn said(path: &Path) -> String {
    let text = match read_topology(path, yaml::MAX_BYTES as u64) {
        Ok(text) => text,
        Err(Unread::NoText(flaw)) => {
            return format!("    no text: {}\n        {}\n", flaw.message, flaw.help);
        }
        Err(other) => panic!("{}: {other:?}", path.display()),
    };
    let (mut said, problems) = match load(&text) {
        Ok(loaded) => (format!("    {} nodes\n", loaded.lab.nodes.len()), loaded.warnings),
        Err(problems) => (String::new(), problems),
    };
    said.extend(problems.iter().take(12).map(told));
    if problems.len() > 12 {
        writeln!(said, "    and {} more", problems.len() - 12).unwrap();
    }
    said
}

#[test]
fn each_topology_is_answered_as_it_was() {
    let files = files();
    assert!(files.len() >= 200, "only {}", files.len());
    let all: String = files
        .iter()
        .map(|path| {
            let name = path.strip_prefix("tests/topologies").unwrap();
            format!("{}\n{}", name.display(), said(path))
        })
        .collect();
    let mut wrong = Vec::new();
    rig::golden("people.txt", &all, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a cure tells to write instead, where it tells one thing.
fn instead(help: &str) -> Option<&str> {
    let begins =
        ["write it as `", "did you mean `", "write `", "write '", "write \"", "quote it: \""];
    let (begin, rest) = begins.iter().find_map(|begin| Some((begin, help.strip_prefix(begin)?)))?;
    let end = begin.chars().last()?;
    let (text, _) = rest.split_once(end)?;
    if begin.starts_with("quote it") && !text.ends_with("...") {
        return help.strip_prefix("quote it: ");
    }
    // A shape, no value.
    (!text.contains(": ") && !["[one, two]", "name:", "%..."].contains(&text)).then_some(text)
}

#[test]
fn a_cure_that_is_typed_in_mends_what_it_is_told_for() {
    let mut tried = 0;
    let errors = fs::read_dir("tests/errors").unwrap().flatten().map(|entry| entry.path());
    let broken = errors.filter(|path| path.extension().is_some_and(|kind| kind == "yaml"));
    for path in files().into_iter().chain(broken) {
        let Ok(text) = read_topology(&path, yaml::MAX_BYTES as u64) else { continue };
        let Err(problems) = load(&text) else { continue };
        for problem in problems.iter().filter(|problem| problem.is_error()) {
            let (Some(span), Some(help)) = (&problem.span, &problem.help) else { continue };
            let Some(cure) = instead(help) else { continue };
            let mut mended = text.clone();
            mended.replace_range(span.clone(), cure);
            let left = load(&mended).err().unwrap_or_default();
            let is_same = |other: &&Problem| {
                other.code == problem.code
                    && other.is_error()
                    && other.span.as_ref().is_some_and(|place| place.start == span.start)
            };
            let same = left.iter().find(is_same);
            assert!(same.is_none(), "{}: {problem:?}\nwith {cure:?}: {same:?}", path.display());
            tried += 1;
        }
    }
    assert!(tried >= 40, "only {tried} cures could be tried");
}
