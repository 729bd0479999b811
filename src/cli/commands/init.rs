//! `lab init`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ipnet::Ipv4Net;

use crate::cli::args::Init;
use crate::cli::failure::Failure;
use crate::cli::output::{info, paint, print};
use crate::cli::session::filled;
use crate::cli::session::load;
use crate::drivers::host::{self, Dirs};
use crate::drivers::state::Store;
use crate::drivers::state::files::{make_dir, write_atomic};
use crate::engine::network_for;
use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::near::nearest;
use crate::model::topology::relocate::relocate;
use crate::model::topology::schema::json_schema;
use crate::model::topology::{self, Loaded};

/// What most begin with.
const DEFAULT: &str = "three";

/// What a person wants written.
struct Choice {
    from: String,
    name: Option<String>,
    cidr: Option<String>,
    to: Option<PathBuf>,
}

/// What stands for a network that nothing on this computer uses.
const FREE: &str = "free";

pub(crate) fn run(init: &Init) -> Result<ExitCode, Failure> {
    let dirs = Dirs::from_environment();
    if init.list {
        print(&load::shipped().join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let answers =
        [init.from.is_some(), init.name.is_some(), init.cidr.is_some(), init.to.is_some()];
    let choice = match terminal && !answers.contains(&true) {
        true => ask(&dirs)?,
        false => Choice {
            from: init.from.clone().unwrap_or_else(|| DEFAULT.into()),
            name: init.name.clone(),
            cidr: init.cidr.clone(),
            to: init.to.clone(),
        },
    };
    let Some(text) = load::named(&choice.from, &dirs) else {
        return Err(no_such(&choice.from));
    };
    let text = match &choice.cidr {
        Some(wanted) => in_network(&text, wanted, &dirs)
            .map_err(|flaw| Failure::usage(flaw.message).hint(flaw.help))?,
        None => text,
    };
    let text = match &choice.name {
        Some(name) => {
            check_label("the lab's name", name, 30)
                .map_err(|flaw| Failure::usage(flaw.message).hint(flaw.help))?;
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
            info(&format!("wrote {}; look at it, then: lab up", path.display()));
            warn_of_namesake(&text, &dirs);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A lab of that name that is there already came from elsewhere.
fn warn_of_namesake(text: &str, dirs: &Dirs) {
    let Some(loaded) = read(text) else { return };
    let name = &loaded.lab.name;
    if let Ok(Some(record)) = Store::new(&dirs.state, name).record() {
        info(&format!(
            "{}: there is a lab '{name}' already, from {}; another `name` makes this one a lab of its own",
            paint("1;33", "warning"),
            record.base.display()
        ));
    }
}

/// A topology as it counts here.
fn read(text: &str) -> Option<Loaded> {
    topology::load(&filled::with_variables(text).ok()?, &host::owner()).ok()
}

/// The topology with its nodes in the `wanted` network.
fn in_network(text: &str, wanted: &str, dirs: &Dirs) -> Result<String, Flaw> {
    let flaw = |message: String| {
        Flaw::new(message, "10.241.0.0/24, as large as the shipped one, or `free`")
    };
    let lab = read(text).ok_or_else(|| flaw("the topology cannot be read".into()))?.lab;
    let net = match wanted {
        FREE => network_for(&lab, dirs)
            .ok_or_else(|| flaw("no free network of that size was found".into()))?,
        text => text.parse::<Ipv4Net>().map_err(|_| flaw(format!("'{text}' is no network")))?,
    };
    let moved = relocate(text, lab.network.cidr, net);
    let filled = filled::with_variables(&moved).unwrap_or_else(|_| moved.clone());
    match topology::load(&filled, &host::owner()) {
        Ok(_) => Ok(moved),
        Err(problems) => {
            Err(flaw(problems.first().map_or_else(String::new, |one| one.message.clone())))
        }
    }
}

/// A network that the topology can have on this computer, as text; `None` when it cannot be read.
fn proposal(text: &str, dirs: &Dirs) -> Option<String> {
    let lab = read(text)?.lab;
    Some(network_for(&lab, dirs).unwrap_or(lab.network.cidr).to_string())
}

/// Asks until every answer can be used; an empty one takes what is in brackets.
fn ask(dirs: &Dirs) -> Result<Choice, Failure> {
    for name in load::shipped() {
        let text = load::named(&name, dirs).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
        info(&format!("  {name:<12} {first}"));
    }
    let known = |answer: &str| match load::shipped().iter().any(|name| name == answer) {
        true => None,
        false => Some(format!("there is no '{answer}'")),
    };
    let from = question("topology to start from", DEFAULT, known)?;
    let label = |answer: &str| {
        let flaw = check_label("the lab's name", answer, 30).err()?;
        Some(format!("{}; {}", flaw.message, flaw.help))
    };
    let name = question("name of the lab", &from, label)?;
    let text = load::named(&from, dirs).unwrap_or_default();
    let fits = |answer: &str| in_network(&text, answer, dirs).err().map(|flaw| flaw.message);
    // One of the person's own that is no topology yet is written as it is.
    let cidr = match proposal(&text, dirs) {
        Some(proposal) => Some(question("network of the nodes", &proposal, fits)?),
        None => None,
    };
    let free = |answer: &str| match Path::new(answer).exists() {
        true => Some(format!("{answer} exists already")),
        false => None,
    };
    let to = question("file to write", "lab.yaml", free)?;
    Ok(Choice { from, name: Some(name), cidr, to: Some(to.into()) })
}

/// The answer to a question; `wrong` says why one cannot be used.
fn question(
    what: &str,
    default: &str,
    wrong: impl Fn(&str) -> Option<String>,
) -> Result<String, Failure> {
    loop {
        let mut out = std::io::stderr();
        let _ = write!(out, "{what} [{default}]: ").and_then(|()| out.flush());
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if !read.is_ok_and(|count| count > 0) {
            return Err(Failure::usage("the questions were not answered")
                .hint("--from, --name, --cidr and --to answer them beforehand"));
        }
        let answer = match line.trim() {
            "" => default.to_owned(),
            answer => answer.to_owned(),
        };
        match wrong(&answer) {
            None => return Ok(answer),
            Some(why) => info(&format!("  {why}")),
        }
    }
}

/// A remark by which editors find the JSON Schema, which is written where it points to; none when it
/// cannot be written.
fn schema_line(dirs: &Dirs) -> String {
    let path = dirs.cache.join("topology.schema.json");
    let text = serde_json::to_string_pretty(&json_schema()).unwrap_or_default();
    let made = make_dir(&dirs.cache).is_ok() && write_atomic(&path, text.as_bytes(), 0o644).is_ok();
    match made {
        true => format!("# yaml-language-server: $schema={}\n", path.display()),
        false => String::new(),
    }
}

/// The same topology under another name; its comments stay.
fn renamed(text: &str, from: &str, name: &str) -> String {
    let line_of = |name: &str| [format!("name: {name}"), format!("domain: {name}.lab")];
    let (own, other) = (line_of(from), line_of(name));
    let line = |line: &str| match own.iter().position(|own| own == line) {
        Some(at) => other.get(at).cloned().unwrap_or_default() + "\n",
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
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
