//! The map in ARCHITECTURE.md, held against the code: who may import whom, and how large a file is.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the bottom to the top: each may import those before it.
const ROOMS: &[&str] =
    &["model", "pki", "render", "drivers", "kubernetes", "plan", "engine", "cli"];

pub fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for (level, room) in ROOMS.iter().enumerate() {
        for path in sources(&Path::new("src").join(room)) {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                for above in &ROOMS[level + 1..] {
                    if code.contains(&format!("crate::{above}::")) {
                        wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the map:\n{}", wrong.join("\n"));
}

#[test]
fn lower_rooms_do_no_io() {
    let forbidden = ["std::fs", "std::net::Tcp", "std::process::Command", "tokio::", "std::env::"];
    for room in ["model", "pki", "render", "kubernetes", "plan"] {
        for path in sources(&Path::new("src").join(room)) {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for word in forbidden {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn files_stay_small() {
    for folder in ["src", "tests"] {
        for path in sources(Path::new(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
        }
    }
}

/// They are built by hand, with a lock of their own: nobody else would notice that it is old.
#[test]
fn the_lock_of_the_fuzz_targets_has_every_dependency() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let (_, rest) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (section, _) = rest.split_once("\n[").unwrap();
    let lock = fs::read_to_string("fuzz/Cargo.lock").unwrap();
    let names: Vec<&str> = section.lines().filter_map(|line| line.split(" =").next()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.iter().filter(|name| !name.is_empty()) {
        assert!(lock.contains(&format!("name = \"{name}\"\n")), "{name} is not in fuzz/Cargo.lock");
    }
}

/// Every test file is a module of one of the four crates, and every way into the rig is the same.
#[test]
fn the_rig_is_taken_in_once_by_each_crate() {
    let mut found = Vec::new();
    for path in sources(Path::new("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        let ways = text.lines().filter(|line| line.starts_with("#[path"));
        found.extend(ways.map(|way| format!("{}: {way}", path.display())));
    }
    found.sort();
    let wanted = ["guests", "machines", "namespaces", "unit"]
        .map(|name| format!("tests/{name}/main.rs: #[path = \"../rig/mod.rs\"]"));
    assert_eq!(found, wanted);
}

#[test]
fn rooms_show_what_they_hold() {
    for room in ["engine", "cli", "drivers"] {
        let entries = fs::read_dir(Path::new("src").join(room)).unwrap().count();
        assert!(entries <= 12, "src/{room} has {entries} entries at its top level");
    }
}

/// What a flavour of Kubernetes knows and the engine asks it for, comments and tests left out.
#[test]
fn the_engine_spells_no_kubernetes() {
    let stages: Vec<String> =
        lab::kubernetes::DEFAULT.stages.iter().map(|stage| format!("\"{}\"", stage.name)).collect();
    let programs = ["kubectl", "etcdctl", "kubelet", "kubeadm", "kube-", "haproxy", "keepalived"];
    let mut wrong = Vec::new();
    for path in sources(Path::new("src/engine")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let spelled = programs.iter().any(|word| code.contains(word));
            if spelled || stages.iter().any(|stage| code.contains(stage.as_str())) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "the engine knows Kubernetes by name:\n{}", wrong.join("\n"));
}
