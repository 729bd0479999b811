//! `lab help`: commands, codes of messages, and topics, which are the documents themselves.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::args::Args;
use crate::cli::failure::Failure;
use crate::cli::output::{print, table};
use crate::kubernetes::{DEFAULT, all_stages};
use crate::model::code::{self, Code};
use crate::model::near::nearest;

/// The page on labs without root, and what it was called before.
const PRIVATE: &str = "private-provider";
const FORMER: &str = "private-engine";

const ERRORS: &str = include_str!("../../docs/errors.md");

/// Name, what it is about, and the text.
const TOPICS: &[(&str, &str, &str)] = &[
    ("topology", "every field of a topology file", include_str!("../../docs/topology.md")),
    ("codes", "codes of topologies, with examples; exit codes", ERRORS),
    (
        "troubleshooting",
        "what each other code means and what to do",
        include_str!("../../docs/troubleshooting.md"),
    ),
    ("lessons", "lessons and faults, and how to write them", include_str!("../../docs/lessons.md")),
    ("events", "what `-o json` prints while it works", include_str!("../../docs/events.md")),
    (
        "high-availability",
        "several controllers, etcd members, floating addresses",
        include_str!("../../docs/high-availability.md"),
    ),
    (PRIVATE, "labs without root", include_str!("../../docs/private-provider.md")),
    (
        "providers",
        "what nodes stand on, and who can do what",
        include_str!("../../docs/providers.md"),
    ),
    (
        "existing-machines",
        "clusters on machines that are there already",
        include_str!("../../docs/existing-machines.md"),
    ),
    ("snapshots", "whole labs, frozen", include_str!("../../docs/snapshots.md")),
    ("faults", "what may break, and what is promised then", include_str!("../../docs/faults.md")),
];

/// What other tools call a command, and what that is here.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["apply", "create", "deploy", "provision"], "`lab up` makes the lab what its topology says"),
    (
        &["destroy", "delete", "rm", "remove", "clean", "teardown"],
        "`lab down` removes everything the lab made; `lab down --dry-run` lists it",
    ),
    (&["ps", "info", "get"], "`lab status` shows the lab, `lab list` all of them"),
    (&["version"], "`lab --version`"),
    (&["halt", "suspend", "poweroff"], "`lab stop` shuts nodes down"),
    (&["scp", "cp", "copy"], "`lab ssh-config > FILE`, then `scp -F FILE`"),
    (&["restore", "rollback"], "`lab snapshot restore NAME`"),
];

/// For a command that there is not, what people of other tools mean by it.
pub(super) fn meant(error: &clap::Error) -> Option<(String, &'static str)> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let (_, here) = ELSEWHERE.iter().find(|(words, _)| words.contains(&word.as_str()))?;
    Some((word.clone(), here))
}

/// What can be asked for besides commands.
pub(super) fn words() -> impl Iterator<Item = String> {
    let topics = TOPICS.iter().map(|(name, ..)| *name).chain(["topics"]);
    let stages = all_stages().map(|stage| stage.name);
    topics.chain(stages).chain(code::all().map(|code| code.id)).map(str::to_owned)
}

pub(super) fn run(words: &[String]) -> Result<ExitCode, Failure> {
    if let Some(text) = of_command(words) {
        print(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let asked = words.join(" ");
    let text = match words {
        [word] if word == "topics" => Some(topics()),
        [word] => topic(word).or_else(|| code::find(word).map(entry)),
        _ => None,
    };
    match text {
        Some(text) => {
            print(&text);
            Ok(ExitCode::SUCCESS)
        }
        None => Err(unknown(&asked)),
    }
}

fn unknown(asked: &str) -> Failure {
    let failure = Failure::unknown(format!("there is no help on '{asked}'"));
    let command = Args::command();
    let names = command.get_subcommands().map(|command| command.get_name().to_owned());
    let all: Vec<String> = names.chain(words()).collect();
    match nearest(asked, all.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `lab help {near}`?")),
        None => failure.hint("`lab help` lists commands, `lab help topics` topics"),
    }
}

/// What can be typed, in short.
pub(super) fn all() -> String {
    Args::command().render_help().to_string()
}

/// What `--help` of the command says.
fn of_command(words: &[String]) -> Option<String> {
    let mut command = Args::command();
    command.build();
    let mut found = &mut command;
    for word in words {
        found = found.find_subcommand_mut(word)?;
    }
    let text = found.render_long_help();
    Some(match std::io::stdout().is_terminal() && crate::cli::output::colours() {
        true => text.ansi().to_string(),
        false => text.to_string(),
    })
}

fn topics() -> String {
    let heading = ["topic", "about"].map(str::to_owned).to_vec();
    let rows = TOPICS.iter().map(|(name, about, _)| vec![(*name).into(), (*about).into()]);
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    format!(
        "{}\nA stage is a topic, too: `lab help {}`; so is a code of a message: `lab help {}`.\n",
        table(&rows),
        DEFAULT.beginning().map_or("", |stage| stage.name),
        code::NO_ROOM.id
    )
}

fn topic(word: &str) -> Option<String> {
    let word = if word == FORMER { PRIVATE } else { word };
    let text = TOPICS.iter().find(|(name, ..)| *name == word).map(|(.., text)| *text);
    let page = || all_stages().find(|stage| stage.name == word).map(|stage| stage.page);
    text.or_else(page).map(str::to_owned)
}

fn entry(code: &Code) -> String {
    let list = |lines: &mut dyn Iterator<Item = &str>| -> String {
        lines.map(|line| format!("  - {line}\n")).collect()
    };
    let cures = list(&mut code.cures.iter().copied());
    let entry = format!("{}: {}\n\n{}\n\nWhat to do:\n{cures}", code.id, code.title, code.means);
    if !code.is_of_topologies() {
        return entry;
    }
    format!(
        "{entry}\nMessages of this kind:\n{}\n\
         `lab validate` shows where it is and how to mend it; `lab help topology` has every field.\n",
        list(&mut examples(code))
    )
}

/// What messages of a code of topologies look like.
fn examples(code: &Code) -> impl Iterator<Item = &'static str> {
    let begin = format!("## {}: ", code.id);
    let own = ERRORS.lines().skip_while(move |line| !line.starts_with(&begin)).skip(1);
    let own = own.take_while(|line| !line.starts_with("## "));
    own.skip_while(|line| !line.starts_with("```")).skip(1).take_while(|line| *line != "```")
}
