//! Documents that follow from the code: the topology reference and the list of codes. `make golden`
//! writes them anew. The worked topologies in `examples/` must be valid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lab::model::code::{self, Code};
use lab::model::topology;
use lab::model::topology::schema::{Kind, TOPOLOGY, Table};

use crate::rig;

fn same_or_write(path: &str, text: &str) {
    if std::env::var_os("LAB_UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "{path} is not what the code says; run `make golden`");
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Label(max) => format!("name, at most {max} characters"),
        Kind::Pattern => "name with `%d`".into(),
        Kind::Login => "login name".into(),
        Kind::Domain => "domain name".into(),
        Kind::Integer(min, max) => format!("number, {min} to {max}"),
        Kind::Size => "amount with unit (`2GiB`)".into(),
        Kind::Address => "IPv4 address".into(),
        Kind::Network => "IPv4 network (`10.240.0.0/24`)".into(),
        Kind::AddressRange => "range (`10.240.0.200-10.240.0.250`)".into(),
        Kind::Mac => "MAC address".into(),
        Kind::Version => "version (`1.36.2`)".into(),
        Kind::Path | Kind::Folder => "path, relative to the file".into(),
        Kind::PublicKey => "SSH public key".into(),
        Kind::Choice(words) => listed(words),
        Kind::Shipped(words) => listed(words()),
        Kind::WordOr(words, table) => {
            format!("{}, or [{}](#{})", listed(words()), table.name, anchor(table))
        }
        Kind::Boolean => "`true` or `false`".into(),
        Kind::Set(words, table) => {
            let own = format!("[{}](#{})", table.name, anchor(table));
            format!("list, also an empty one, of: {}, or {own}", listed(words()))
        }
        Kind::List(item) => format!("list of: {}", self::kind(item)),
        Kind::MayBeEmpty(item) => format!("list, also an empty one, of: {}", self::kind(item)),
        Kind::TableOr(word, table) => format!("[{}](#{}), or `{word}`", table.name, anchor(table)),
        Kind::TableOrText(_, table) => format!("text, or [{}](#{})", table.name, anchor(table)),
        Kind::Named(item) => format!("by name: {}", self::kind(item)),
        Kind::Keyed(keys, item) => format!("by {}: {}", keys.what, self::kind(item)),
        Kind::Text(_) => "text".into(),
        Kind::Lifetime => "hours or days (`17520h`, `730d`)".into(),
        Kind::Table(table) => format!("[{}](#{})", table.name, anchor(table)),
        Kind::Pairs(pairs) => pairs.what.into(),
        Kind::Host => "name or address".into(),
        Kind::Taint => "taint (`key=value:NoSchedule`)".into(),
        Kind::UserData => "cloud-config, a script, or a list of these".into(),
    }
}

fn anchor(table: &Table) -> String {
    table.name.replace(' ', "-")
}

fn describe(table: &Table, text: &mut String, done: &mut Vec<&'static str>) {
    if done.contains(&table.name) {
        return;
    }
    done.push(table.name);
    text.push_str(&format!(
        "\n## {}\n\n| field | holds | meaning |\n| --- | --- | --- |\n",
        table.name
    ));
    for field in table.fields {
        let needed = if field.required { " (required)" } else { "" };
        text.push_str(&format!(
            "| `{}`{needed} | {} | {} |\n",
            field.name,
            kind(&field.kind),
            field.doc()
        ));
    }
    for field in table.fields {
        let mut inner = &field.kind;
        while let Kind::List(item) | Kind::Named(item) | Kind::Keyed(_, item) = inner {
            inner = item;
        }
        if let Kind::Table(table)
        | Kind::TableOr(_, table)
        | Kind::TableOrText(_, table)
        | Kind::Set(_, table)
        | Kind::WordOr(_, table) = inner
        {
            describe(table, text, done);
        }
    }
}

#[test]
fn the_topology_reference_follows_the_schema() {
    let mut text = String::from(
        "# Topology reference\n\nMade from the schema by `make golden`; `lab schema` gives the same to editors.\n\n\
         Where lab names the fields, those that begin with `x-` are nobody's: they are a place for values with an anchor (`&name`), which `*name`\n\
         repeats and a merge key (`<<: *name`) puts into a mapping. What is given to cloud-init in `user_data` is\n\
         cloud-config, as a mapping or as text that begins with `#cloud-config`, or a script that begins with `#!`, or a\n\
         list of these. It keeps the meaning that cloud-init's own reader gives to what stands there; scripts keep every\n\
         byte, and run once, at the end of the first boot. A path that begins with `./`, `../` or `/` names a file with either, from the\n\
         folder of the topology.\n\n\
         Values may hold variables of the environment: `${NAME}`, `${NAME:-default}`, `${NAME:?why}`, and `$${` for the characters\n\
         themselves; within `{...}` and `[...]` they stand in quotes. What is below `user_data` stays as it is. `--set nodes.worker.count=3` says one\n\
         value for one command. With `-f` twice the later file changes the first: mappings are gone through field by field, and all else takes\n\
         the place of what was there; paths count from the folder of the first. A lab remembers its topology with all of them filled in.\n",
    );
    describe(&TOPOLOGY, &mut text, &mut Vec::new());
    same_or_write("docs/topology.md", &text);
}

/// A code as a chapter: what it means and what to do.
fn chapter(code: &Code) -> String {
    let cures: String = code.cures.iter().map(|cure| format!("- {cure}\n")).collect();
    format!("\n## {}: {}\n\n{}\n\n{cures}", code.id, code.title, code.means)
}

/// Messages of bad topologies, by their codes: from the tests.
fn examples() -> BTreeMap<String, BTreeSet<String>> {
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir("tests/errors").unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let code = line.strip_prefix("error[").or_else(|| line.strip_prefix("warning["));
            if let Some((code, message)) = code.and_then(|rest| rest.split_once("]: ")) {
                codes.entry(code.into()).or_default().insert(message.into());
            }
        }
    }
    codes
}

#[test]
fn the_list_of_codes_follows_the_table() {
    let examples = examples();
    let mut text = String::from(
        "# Codes of topologies\n\nEach problem of a topology has a stable code; `lab help CODE` prints its entry. Messages are examples from\nthe tests. Codes from L0601 on are in [troubleshooting](troubleshooting.md).\n",
    );
    for code in code::all().filter(|code| code.is_of_topologies()) {
        let shown = examples.get(code.id).unwrap_or_else(|| panic!("{} has no example", code.id));
        let shown: String = shown.iter().take(3).map(|message| format!("{message}\n")).collect();
        text.push_str(&format!(
            "{}\nMessages of this kind:\n\n```text\n{shown}```\n",
            chapter(code)
        ));
    }
    text.push_str("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for (code, meaning) in lab::model::exit::ALL {
        text.push_str(&format!("| {code} | {meaning} |\n"));
    }
    same_or_write("docs/errors.md", &text);
}

#[test]
fn troubleshooting_follows_the_codes() {
    let mut text = String::from(
        "# Troubleshooting, by code\n\nEvery message that ends a command or a task carries a code; `lab help CODE` prints its entry. Codes of\ntopologies (L01xx to L05xx) are in [errors](errors.md).\n",
    );
    for code in code::all().filter(|code| !code.is_of_topologies()) {
        text.push_str(&chapter(code));
    }
    same_or_write("docs/troubleshooting.md", &text);
}

#[test]
fn codes_are_in_order_and_each_has_its_help() {
    let mut before = "";
    for code in code::all() {
        assert!(before < code.id, "{} is out of order", code.id);
        before = code.id;
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(["help", code.id])
            .env_clear()
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains(code.means), "{}: {help}", code.id);
        let listed = help.contains("Messages of this kind:\n  - ");
        assert_eq!(listed, code.is_of_topologies(), "{}: {help}", code.id);
    }
}

/// What all files of a folder say, one after the other, but for those of `left_out`.
fn texts(folder: &Path, left_out: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path == left_out => {}
            path if path.is_dir() => texts(&path, left_out, text),
            path => text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap())),
        }
    }
}

/// Names that the table gives its codes, by id.
fn names() -> BTreeMap<String, String> {
    let mut table = String::new();
    texts(Path::new("src/model/code"), Path::new(""), &mut table);
    let row = |line: &str| {
        let (name, rest) = line.trim().split_once(" \"")?;
        Some((rest.split_once('"')?.0.to_owned(), name.to_owned()))
    };
    table.lines().filter_map(row).filter(|(id, _)| code::find(id).is_some()).collect()
}

/// True when `text` has the name as a word of its own.
fn says(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

/// True when a test meets the code: in a message that is as it was, or by asking for it.
fn is_provoked(tests: &str, id: &str) -> bool {
    [format!("[{id}]"), format!("\"{id}\"")].iter().any(|words| tests.contains(words))
}

#[test]
fn every_code_is_provoked_by_a_test() {
    let mut tests = String::new();
    texts(Path::new("tests"), Path::new("tests/unit/golden/docs.rs"), &mut tests);
    assert!(!is_provoked(&tests, "L9999"), "that there is none is asked for, too");
    let without = code::all().map(|code| code.id).filter(|id| !is_provoked(&tests, id));
    assert_eq!(without.collect::<Vec<_>>(), [] as [&str; 0], "codes that no test provokes");
}

/// An entry that nothing says any more helps nobody, and a literal says no entry.
#[test]
fn every_code_is_said_by_its_name_and_nowhere_by_its_id() {
    let mut text = String::new();
    texts(Path::new("src"), Path::new("src/model/code"), &mut text);
    let names = names();
    for code in code::all() {
        let name = &names[code.id];
        assert!(says(&text, name), "{} ({name}) is never said", code.id);
        assert!(!text.contains(&format!("\"{}\"", code.id)), "{} is a literal", code.id);
    }
}

#[test]
fn the_list_of_events_follows_the_code() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["schema", "events"])
        .env_clear()
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut text = String::from(
        "# Events\n\n`lab up -o json` prints one JSON object per line while it works; the run log (`lab runs show -o json`) holds\nthe same, with the seconds since the run began. `lab schema events` prints the JSON Schema. New fields and\nevents may come; what is here stays. `ended` is the last line; a stream without it was cut.\n",
    );
    for event in schema["oneOf"].as_array().unwrap() {
        let name = event["properties"]["event"]["const"].as_str().unwrap();
        text.push_str(&format!("\n## `{name}`\n\n{}\n\n", event["description"].as_str().unwrap()));
        fields(&schema, event, &mut text);
    }
    for (name, part) in schema["$defs"].as_object().unwrap() {
        text.push_str(&format!("\n## {name}\n\n{}\n\n", part["description"].as_str().unwrap()));
        match part["oneOf"].as_array() {
            Some(words) => words.iter().for_each(|word| {
                let (name, what) = (&word["const"], &word["description"]);
                let (name, what) = (name.as_str().unwrap(), what.as_str().unwrap());
                text.push_str(&format!("- `{name}`: {what}\n"));
            }),
            None => fields(&schema, part, &mut text),
        }
    }
    same_or_write("docs/events.md", &text);
}

/// The fields of an object as a table; those of the part that it takes over among them.
fn fields(schema: &serde_json::Value, object: &serde_json::Value, text: &mut String) {
    text.push_str("| field | holds | meaning |\n| --- | --- | --- |\n");
    let taken =
        object["$ref"].as_str().map(|path| &schema["$defs"][path.rsplit('/').next().unwrap()]);
    for part in [Some(object), taken].into_iter().flatten() {
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            if name == "event" {
                continue;
            }
            let meaning = field["description"].as_str().unwrap_or_default().replace('\n', " ");
            text.push_str(&format!("| `{name}` | {} | {meaning} |\n", holds(field)));
        }
    }
}

fn holds(field: &serde_json::Value) -> String {
    let named = |path: &str| {
        let name = path.rsplit('/').next().unwrap().to_owned();
        format!("[{name}](#{})", name.to_lowercase())
    };
    if let Some(path) = field["$ref"].as_str() {
        return named(path);
    }
    if let Some(choices) = field["anyOf"].as_array() {
        return choices.iter().map(holds).collect::<Vec<_>>().join(" or ");
    }
    match &field["type"] {
        serde_json::Value::String(kind) if kind == "array" => {
            format!("list of {}", holds(&field["items"]))
        }
        serde_json::Value::String(kind) => kind.clone(),
        serde_json::Value::Array(kinds) => {
            kinds.iter().filter_map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ")
        }
        other => panic!("a field of the type {other}"),
    }
}

/// What `--help` says of each command, so that a page has it and a change of it is seen.
#[test]
fn the_list_of_commands_follows_the_command_line() {
    let help = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lab"));
        let output = command.arg("help").args(arguments).env_clear().output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let names = |text: &str| -> Vec<String> {
        let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
        let own = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        own.map(first).filter(|name| name != "help").collect()
    };
    let top = help(&[]);
    let mut text = format!(
        "# Commands\n\nMade from the command line itself by `make golden`. The options of the first page go with every command.\n\n```text\n{top}```\n",
    );
    // Every command understands these; said once.
    let options = top.split("\nOptions:\n").nth(1).unwrap();
    for name in names(&top) {
        let page = help(&[&name]);
        text.push_str(&format!("\n## {name}\n\n```text\n{}```\n", own(&page, options)));
        for inner in names(&page) {
            let page = help(&[&name, &inner]);
            text.push_str(&format!(
                "\n### {name} {inner}\n\n```text\n{}```\n",
                own(&page, options)
            ));
        }
    }
    same_or_write("docs/commands.md", &text);
}

/// A page without the options that all commands have.
fn own(page: &str, common: &str) -> String {
    let starts = |line: &str| line.trim_start().starts_with('-') && line.starts_with("  ");
    let shared = |line: &str| common.lines().any(|other| starts(other) && other == line);
    let (mut text, mut dropping) = (String::new(), false);
    for line in page.lines() {
        if starts(line) || !(line.starts_with(' ') || line.is_empty()) {
            dropping = starts(line) && shared(line);
        }
        if !dropping {
            text.push_str(&format!("{}\n", line.trim_end()));
        }
    }
    let text = text.replace("\n\n\n", "\n\n");
    let nothing = text.trim_end().strip_suffix("Options:");
    nothing.map_or(text.clone(), |text| format!("{}\n", text.trim_end()))
}

#[test]
fn worked_topologies_are_valid() {
    let mut seen = 0;
    for entry in fs::read_dir("examples").unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = rig::worked(path.file_stem().unwrap().to_str().unwrap());
            let loaded = topology::load(&text, &rig::owner());
            assert!(loaded.is_ok_and(|l| l.warnings.is_empty()), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}
