//! What cloud-config's keys hold: what cloud-init would stumble over is named with its place.

use crate::model::code;
use crate::model::topology::problem::{Problem, printable};
use crate::model::topology::yaml::{Node, Value as Yaml};
use crate::model::user_data::{Meaning, meaning};

/// How a list is written.
const DASHES: &str = "begin each item below it with a dash and a blank: `- item`";

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Commands: text for a shell, or lists of words.
    Commands,
    /// Names of packages, or lists of name and version.
    Packages,
    /// Mappings with a `path`.
    Files,
    /// A list.
    List,
    /// A mapping.
    Mapping,
    /// True or false.
    Truth,
    /// A single value.
    Text,
    /// Several of these.
    Anything,
}

/// Adds what is wrong with the value of `key`.
pub(super) fn check(shape: Shape, key: &str, node: &Node, problems: &mut Vec<Problem>) {
    // What has no value is as if it were not there.
    if matches!(node.value, Yaml::Null) {
        return;
    }
    match shape {
        Shape::Commands => items(key, node, command, problems),
        Shape::Packages => items(key, node, package, problems),
        Shape::Files => items(key, node, file, problems),
        Shape::List if !matches!(node.value, Yaml::List(_)) => {
            problems.push(wrong(key, node, "a list", DASHES));
        }
        Shape::Mapping if !matches!(node.value, Yaml::Map(_)) => {
            problems.push(wrong(
                key,
                node,
                "a mapping",
                "write `name: value` lines below it, indented",
            ));
        }
        Shape::Truth if !is_truth(node) => {
            problems.push(wrong(
                key,
                node,
                "true or false",
                &format!("write `{key}: true` or `{key}: false`"),
            ));
        }
        Shape::Text if !matches!(node.value, Yaml::Scalar { .. }) => {
            problems.push(wrong(key, node, "a single value", &format!("write `{key}: value`")));
        }
        _ => {}
    }
}

fn wrong(key: &str, node: &Node, wanted: &str, cure: &str) -> Problem {
    let message = format!("'{key}' must be {wanted}, not {}", node.value.kind());
    Problem::error(&code::BAD_CLOUD_CONFIG, &node.span, message).help(cure)
}

fn items(
    key: &str,
    node: &Node,
    item: fn(&str, &Node) -> Option<Problem>,
    problems: &mut Vec<Problem>,
) {
    match &node.value {
        Yaml::List(all) => problems.extend(all.iter().filter_map(|one| item(key, one))),
        _ => problems.push(wrong(key, node, "a list", &as_list(key, node))),
    }
}

/// How a value becomes the list that was meant.
fn as_list(key: &str, node: &Node) -> String {
    match node.text() {
        Some(text) if key == "packages" => {
            let names: Vec<&str> = text.split([' ', ',']).filter(|name| !name.is_empty()).collect();
            format!("write it as `[{}]`", names.join(", "))
        }
        Some(text) if text.len() < 60 && !text.contains(['"', '\\', '\n', '`']) => {
            format!("write it as `[\"{text}\"]`")
        }
        _ => DASHES.to_owned(),
    }
}

fn command(key: &str, node: &Node) -> Option<Problem> {
    let cure =
        "write the command as text, in quotes where it has `: ` in it, or as a list of words";
    match &node.value {
        Yaml::Null => None,
        Yaml::List(words) => {
            let is_word =
                |word: &&Node| !matches!(word.value, Yaml::Scalar { .. } | Yaml::Binary(_));
            let Some(odd) = words.iter().find(is_word) else {
                return words.iter().find_map(another);
            };
            Some(wrong(key, odd, "commands, whose words are text", cure))
        }
        Yaml::Scalar { text, plain } if !plain || meaning(text) == Meaning::Text => None,
        Yaml::Scalar { .. } => {
            let message =
                format!("a command of '{key}' is a number, a date or a truth to YAML, not text");
            Some(Problem::error(&code::BAD_CLOUD_CONFIG, &node.span, message).help("quote it"))
        }
        _ => Some(wrong(key, node, "commands", cure)),
    }
}

/// A word that cloud-init would write otherwise than it stands here: `0644` is the number 420, `on` the word True.
fn another(word: &Node) -> Option<Problem> {
    let Yaml::Scalar { text, plain: true } = &word.value else { return None };
    let is_decimal = text.parse::<u64>().is_ok_and(|number| number.to_string() == *text);
    if meaning(text) == Meaning::Text || is_decimal {
        return None;
    }
    let message = format!(
        "'{}' is no text to YAML, and cloud-init would write another word",
        printable(text)
    );
    let cure = format!("quote it: \"{}\"", printable(text));
    Some(Problem::error(&code::BAD_CLOUD_CONFIG, &word.span, message).help(cure))
}

fn package(key: &str, node: &Node) -> Option<Problem> {
    match &node.value {
        Yaml::List(words) => words.iter().find_map(another),
        // `snap:` and `apt:` are lists of their own.
        Yaml::Scalar { .. } | Yaml::Map(_) => None,
        _ => Some(wrong(key, node, "names of packages", "write `- name` or `- [name, version]`")),
    }
}

fn file(key: &str, node: &Node) -> Option<Problem> {
    if !matches!(node.value, Yaml::Map(_)) {
        let cure = "write `- path: /etc/one` with `content:` and so on below it";
        return Some(wrong(key, node, "mappings, one for each file", cure));
    }
    let path = node.get("path").and_then(Node::text).unwrap_or_default();
    if path.starts_with('/') {
        return None;
    }
    let message = format!("a file of '{key}' has no `path` that begins with '/'");
    let cure = "add the line `path: /where/it/goes`";
    Some(Problem::error(&code::BAD_CLOUD_CONFIG, &node.span, message).help(cure))
}

fn is_truth(node: &Node) -> bool {
    // cloud-init takes words in quotes, too.
    node.text().is_some_and(|text| {
        let lower = text.to_ascii_lowercase();
        matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "1" | "0")
    })
}
