//! Every script that runs on a node, rendered from the shipped topologies: a shell and shellcheck read
//! each of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use crate::rig;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::engine::{Prepared, Session};
use lab::kubernetes::drift::Upkeep;
use lab::kubernetes::step::{Work, batches};
use lab::kubernetes::{FLAVOURS, Step};
use lab::model::platform::Acceleration;
use lab::pki::Root;
use syn::parse::{Parse, ParseStream};

/// A script: what it is, and its text.
type Script = (String, String);

/// What shellcheck may not ask of our scripts, and why.
const EXCLUDED: &[(&str, &str)] = &[
    ("SC2043", "a loop goes over what a topology has, which may be one thing"),
    ("SC2174", "what is made with its parents' permissions left alone has its parents already"),
];

/// What a shell is told before each script, as a guest does.
const BEGIN: &str = "set -eu\n";

/// Files of a step that are scripts themselves.
fn of_file(step: &Step) -> Option<Script> {
    match step {
        Step::File(file) if file.content.starts_with("#!/bin/sh\n") => {
            Some((file.path.clone(), file.content.clone()))
        }
        _ => None,
    }
}

/// What brings a stage about, what explains its failures, and how it is looked after.
fn of_steps(session: &Session, steps: &[Step], name: &str) -> Vec<Script> {
    let mut all: Vec<Script> = steps.iter().filter_map(of_file).collect();
    for batch in batches(steps, &session.templates).unwrap() {
        let (script, hint) = match batch.work {
            Work::Put(_) | Work::PutUnless(..) => continue,
            Work::Script(script, hint) => (script, hint),
            Work::Wait(script, wait) => (script, wait.hint.clone()),
        };
        all.push((format!("{name}: {}", batch.title), script));
        all.push((format!("{name}: why not: {}", batch.title), hint));
    }
    let upkeep = Upkeep::of(steps).script(&session.templates).unwrap();
    all.push((format!("{name}: is it still so"), upkeep));
    all
}

fn of_stages(session: &Session, prepared: &Prepared) -> Vec<Script> {
    let mut all = Vec::new();
    for stage in session.flavour().stages {
        for node in (stage.nodes)(&session.lab) {
            let steps = prepared.steps(session, stage, node).unwrap();
            all.extend(of_steps(session, &steps, &format!("{} on {}", stage.name, node.name)));
        }
        all.extend(stage.serves.map(|serves| (format!("{} serves", stage.name), serves.into())));
    }
    all
}

fn of_operations(session: &Session) -> Vec<Script> {
    let (flavour, templates) = (session.flavour(), &session.templates);
    let operations = &flavour.operations;
    let mut all: Vec<Script> = [
        ("drain", (operations.drain)(templates, "worker1")),
        ("forget", (operations.forget)(templates, "worker1")),
        ("close", (operations.close)(templates, "worker1")),
        ("open", (operations.open)(templates, "worker1")),
        ("leave", (operations.leave)(templates, "etcd1", Some([10, 240, 0, 11].into()))),
        ("leave without an address", (operations.leave)(templates, "etcd1", None)),
        ("readiness", (operations.readiness)(templates)),
        ("survey", (operations.survey)(templates)),
        ("set aside", (operations.set_aside)(templates, "before-1")),
        ("refound", (operations.refound)(templates, "before-1")),
        ("save", (operations.save)(templates)),
        ("unpack", (operations.unpack)(templates, &session.lab.nodes[0], "token-1")),
        ("load", (operations.load)(templates, "before-1")),
        ("news", (operations.news)(templates)),
        ("api", (operations.api)(templates, "stop")),
    ]
    .map(|(name, script)| (name.to_owned(), script.unwrap()))
    .into();
    for node in &session.lab.nodes {
        let settle = flavour.settle(templates, &session.lab, node).unwrap();
        all.push((format!("settle {}", node.name), settle));
    }
    all.extend(of_rotations(session));
    all
}

/// What follows from each phase of a rotation.
fn of_rotations(session: &Session) -> Vec<Script> {
    let mut all = Vec::new();
    let mut bundle = rig::secrets::Secrets::of(session).bundle;
    for root in Root::ALL {
        for _ in 0..3 {
            bundle.advance(root, time::OffsetDateTime::now_utc()).unwrap();
            let rotated = session.flavour().operations.rotated;
            for one in rotated(&session.templates, &bundle, root).unwrap() {
                all.push((one.title.to_owned(), one.script));
            }
        }
    }
    let titles: Vec<&str> = all.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "give namespaces both authorities",
            "give pods both authorities",
            "have pods trust both authorities",
            "sign kept tokens anew",
            "give pods new tokens",
            "encrypt Secrets anew"
        ]
    );
    all
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path, ending)),
            path if path.extension().is_some_and(|extension| extension == ending) => {
                found.push(path);
            }
            _ => {}
        }
    }
    found
}

/// Scripts that need no values, as they stand beside the code that runs them.
fn as_they_stand() -> Vec<Script> {
    let all = ["src", "cloud-init"].iter().flat_map(|dir| files(Path::new(dir), "sh"));
    all.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// What checks run.
fn of_checks() -> Vec<Script> {
    let all = rig::scripts::all();
    assert!(all.len() > 200, "only {} scripts", all.len());
    for (name, script) in &all {
        // A template that was not rendered to its end would be read, too.
        assert!(!script.contains("{{") && !script.contains("{%"), "{name}:\n{script}");
    }
    all
}

fn everything() -> Vec<Script> {
    let mut all = as_they_stand();
    all.extend(of_checks());
    let home = tempfile::tempdir().unwrap();
    let surroundings = [("1.36.2", Acceleration::Kvm), ("1.20.2", Acceleration::Emulated)];
    for (_, text) in rig::many() {
        let session = rig::session(&text, home.path());
        for (version, acceleration) in surroundings {
            let mut prepared = rig::prepared(&session, version, acceleration);
            all.extend(of_stages(&session, &prepared));
            // Archives on the disk, and no binaries of etcd: the other ways through the stages.
            prepared.platform.artifacts.images.insert("coredns.tar".into());
            prepared.platform.artifacts.binaries.retain(|name| !name.starts_with("etcd"));
            all.extend(of_stages(&session, &prepared));
        }
        all.extend(of_operations(&session));
    }
    all
}

/// One file per text, however many nodes have it.
fn written(scripts: Vec<Script>, dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (name, text) in scripts.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
        seen.entry(text).or_insert(name);
    }
    let write = |(number, (text, name)): (usize, (String, String))| {
        let path = dir.join(format!("{number}.sh"));
        let begin = if text.starts_with("#!") { "" } else { BEGIN };
        fs::write(&path, format!("{begin}{text}\n")).unwrap();
        (path, name)
    };
    seen.into_iter().enumerate().map(write).collect()
}

/// What is wrong with scripts, with the name of each in place of its file.
fn told(output: &Output, names: &BTreeMap<PathBuf, String>) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    for (path, name) in names.iter().rev() {
        text = text.replace(&path.display().to_string(), name);
    }
    text
}

fn shellcheck(paths: &BTreeMap<PathBuf, String>) -> Output {
    let excluded: Vec<&str> = EXCLUDED.iter().map(|(code, _)| *code).collect();
    Command::new("shellcheck")
        .args(["-s", "sh", "-S", "warning", "-f", "gcc", "-e", &excluded.join(",")])
        .args(paths.keys())
        .output()
        .expect("shellcheck is missing: install the package of that name")
}

/// `sh -n` reads one file at a time: one shell has it read all of them.
fn parsed(paths: &BTreeMap<PathBuf, String>) -> Output {
    let each = "bad=0; for script; do sh -n \"$script\" || bad=1; done; exit $bad";
    Command::new("sh").args(["-c", each, "sh"]).args(paths.keys()).output().unwrap()
}

#[test]
fn every_script_is_understood_by_a_shell_and_passes_shellcheck() {
    let dir = tempfile::tempdir().unwrap();
    let scripts = written(everything(), dir.path());
    assert!(scripts.len() > 400, "only {} scripts were found", scripts.len());
    let parsed = parsed(&scripts);
    let silent = parsed.stderr.is_empty();
    assert!(parsed.status.success() && silent, "{}", told(&parsed, &scripts));
    let read = shellcheck(&scripts);
    assert!(read.status.success(), "{}", told(&read, &scripts));
}

#[test]
fn a_mistake_in_a_script_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let broken = vec![("broken".to_owned(), "if true; then echo".to_owned())];
    assert!(!parsed(&written(broken, dir.path())).status.success());
    let careless =
        vec![("careless".to_owned(), "cd /nowhere; unused=1; rm -rf \"$PWD\"/*".to_owned())];
    let read = shellcheck(&written(careless, dir.path()));
    assert!(String::from_utf8_lossy(&read.stdout).contains("SC2034"), "{read:?}");
}

/// A kind of step whose script nobody sees would be one that nobody looks at.
#[test]
fn what_is_shown_of_a_stage_holds_every_script_that_runs() {
    let home = tempfile::tempdir().unwrap();
    let mut flavours = std::collections::BTreeSet::new();
    for name in rig::SHIPPED {
        let session = rig::session(&rig::shipped(name), home.path());
        let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
        flavours.insert(session.flavour().name);
        for stage in session.flavour().stages {
            for node in (stage.nodes)(&session.lab) {
                let steps = prepared.steps(&session, stage, node).unwrap();
                let batches = batches(&steps, &session.templates).unwrap();
                let shown = lab::kubernetes::step::shown(&batches).join("\n");
                let titles = shown.lines().filter(|line| line.starts_with("## ")).count();
                assert_eq!(titles, steps.len(), "{} on {}", stage.name, node.name);
                for batch in &batches {
                    let (Work::Script(script, _) | Work::Wait(script, _)) = &batch.work else {
                        continue;
                    };
                    let inside: String =
                        script.lines().map(|line| format!("    {line}\n")).collect();
                    assert!(shown.contains(&inside), "{}: {shown}", batch.title);
                }
            }
        }
    }
    assert_eq!(flavours.len(), FLAVOURS.len(), "no shipped topology has one of the flavours");
}

/// The string literals among tokens, those of macros too.
struct Literals(Vec<String>);

impl Parse for Literals {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut found = Vec::new();
        while !input.is_empty() {
            let inner;
            if input.peek(syn::LitStr) {
                found.push(input.parse::<syn::LitStr>()?.value());
                continue;
            } else if input.peek(syn::token::Paren) {
                syn::parenthesized!(inner in input);
            } else if input.peek(syn::token::Brace) {
                syn::braced!(inner in input);
            } else if input.peek(syn::token::Bracket) {
                syn::bracketed!(inner in input);
            } else {
                input.step(|cursor| match cursor.token_tree() {
                    Some((_, rest)) => Ok(((), rest)),
                    None => Err(cursor.error("there is another token")),
                })?;
                continue;
            }
            found.extend(inner.call(Literals::parse)?.0);
        }
        Ok(Self(found))
    }
}

/// True for shell of more than two lines. A line that is one value and nothing else is not counted: what
/// it holds is counted where it is written.
fn is_long_shell(text: &str) -> bool {
    const MARKS: [&str; 11] = [
        "; then",
        "; do",
        "$(",
        ">/dev/null",
        "2>&1",
        "|| true",
        "|| exit",
        "&& exit",
        "done <",
        ";;",
        "esac",
    ];
    const WORDS: [&str; 30] = [
        "awk",
        "cat",
        "chmod",
        "chown",
        "cp",
        "curl",
        "etcdctl",
        "export",
        "find",
        "for",
        "getent",
        "grep",
        "if",
        "ip",
        "kubectl",
        "ln",
        "mkdir",
        "modprobe",
        "mv",
        "printf",
        "read",
        "rm",
        "sed",
        "set",
        "sysctl",
        "systemctl",
        "test",
        "touch",
        "trap",
        "while",
    ];
    let is_value = |line: &&str| line.starts_with('{') && line.ends_with('}');
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_value(line));
    let is_shell = |line: &str| {
        let first = line.split(' ').next().unwrap_or_default();
        let assigns = first == line
            && first.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            });
        WORDS.contains(&first) && first != line || assigns || MARKS.iter().any(|m| line.contains(m))
    };
    lines.clone().count() > 2 && lines.clone().any(is_shell)
}

#[test]
fn shell_of_more_than_two_lines_is_no_literal() {
    let mut wrong = Vec::new();
    for path in files(Path::new("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let Literals(all) = syn::parse_str(&text).unwrap();
        let long = all.iter().filter(|text| is_long_shell(text));
        wrong.extend(long.map(|text| format!("{}:\n{text}", path.display())));
    }
    assert!(wrong.is_empty(), "a file beside it, please:\n{}", wrong.join("\n"));
}

#[test]
fn long_shell_is_told_from_short_and_from_other_text() {
    let Literals(found) =
        syn::parse_str(r##"fn a() { b!(["x", { r#"set -eu"# }]); c("\n") }"##).unwrap();
    assert_eq!(found, ["x", "set -eu", "\n"]);
    for long in [
        "cd /tmp\nls\nrm -rf x\n",
        "A={a}\nB={b}\nC={c}\n{rest}",
        "x() { y; }\nuntil x; do\n  sleep 1\ndone\n",
    ] {
        assert!(is_long_shell(long), "{long}");
    }
    for other in ["set -eu\nexport PATH={path}\n{script}\n", "a: b\nc: d\ne: f\n", "rm a\nrm b\n"] {
        assert!(!is_long_shell(other), "{other}");
    }
}
