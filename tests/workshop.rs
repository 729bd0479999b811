//! The workshop's pages: each stage has one, with the steps and checks that the code has, and every
//! command in README and docs is one that the command line understands.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::engine::Session;
use lab::model::platform::Acceleration;
use lab::stages::checks::checks;
use lab::stages::{STAGES, Stage};

const BEGIN: &str = "<!-- made by `make golden` -->\n";
const END: &str = "<!-- end -->\n";

/// The shipped topology that shows a stage, and the lab of it.
fn shown(stage: &Stage, home: &Path) -> Session {
    let name = if stage.name == "load-balancer" { "book" } else { "three" };
    rig::session(&rig::shipped(name), home)
}

fn generated(stage: &Stage) -> String {
    let home = rig::home();
    let session = shown(stage, home.path());
    let mut prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    prepared.platform.dns_image = Some("registry.k8s.io/coredns/coredns:v1".into());
    let nodes = (stage.nodes)(&session.lab);
    // The worker has the most of what every machine has.
    let node = nodes.iter().find(|node| node.name == "worker1").or(nodes.first()).unwrap();
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let mut text = format!(
        "## Files and commands\n\nOn {}. In full: `lab stage show {} {}`.\n\n",
        names.join(", "),
        node.name,
        stage.name
    );
    for step in prepared.steps(&session, stage, node).unwrap() {
        text.push_str(&format!("- {}\n", step.title()));
    }
    let plan = checks(&session.lab).of_stage(stage.name);
    text.push_str(
        "\n## What `lab verify` asks\n\n| check | proves | look at |\n| --- | --- | --- |\n",
    );
    let mut told = Vec::new();
    for check in
        plan.nodes.iter().chain(&plan.cluster).filter(|check| !check.name.starts_with("cis"))
    {
        // The same check of other nodes says nothing new.
        if !told.contains(&(check.name, &check.proves)) {
            told.push((check.name, &check.proves));
            let hint = check.hint.split_once(": ").map_or(check.hint.as_str(), |(_, hint)| hint);
            text.push_str(&format!("| `{}` | {} | {hint} |\n", check.name, check.proves));
        }
    }
    if told.is_empty() {
        return text.rsplit_once("\n## What").unwrap().0.to_owned();
    }
    text
}

#[test]
fn every_stage_has_a_page_that_follows_the_code() {
    for stage in STAGES {
        let path = format!("docs/workshop/{}.md", stage.name);
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (hand, rest) = page.split_once(BEGIN).unwrap_or_else(|| panic!("{path}: no mark"));
        let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{path}: no end"));
        for part in ["## Look", "## Break it", "```sh"] {
            assert!(hand.contains(part), "{path} lacks {part}");
        }
        let wanted = format!("{hand}{BEGIN}{}{END}{after}", generated(stage));
        if std::env::var_os("LAB_UPDATE_GOLDEN").is_some() {
            fs::write(&path, &wanted).unwrap();
        } else {
            assert!(page == wanted, "{path} is not what the code says; run `make golden`");
        }
    }
}

fn pages(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => pages(&path, found),
            false if path.extension().is_some_and(|extension| extension == "md") => {
                found.push(path);
            }
            false => {}
        }
    }
}

/// Lines in blocks of shell that call `lab`, without remarks and redirections.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(kind) = line.trim().strip_prefix("```") {
            inside = !inside && ["sh", "bash", "console"].contains(&kind);
        } else if inside && line.starts_with("lab ") {
            let line = line.split(" # ").next().unwrap();
            let line = line.split(" && ").next().unwrap().split(" > ").next().unwrap();
            found.push(line.split(" | ").next().unwrap().trim().to_owned());
        }
    }
    found
}

/// Every command of README and docs is understood: asked for help in its place, `lab` first reads all
/// words before. Nothing is carried out.
#[test]
fn commands_in_the_documents_are_understood() {
    let mut all = vec![PathBuf::from("README.md")];
    pages(Path::new("docs"), &mut all);
    let mut seen = 0;
    for path in all {
        for line in commands(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            let mut words = words(&line);
            // What kubectl understands is kubectl's.
            if words[1] == "kubectl" {
                continue;
            }
            let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
            words.truncate(end);
            let output = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(&words[1..])
                .arg("--help")
                .env_clear()
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: `{line}`: {said}", path.display());
        }
    }
    assert!(seen > 50, "only {seen} commands found");
}

/// Words of a line; single quotes hold them together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
