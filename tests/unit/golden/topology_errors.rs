//! Every bad topology in `tests/errors/` gives the very text beside it: error messages are golden
//! files, too. `make golden` writes them anew.

use std::fs;
use std::path::Path;
use std::process::Command;

fn cases() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("tests/errors")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().map(str::to_owned))
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    names
}

/// What `lab validate` says of a file in `folder`, and its exit code.
fn validate(folder: &Path, name: &str, home: &Path) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["validate", "-f", name])
        .current_dir(folder)
        .env("HOME", home)
        .env("NO_COLOR", "1")
        .env_remove("LAB_FILE")
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

/// True when `text` is what the file beside the bad topology says.
fn is_golden(name: &str, text: &str) -> bool {
    let golden = Path::new("tests/errors").join(name.replace(".yaml", ".txt"));
    if std::env::var_os("LAB_UPDATE_GOLDEN").is_some() {
        fs::write(&golden, text).unwrap();
    }
    fs::read_to_string(&golden).unwrap_or_default() == text
}

#[test]
fn every_bad_topology_has_its_message() {
    let names = cases();
    assert!(names.len() >= 60, "only {} bad topologies", names.len());
    let home = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for name in &names {
        let (text, exit) = validate(Path::new("tests/errors"), name, home.path());
        let warning = name.starts_with("warn-");
        let code = if warning { 0 } else { 2 };
        assert_eq!(exit, Some(code), "{name}: {text}");
        assert!(!text.contains("panicked"), "{name}: {text}");
        if !text.contains("help:") {
            wrong.push(format!("{name} says no cure:\n{text}"));
        }
        if !is_golden(name, &text) {
            wrong.push(format!("{name} says:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "validating a topology wrote files");
}

/// Made here: a file of that size has no place among the others.
#[test]
fn a_file_too_large_for_a_topology_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = "# nothing but comments\n".repeat(1 << 16);
    fs::write(dir.path().join("too-large.yaml"), text).unwrap();
    let (text, exit) = validate(dir.path(), "too-large.yaml", dir.path());
    assert!(text.starts_with("error[L0101]"), "{text}");
    assert_eq!(exit, Some(2));
    assert!(is_golden("too-large.yaml", &text), "{text}");
}

#[test]
fn problems_as_json_have_the_same_content() {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["validate", "-o", "json", "-f", "tests/errors/unknown-field.yaml"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = &json["problems"][0];
    assert_eq!(problem["code"], "L0111");
    assert_eq!(problem["at"]["line"], 7);
    assert!(problem["help"].as_str().unwrap().contains("memory"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn many_problems_are_shown_in_one_run() {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["validate", "-f", "tests/errors/many.yaml"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    for code in ["L0111", "L0120", "L0301", "L0302", "L0123"] {
        assert!(text.contains(code), "{code} is missing in:\n{text}");
    }
}
