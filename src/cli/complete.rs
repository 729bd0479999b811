//! Completion: the shell asks this program, which knows the lab that is meant, and so its nodes,
//! stages and snapshots.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use crate::cli::args::Args;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global, Provider};
use crate::cli::help;
use crate::cli::output::print;
use crate::cli::session::{filled, load};
use crate::drivers::host::{self, Dirs};
use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::drivers::state::{self, Store};
use crate::kubernetes::{all_stages, flavour};
use crate::model::Lab;
use crate::model::lesson;
use crate::model::topology;

/// The variable by which a shell asks.
const VARIABLE: &str = "LAB_COMPLETE";

/// Answers a shell that asks for completions, and ends the program then.
pub(super) fn answer() {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

pub(super) fn run(shell: &str) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    // The argument's parser knows the same list.
    if let Some(completer) = shells.completer(shell) {
        completer
            .write_registration(VARIABLE, "lab", "lab", "lab", &mut script)
            .map_err(|error| Failure::failed(format!("write a script for {shell}: {error}")))?;
    }
    print(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}

/// The commands with what may be typed for their arguments.
fn command() -> clap::Command {
    attach(Args::command())
}

fn attach(command: clap::Command) -> clap::Command {
    let name = command.get_name().to_owned();
    let words = |argument: clap::Arg| match words(&name, argument.get_id().as_str()) {
        Some(words) => argument.add(words),
        None => argument,
    };
    command.mut_args(words).mut_subcommands(attach)
}

/// What may be typed for an argument of a command.
fn words(command: &str, argument: &str) -> Option<ArgValueCandidates> {
    Some(match (command, argument) {
        (_, "lab") => labs(),
        ("init", "from") => shipped(),
        (_, "until") => until(),
        (_, "from" | "stage") => stages(),
        ("logs", "what") => logged(),
        ("help", "words") => explained(),
        ("restore", "name") | ("delete", "names") => snapshots(),
        ("renew", "names") => certificates(),
        ("start" | "test", "name") => {
            candidates(|| lesson::all().iter().map(|lesson| lesson.name.clone()).collect())
        }
        ("break", "fault") => {
            candidates(|| lesson::faults().iter().map(|fault| fault.name.clone()).collect())
        }
        (_, "node" | "nodes") => nodes(),
        _ => return None,
    })
}

fn candidates(names: impl Fn() -> Vec<String> + Send + Sync + 'static) -> ArgValueCandidates {
    ArgValueCandidates::new(move || names().into_iter().map(CompletionCandidate::new).collect())
}

/// Commands, topics and codes.
fn explained() -> ArgValueCandidates {
    candidates(|| {
        let command = Args::command();
        let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
        let commands = commands.map(|command| command.get_name().to_owned());
        commands.chain(help::words()).collect()
    })
}

/// Labs that exist.
fn labs() -> ArgValueCandidates {
    candidates(|| state::labs(&Dirs::from_environment().state))
}

/// Shipped topologies.
fn shipped() -> ArgValueCandidates {
    candidates(load::shipped)
}

/// Nodes of the lab that is meant.
fn nodes() -> ArgValueCandidates {
    candidates(node_names)
}

/// Stages.
fn stages() -> ArgValueCandidates {
    candidates(|| all_stages().map(|stage| stage.name.to_owned()).collect())
}

/// What `--until` understands.
fn until() -> ArgValueCandidates {
    candidates(|| {
        let stages = all_stages().map(|stage| stage.name);
        std::iter::once("ssh").chain(stages).map(str::to_owned).collect()
    })
}

/// Nodes, and units that the stages make.
fn logged() -> ArgValueCandidates {
    candidates(|| {
        let units = all_stages().flat_map(|stage| stage.units);
        let units = units.map(|unit| unit.trim_end_matches(".service").to_owned());
        node_names().into_iter().chain(units).collect()
    })
}

/// Snapshots of the lab that is meant.
fn snapshots() -> ArgValueCandidates {
    candidates(|| {
        let Some(lab) = meant() else { return Vec::new() };
        let store = Store::new(&Dirs::from_environment().state, &lab.name);
        SnapshotStore::new(&store).names().unwrap_or_default()
    })
}

/// Certificates of the lab that is meant.
fn certificates() -> ArgValueCandidates {
    candidates(|| {
        let specs = meant().map(|lab| (flavour(&lab).certificates)(&lab)).unwrap_or_default();
        specs.into_iter().map(|spec| spec.entry).collect()
    })
}

fn node_names() -> Vec<String> {
    meant().map(|lab| lab.nodes.into_iter().map(|node| node.name).collect()).unwrap_or_default()
}

/// The lab that the words typed so far mean. Standard input is the shell's, and never read.
fn meant() -> Option<Lab> {
    let words: Vec<_> = std::env::args_os().collect();
    let named = |short: &str, long: &str| {
        let at = words.iter().position(|word| word == short || word == long)?;
        words.get(at + 1).cloned()
    };
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = named("-f", "--file").or_else(|| variable("LAB_FILE")).map(PathBuf::from);
    let lab = named("-l", "--lab").or_else(|| variable("LAB_NAME"));
    let global = Global {
        file: file.filter(|file| file.as_os_str() != OsStr::new("-")),
        lab: lab.and_then(|name| name.into_string().ok()),
        provider: Provider::Auto,
        output: Format::Table,
        verbose: false,
        quiet: true,
        patches: Vec::new(),
        set: Vec::new(),
    };
    let source = load::found(&global, &Dirs::from_environment()).ok()?;
    let text = match source.is_of_lab {
        true => source.text,
        false => filled::quietly(&global, &source.text, &source.base)?,
    };
    topology::load(&text, &host::owner()).ok().map(|loaded| loaded.lab)
}
