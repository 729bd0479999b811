//! `lab kubectl`: kubectl of a controller, over SSH, with local files sent along.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::args::Kubectl;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::remote::{Input, execute};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::drivers::guest::ssh::quote;
use crate::model::{Role, code};

const KUBECTL: &str = "sudo -n /usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/admin.conf";

pub(crate) fn run(global: &Global, kubectl: &Kubectl) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    load::refuse_machines_alone(&session)?;
    let Some(controller) = session.lab.with_role(Role::ControlPlane).next() else {
        return Err(Failure::failed("find a controller: the lab has none").code(&code::NO_SUCH));
    };
    let (arguments, files) = match takes_manifests(&kubectl.arguments) {
        true => take_files(&kubectl.arguments)?,
        false => (kubectl.arguments.clone(), Vec::new()),
    };
    let words: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
    let command = format!("{KUBECTL} {}", words.join(" "));
    let interactive = wants_terminal(&arguments) && std::io::stdin().is_terminal();
    let input = if files.is_empty() { Input::Stdin } else { Input::Bytes(files) };
    let wants_stdin = matches!(input, Input::Bytes(_)) || reads_stdin(&arguments);
    let input = if wants_stdin || interactive { input } else { Input::Nothing };
    let work = execute(&session, controller, Some(command), input, interactive);
    runtime()?.block_on(work)
}

/// True for verbs whose `-f` names a file; for `logs` it means to follow.
fn takes_manifests(arguments: &[String]) -> bool {
    const VERBS: &[&str] = &[
        "apply",
        "create",
        "delete",
        "replace",
        "diff",
        "get",
        "describe",
        "patch",
        "label",
        "annotate",
        "set",
        "scale",
        "expose",
        "edit",
        "wait",
        "rollout",
        "autoscale",
    ];
    arguments
        .iter()
        .find(|word| !word.starts_with('-'))
        .is_some_and(|verb| VERBS.contains(&verb.as_str()))
}

fn wants_terminal(arguments: &[String]) -> bool {
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let before = arguments.get(..end).unwrap_or_default();
    before.iter().any(|word| {
        word == "--tty"
            || (word.starts_with('-')
                && !word.starts_with("--")
                && word.contains('t')
                && word.chars().all(|c| "-it".contains(c)))
    }) || before.first().is_some_and(|verb| verb == "edit")
}

fn reads_stdin(arguments: &[String]) -> bool {
    arguments.iter().any(|word| {
        word == "-"
            || word == "--stdin"
            || word.ends_with("=-")
            || (word.starts_with("-i") && word.len() <= 3)
    })
}

/// Takes `-f FILE` of local files out of the arguments; their documents travel on standard input.
fn take_files(arguments: &[String]) -> Result<(Vec<String>, Vec<u8>), Failure> {
    let mut kept = Vec::new();
    let mut documents: Vec<u8> = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            kept.push(word.clone());
            kept.extend(words.cloned());
            break;
        }
        let path = match word.as_str() {
            "-f" | "--filename" => words.next().cloned(),
            other => other.strip_prefix("--filename=").map(str::to_owned),
        };
        let Some(path) = path else {
            kept.push(word.clone());
            continue;
        };
        if path == "-"
            || path.starts_with("http://")
            || path.starts_with("https://")
            || !Path::new(&path).exists()
        {
            kept.extend(["-f".to_owned(), path]);
            continue;
        }
        for file in files_of(Path::new(&path))? {
            let mut text = Vec::new();
            std::fs::File::open(&file).and_then(|mut file| file.read_to_end(&mut text)).map_err(
                |error| Failure::usage(format!("cannot read {}: {error}", file.display())),
            )?;
            documents.extend_from_slice(b"---\n");
            documents.extend_from_slice(&text);
            documents.push(b'\n');
        }
    }
    if !documents.is_empty() {
        let at = kept.iter().position(|word| word == "--").unwrap_or(kept.len());
        kept.splice(at..at, ["-f".to_owned(), "-".to_owned()]);
    }
    Ok((kept, documents))
}

/// A file, or the manifests of a folder in the order of their names, as kubectl takes them.
fn files_of(path: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let manifest = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(manifest).collect();
    files.sort();
    Ok(files)
}
