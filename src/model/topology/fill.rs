//! Variables of a topology's text, and single values set from outside: both before it is read, so that what is
//! remembered of a lab is a text which says all of it.

use std::collections::BTreeMap;

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::{Problem, Span, printable};
use crate::model::topology::yaml::{self, Node, Value};

/// What is handed to guests as it stands: shells have variables of the same spelling.
const AS_IT_STANDS: &str = "user_data";

/// The text with `${NAME}`, `${NAME:-default}`, `${NAME-default}` and `${NAME:?why}` in values filled in; `$${` is
/// `${` itself. Within `{...}` and `[...]` YAML wants them in quotes. What is below `user_data` stays as it is, and so does a text that is no YAML, which is told later.
///
/// # Errors
/// Variables that have no value, or cannot be read, with their places.
pub fn fill(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let mut found = BTreeMap::new();
    scalars(&root, text, &mut found);
    let mut problems = Vec::new();
    let mut filled = text.to_owned();
    for ((start, end), (content, plain)) in found.into_iter().rev() {
        match expand(&content, variable) {
            Ok(value) => replace(&mut filled, start..end, &spelled(&value, plain)),
            Err(flaw) => problems.push(Problem::of(&code::NO_VARIABLE, &(start..end), flaw)),
        }
    }
    problems.reverse();
    if problems.is_empty() { Ok(filled) } else { Err(problems) }
}

type Found = BTreeMap<(usize, usize), (String, bool)>;

/// Values that have a variable, each once by its place, whichever aliases repeat it.
fn scalars(node: &Node, text: &str, found: &mut Found) {
    match &node.value {
        Value::Scalar { text: content, plain } => {
            let stands = text.get(node.span.clone()).is_some_and(|own| own.contains("${"));
            if stands && content.contains("${") {
                found.insert((node.span.start, node.span.end), (content.clone(), *plain));
            }
        }
        Value::List(items) => items.iter().for_each(|item| scalars(item, text, found)),
        Value::Map(entries) => {
            let filled = entries.iter().filter(|entry| entry.key != AS_IT_STANDS);
            filled.for_each(|entry| scalars(&entry.node, text, found));
        }
        Value::Null | Value::Binary(_) => {}
    }
}

/// A value with its variables filled in.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Flaw> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let after = after.get(2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((inside, later)) = after.split_once('}') else {
            let message = format!("'{}' begins a variable that does not end", printable(text));
            return Err(Flaw::new(
                message,
                "write `${NAME}`, or `$${` for the characters themselves",
            ));
        };
        filled.push_str(&one(inside, variable)?);
        rest = later;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What stands between the braces.
fn one(inside: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Flaw> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = inside.find(|c| !is_of_name(c)).unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        let message = format!("'${{{}}}' is no variable", printable(inside));
        return Err(Flaw::new(message, "write `${NAME}`, or `$${` for the characters themselves"));
    }
    let value = variable(name);
    let not_empty = value.clone().filter(|value| !value.is_empty());
    let missing = |why: &str| {
        let message = match why {
            "" => format!("the variable {name} has no value"),
            why => format!("the variable {name} has no value: {}", printable(why)),
        };
        Flaw::new(
            message,
            format!("`export {name}=...` before, or give it a default: `${{{name}:-...}}`"),
        )
    };
    if rest.is_empty() {
        value.ok_or_else(|| missing(""))
    } else if let Some(default) = rest.strip_prefix(":-") {
        Ok(not_empty.unwrap_or_else(|| default.to_owned()))
    } else if let Some(default) = rest.strip_prefix('-') {
        Ok(value.unwrap_or_else(|| default.to_owned()))
    } else if let Some(why) = rest.strip_prefix(":?") {
        not_empty.ok_or_else(|| missing(why))
    } else {
        let message = format!("'${{{}}}' is no variable", printable(inside));
        Err(Flaw::new(message, "`:-`, `-` and `:?` may follow the name"))
    }
}

/// A value as YAML: plain where it was and can be, so that it means what it would have meant.
fn spelled(value: &str, plain: bool) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+-".contains(c);
    match plain
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.chars().all(is_plain)
    {
        true => value.to_owned(),
        // Text of JSON is text of YAML.
        false => serde_json::Value::from(value).to_string(),
    }
}

fn replace(text: &mut String, span: Span, value: &str) {
    let is_line = text.get(span.clone()).is_some_and(|old| old.ends_with('\n'));
    text.replace_range(span, &format!("{value}{}", if is_line { "\n" } else { "" }));
}

/// The text with the value at `path`, keys joined by dots, set: in its place where it stands, else where it
/// belongs. Lists and mappings are written as YAML's `[...]` and `{...}`.
///
/// # Errors
/// Why it cannot be set.
pub fn set(text: &str, path: &str, value: &str) -> Result<String, Flaw> {
    let keys: Vec<&str> = path.split('.').collect();
    let is_key = |key: &&str| {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !key.is_empty() && key.chars().all(is_fit)
    };
    if !keys.iter().all(is_key) {
        let message = format!("'{}' is not the way to a field", printable(path));
        return Err(Flaw::new(message, "join names of fields by dots, like nodes.worker.count"));
    }
    let root = yaml::parse(text)
        .map_err(|_| Flaw::new("the topology is not valid YAML", "`lab validate` says why"))?;
    let value = match value.starts_with(['[', '{']) {
        true => value.to_owned(),
        false => spelled(value, true),
    };
    put(text, &root, &keys, &value)
}

fn put(text: &str, node: &Node, keys: &[&str], value: &str) -> Result<String, Flaw> {
    let Some((key, rest)) = keys.split_first() else { return over(text, node, value) };
    match &node.value {
        Value::Map(entries) => match entries.iter().find(|entry| entry.key == *key) {
            Some(entry) => put(text, &entry.node, rest, value),
            None => Ok(beside(text, node, keys, value)),
        },
        _ => {
            let message = format!("'{}' is below a field that has no fields", keys.join("."));
            Err(Flaw::new(message, "`lab schema` shows which fields there are"))
        }
    }
}

/// A value in place of another one.
fn over(text: &str, node: &Node, value: &str) -> Result<String, Flaw> {
    let own = text.get(node.span.clone()).unwrap_or_default();
    let is_one_piece = match &node.value {
        Value::Scalar { .. } => !own.starts_with('*'),
        Value::List(_) | Value::Map(_) => own.starts_with(['[', '{']) && own.ends_with([']', '}']),
        Value::Null | Value::Binary(_) => false,
    };
    if !is_one_piece {
        let message = "the field stands there over several lines, by an alias, or without a value";
        return Err(Flaw::new(message, "set one of its fields, or change the file"));
    }
    let mut edited = text.to_owned();
    replace(&mut edited, node.span.clone(), value);
    Ok(edited)
}

/// A new first entry of a mapping.
fn beside(text: &str, node: &Node, keys: &[&str], value: &str) -> String {
    let Some((first, rest)) = keys.split_first() else { return text.to_owned() };
    let inner =
        rest.iter().rev().fold(value.to_owned(), |inner, key| format!("{{{key}: {inner}}}"));
    let entry = format!("{first}: {inner}");
    let is_flow = text.get(node.span.clone()).is_some_and(|own| own.starts_with('{'));
    let mut edited = text.to_owned();
    match node.entries().first().map(|entry| entry.key_span.start) {
        Some(at) if !is_flow => {
            let line =
                text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
            let indent = " ".repeat(at - line);
            edited.insert_str(at, &format!("{entry}\n{indent}"));
        }
        Some(at) => edited.insert_str(at, &format!("{entry}, ")),
        None => edited.insert_str(node.span.start + 1, &entry),
    }
    edited
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, Vec<String>> {
        let variable = |name: &str| match name {
            "N" => Some("3".to_owned()),
            "ODD" => Some("a: {b}\n\"c\"".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let messages = |all: Vec<Problem>| all.into_iter().map(|one| one.message).collect();
        fill(text, &variable).map_err(messages)
    }

    #[test]
    fn variables_are_filled_in_where_values_stand() {
        let text = "# ${N} stays\na: ${N}\nb: \"x${N}y\"\nc: [ '${N}', x ]\nd: ${MISSING:-4}\ne: ${EMPTY:-5}${EMPTY-6}\nf: $${N} $N\n";
        assert_eq!(
            filled(text).as_deref(),
            Ok("# ${N} stays\na: 3\nb: \"x3y\"\nc: [ \"3\", x ]\nd: 4\ne: 5\nf: \"${N} $N\"\n")
        );
        let odd = filled("a: ${ODD}\n").unwrap_or_default();
        assert_eq!(odd, "a: \"a: {b}\\n\\\"c\\\"\"\n");
        let scripts =
            "user_data: |\n  #!/bin/sh\n  echo ${MISSING}\nx: {user_data: {a: '${MISSING}'}}\n";
        assert_eq!(filled(scripts).as_deref(), Ok(scripts));
        assert_eq!(filled("a: [\n${N}").as_deref(), Ok("a: [\n${N}"), "no YAML");
    }

    #[test]
    fn what_is_repeated_by_aliases_is_filled_in_once() {
        let text = "x-a: &a {n: '${N}'}\nb: *a\nc:\n  <<: *a\n  m: ${N}\n";
        assert_eq!(
            filled(text).as_deref(),
            Ok("x-a: &a {n: \"3\"}\nb: *a\nc:\n  <<: *a\n  m: 3\n")
        );
    }

    #[test]
    fn variables_without_a_value_are_told() {
        let told = |text| filled(text).err().unwrap_or_default().join("; ");
        assert_eq!(
            told("a: ${MISSING}\nb: ${ALSO}\n"),
            "the variable MISSING has no value; the variable ALSO has no value"
        );
        assert_eq!(told("a: ${EMPTY:?say it}\n"), "the variable EMPTY has no value: say it");
        assert_eq!(told("a: ${1}\n"), "'${1}' is no variable");
        assert_eq!(told("a: ${N+1}\n"), "'${N+1}' is no variable");
        assert_eq!(told("a: \"${N\"\n"), "'${N' begins a variable that does not end");
    }

    #[test]
    fn values_are_set_in_their_place_or_where_they_belong() {
        let text =
            "name: t # mine\nnodes:\n  worker:\n    count: 1\n  flow: {count: 1}\nempty: {}\n";
        let of = |path, value| set(text, path, value).unwrap_or_default();
        assert_eq!(of("nodes.worker.count", "3"), text.replacen("count: 1", "count: 3", 1));
        assert_eq!(of("nodes.flow.count", "3"), text.replace("{count: 1}", "{count: 3}"));
        assert_eq!(of("name", "a b"), text.replace("name: t", "name: \"a b\""));
        assert_eq!(
            of("nodes.worker.labels.disk", "ssd"),
            text.replace("    count", "    labels: {disk: ssd}\n    count")
        );
        assert_eq!(of("nodes.flow.cpus", "2"), text.replace("{count: 1}", "{cpus: 2, count: 1}"));
        assert_eq!(of("empty.a.b", "[x]"), text.replace("{}", "{a: {b: [x]}}"));
        assert_eq!(of("kubernetes", "none"), format!("kubernetes: none\n{text}"));
        for bad in ["nodes", "name.of", "", "a..b", "nodes.worker.count.x", "a b"] {
            assert!(set(text, bad, "1").is_err(), "{bad}");
        }
    }
}
