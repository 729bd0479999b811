//! What a person gives cloud-init: cloud-config as a mapping or as text, and scripts. Read here, and handed on as
//! [`UserData`].

mod keys;
mod shape;

use crate::model::code;
use crate::model::near::nearest;
use crate::model::topology::cloud_config::keys::Key;
use crate::model::topology::given::Value;
use crate::model::topology::problem::{Problem, Span, printable};
use crate::model::topology::yaml::{self, Entry, Node, Value as Yaml};
use crate::model::user_data::{Meaning, UserData, meaning};

/// The first line of cloud-config that is written as text.
const CLOUD_CONFIG: &str = "#cloud-config";
/// What else cloud-init takes, told by its beginning, and why it is not taken here.
const OTHERS: &[(&str, &str)] = &[
    (
        "## template:",
        "a template is filled in on the node, so that nobody can say before what it asks for",
    ),
    (
        "#include",
        "what would be fetched is not in this file, so that nobody can say before what it asks for",
    ),
    ("#cloud-boothook", "a boothook runs at each boot before anything is set up"),
    ("#part-handler", "a part handler changes how cloud-init reads"),
    ("#cloud-config-archive", "an archive has parts of several kinds"),
    ("#cloud-config-jsonp", "a patch changes what lab itself writes"),
    ("content-type:", "it is a message of several parts"),
    ("mime-version:", "it is a message of several parts"),
];

/// Reads what is given; what lab owns is left alone.
pub(crate) fn check(node: &Node, problems: &mut Vec<Problem>) -> Value {
    let mut all = UserData::default();
    match &node.value {
        Yaml::List(items) => items.iter().for_each(|item| all.add(&part(item, problems))),
        _ => all = part(node, problems),
    }
    Value::UserData(all)
}

/// One mapping or one text.
fn part(node: &Node, problems: &mut Vec<Problem>) -> UserData {
    match &node.value {
        Yaml::Map(entries) => of_mapping(entries, node, problems),
        Yaml::Scalar { text, .. } => of_text(text, &node.span, problems),
        other => {
            let message =
                format!("'user_data' must be cloud-config or a script, not {}", other.kind());
            problems.push(wrong_shape(&node.span, message));
            UserData::default()
        }
    }
}

fn wrong_shape(at: &Span, message: impl Into<String>) -> Problem {
    Problem::error(&code::WRONG_SHAPE, at, message).help(
        "write cloud-config keys below it, like `packages: [tree]`; or `|` and a text that begins with \
         `#cloud-config` or `#!/bin/sh`; or a list of these",
    )
}

fn of_text(text: &str, at: &Span, problems: &mut Vec<Problem>) -> UserData {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first.starts_with("#!") {
        return UserData { config: Vec::new(), scripts: vec![text.to_owned()] };
    }
    if first == CLOUD_CONFIG {
        return of_config(text, at, problems);
    }
    let lower = first.to_ascii_lowercase();
    let other = OTHERS.iter().find(|(begins, _)| lower.starts_with(begins));
    let message = match other {
        Some((begins, why)) => {
            format!("a user_data that begins with '{begins}' is not taken: {why}")
        }
        None => format!(
            "this begins with '{}', so it is neither cloud-config nor a script",
            printable(first)
        ),
    };
    let is_path = other.is_none() && text.trim() == first && !first.contains(char::is_whitespace);
    let problem = wrong_shape(at, message);
    problems.push(match is_path && first.contains('.') {
        true => {
            problem.help(format!("a file is named from `./` on: write `./{}`", printable(first)))
        }
        false => problem,
    });
    UserData::default()
}

/// cloud-config as text: its own places are lines of it, the place in the file is that of the whole.
fn of_config(text: &str, at: &Span, problems: &mut Vec<Problem>) -> UserData {
    let mut own = Vec::new();
    let user_data = match yaml::parse(text) {
        Ok(root) => match &root.value {
            Yaml::Map(entries) => of_mapping(entries, &root, &mut own),
            other => {
                let message = format!("cloud-config is a mapping, not {}", other.kind());
                own.push(wrong_shape(&root.span, message));
                UserData::default()
            }
        },
        Err(refused) => {
            own = refused.into_iter().map(in_a_text).collect();
            UserData::default()
        }
    };
    problems.extend(own.into_iter().map(|problem| {
        let start = problem.span.as_ref().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let message = format!("in line {line} of this text: {}", problem.message);
        Problem { message, span: Some(at.clone()), related: Vec::new(), ..problem }
    }));
    user_data
}

/// Words for texts where those of whole files are wrong.
fn in_a_text(problem: Problem) -> Problem {
    let (message, help) = match problem.code {
        code if code == &code::EMPTY_FILE => {
            ("nothing stands below its first line", "write keys below it")
        }
        code if code == &code::SECOND_DOCUMENT => {
            ("a second document begins", "remove the line `---`")
        }
        _ => return problem,
    };
    Problem { message: message.to_owned(), ..problem }.help(help)
}

fn of_mapping(entries: &[Entry], node: &Node, problems: &mut Vec<Problem>) -> UserData {
    for entry in entries {
        problems.extend(wrong_key(entry));
        if let Some(Key::Known(shape)) = keys::find(&entry.key) {
            shape::check(shape, &entry.key, &entry.node, problems);
        }
    }
    dates(node, problems);
    let pair = |entry: &Entry| (entry.as_key(), entry.node.document());
    UserData { config: entries.iter().map(pair).collect(), scripts: Vec::new() }
}

/// What is wrong with a key.
fn wrong_key(entry: &Entry) -> Option<Problem> {
    let (key, at) = (entry.key.as_str(), &entry.key_span);
    let shown = printable(key);
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let problem = match keys::find(key) {
        Some(Key::Known(_)) => return None,
        Some(Key::Owned) => Problem::error(
            &code::OWNED_CLOUD_CONFIG,
            at,
            format!("'{shown}' is written by lab itself"),
        )
        .help("remove it; names, logins, keys and addresses come from the topology"),
        Some(Key::Useless(why, cure)) => Problem::error(
            &code::USELESS_CLOUD_CONFIG,
            at,
            format!("'{shown}' does nothing here: {why}"),
        )
        .help(cure),
        None if key.is_empty() || !plain => Problem::error(
            &code::BAD_CLOUD_CONFIG_KEY,
            at,
            format!("'{shown}' is not a cloud-config key"),
        )
        .help("use keys such as packages, write_files, runcmd, timezone"),
        None => {
            let cure = match nearest(key, keys::names()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => {
                    "cloud-init ignores what it does not know; a module of your own may know it"
                        .into()
                }
            };
            Problem::warning(
                &code::UNKNOWN_CLOUD_CONFIG,
                at,
                format!("cloud-init knows no key '{shown}'"),
            )
            .help(cure)
        }
    };
    Some(problem)
}

/// Names what looks like a date that is none: cloud-init could not read the whole of its configuration.
fn dates(node: &Node, problems: &mut Vec<Problem>) {
    match &node.value {
        Yaml::Scalar { text, plain: true } => problems.extend(no_date(text, &node.span)),
        Yaml::List(items) => items.iter().for_each(|item| dates(item, problems)),
        Yaml::Map(entries) => entries.iter().for_each(|entry| {
            problems.extend(no_date(&entry.key, &entry.key_span).filter(|_| entry.is_plain));
            dates(&entry.node, problems);
        }),
        _ => {}
    }
}

fn no_date(text: &str, at: &Span) -> Option<Problem> {
    let is_one = meaning(text) == Meaning::NoDate;
    let message = format!("'{}' looks like a date, and no calendar has it", printable(text));
    let problem = Problem::error(&code::BAD_CLOUD_CONFIG, at, message);
    is_one.then(|| problem.help(format!("quote it: \"{}\"", printable(text))))
}
