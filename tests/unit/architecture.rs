//! The map in ARCHITECTURE.md, held against the code: who may import whom, and how large a file is.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the bottom to the top: each may import those before it.
const ROOMS: &[&str] = &["model", "pki", "render", "stages", "plan", "drivers", "engine", "cli"];

fn sources(dir: &Path) -> Vec<PathBuf> {
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
    for room in ["model", "pki", "render", "stages", "plan"] {
        for path in sources(&Path::new("src").join(room)) {
            let text = fs::read_to_string(&path).unwrap();
            for word in forbidden {
                assert!(!text.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn files_stay_small() {
    for path in sources(Path::new("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}
