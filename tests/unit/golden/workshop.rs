//! The workshop's pages: each stage has one, with the steps and checks that the code has, and every
//! command in README and docs is one that the command line understands.

use std::fs;
use std::path::Path;
use std::process::Command;

use lab::engine::Session;
use lab::kubernetes::DEFAULT;
use lab::kubernetes::stage::Stage;
use lab::model::platform::Acceleration;

use crate::rig::{self, documents};

const BEGIN: &str = "<!-- made by `make golden` -->\n";
const END: &str = "<!-- end -->\n";

/// The shipped topology that shows a stage, and the lab of it.
fn shown(stage: &Stage, home: &Path) -> Session {
    let topology = match stage.name {
        "load-balancer" => rig::shipped("book"),
        "firewall" => rig::worked("shut"),
        "outside" | "registry-logins" => rig::worked("company"),
        _ => rig::shipped("three"),
    };
    rig::session(&topology, home)
}

fn generated(stage: &Stage) -> String {
    let home = rig::home();
    let session = shown(stage, home.path());
    let mut prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    let image = ("coredns".to_owned(), "registry.k8s.io/coredns/coredns:v1".to_owned());
    prepared.platform.addon_images.insert("coredns".into(), [image].into());
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
    let plan = stage.plan(&session.lab, &session.templates).unwrap();
    text.push_str(
        "\n## What `lab verify` asks\n\n| check | proves | look at |\n| --- | --- | --- |\n",
    );
    let mut told = Vec::new();
    for check in plan.nodes.iter().chain(&plan.cluster).filter(|check| !check.quiet) {
        // The same check of other nodes says nothing new.
        if !told.contains(&(check.name.clone(), &check.proves)) {
            told.push((check.name.clone(), &check.proves));
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
    for stage in DEFAULT.stages {
        let path = documents::path(stage.name);
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
            assert!(stage.page == page, "{path} is not the page that {} has", stage.name);
            assert!(page == wanted, "{path} is not what the code says; run `make golden`");
        }
    }
}

/// Every command of README and docs is understood: asked for help in its place, `lab` first reads all
/// words before. Nothing is carried out.
#[test]
fn commands_in_the_documents_are_understood() {
    let all = documents::commands();
    for (path, line) in &all {
        let mut words = documents::words(line);
        // What kubectl understands is kubectl's.
        if words[0] == "kubectl" {
            continue;
        }
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.truncate(end);
        let output = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(&words)
            .arg("--help")
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: `{line}`: {said}", path.display());
    }
    assert!(all.len() > 50, "only {} commands found", all.len());
}

/// Commands that no page's walk on real guests types, and the tests that do.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "lab console worker1",
        "tests/guests/system_libvirt/mod.rs: nodes_come_go_off_and_on_and_leave",
    ),
    ("lab addons", "tests/unit/cli/addons.rs"),
    ("lab images", "tests/unit/cli/images.rs, tests/guests/system_libvirt/mod.rs"),
    ("lab lesson", "tests/machines/course.rs, tests/machines/faults.rs"),
    ("lab doctor", "tests/unit/doctor.rs, tests/guests/system_libvirt/mod.rs"),
    ("lab down", "tests/guests/three/to_nothing.rs"),
    ("lab forward", "tests/guests/three/programs.rs: a_kubectl_of_ones_own_reaches_the_api"),
    ("lab init --from three", "tests/unit/cli/topologies.rs"),
    ("lab kubectl apply -f app.yaml", "tests/guests/three/mod.rs: serve_a_page"),
    ("lab link", "tests/machines/existing.rs, tests/guests/system_libvirt/networks.rs"),
    ("lab logs -f kubelet", "tests/guests/pages.rs: a_journal_is_followed"),
    ("lab restart worker1", "tests/guests/ordinary_user/copies.rs"),
    ("lab shell", "tests/guests/three/programs.rs"),
    ("lab snapshot ", "tests/guests/three/stressed/frozen.rs"),
    ("lab ssh worker1", "tests/guests/three/programs.rs"),
    ("lab up", "tests/guests/three/mod.rs, tests/guests/whole_clusters.rs"),
    ("lab status --lab book", "tests/guests/whole_clusters.rs"),
    ("lab verify", "tests/guests/three/stressed/frozen.rs, tests/guests/whole_clusters.rs"),
];

/// Every command in README and docs is carried out by a test.
#[test]
fn commands_in_the_documents_are_typed_somewhere() {
    let mut typed: Vec<String> = documents::LOOKS.iter().map(|line| (*line).to_owned()).collect();
    for stage in DEFAULT.stages {
        let page = documents::page(stage.name);
        typed.extend(documents::block(&page, "## Look"));
        typed.extend(documents::block(&page, "## Break it"));
    }
    // tests/machines/kubeadm.rs types these.
    for (_, path) in documents::PAGES {
        let page = fs::read_to_string(path).unwrap();
        typed.extend(documents::block(&page, "## Look"));
        typed.extend(documents::block(&page, "## Break it"));
    }
    let mut used = std::collections::BTreeSet::new();
    for (path, line) in documents::commands() {
        if typed.contains(&line) {
            continue;
        }
        let found = ELSEWHERE.iter().find(|(start, _)| line.starts_with(start));
        let (start, _) =
            found.unwrap_or_else(|| panic!("{}: no test types `{line}`", path.display()));
        used.insert(*start);
    }
    for (line, tests) in ELSEWHERE {
        let files = tests.split(", ").map(|test| test.split(": ").next().unwrap());
        for file in files {
            assert!(Path::new(file).is_file(), "`{line}`: there is no {file}");
        }
    }
    let stale: Vec<_> = ELSEWHERE.iter().filter(|(start, _)| !used.contains(start)).collect();
    assert!(stale.is_empty(), "{stale:?}");
}
