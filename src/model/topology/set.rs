//! Single values of a topology's text, set from outside before it is read.

use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;
use crate::model::topology::spelling::{is_alias, line_start, own, spelled, spelled_key};
use crate::model::topology::yaml::{self, Node, Value};

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
    let root = parsed(text)?;
    let value = match value.starts_with(['[', '{']) {
        true => value.to_owned(),
        false => spelled(value),
    };
    put(text, &root, &keys, &value, None)
}

/// A text that is to be edited.
pub(super) fn parsed(text: &str) -> Result<Node, Flaw> {
    yaml::parse(text)
        .map_err(|_| Flaw::new("the topology is not valid YAML", "`lab validate` says why"))
}

/// What is repeated by aliases and merge keys belongs to others, too.
fn by_alias() -> Flaw {
    let message = "the field comes from somewhere else in the file, by an alias or a merge key";
    Flaw::new(message, "write it where it is used, or change the file")
}

/// The text with `value`, as YAML, at `keys` below `node`, whose own key ends at `colon`.
pub(super) fn put(
    text: &str,
    node: &Node,
    keys: &[&str],
    value: &str,
    colon: Option<usize>,
) -> Result<String, Flaw> {
    if !node.is_block && is_alias(text, &node.span) {
        return Err(by_alias());
    }
    let Some((key, rest)) = keys.split_first() else { return over(text, node, value, colon) };
    if matches!(node.value, Value::Null) {
        return over(text, node, &nested(keys, value), colon);
    }
    let Value::Map(entries) = &node.value else {
        let message = format!("'{}' is below a field that has no fields", keys.join("."));
        return Err(Flaw::new(message, "`lab schema` shows which fields there are"));
    };
    let here = |entry: &&yaml::Entry| entry.key_span.start >= node.span.start;
    match entries.iter().find(|entry| entry.key == *key) {
        Some(entry) if here(&entry) => {
            put(text, &entry.node, rest, value, after_colon(text, entry))
        }
        Some(_) if !rest.is_empty() => Err(by_alias()),
        _ => beside(text, node, keys, value),
    }
}

/// The place after the colon of an entry; `None` where it has none.
fn after_colon(text: &str, entry: &yaml::Entry) -> Option<usize> {
    let rest = text.get(entry.key_span.end..)?;
    let after = rest.trim_start().strip_prefix(':')?;
    Some(text.len() - after.len())
}

/// A value below keys that are not there yet.
fn nested(keys: &[&str], value: &str) -> String {
    let below = |inner: String, key: &&str| format!("{{{}: {inner}}}", spelled_key(key));
    keys.iter().rev().fold(value.to_owned(), below)
}

/// A value in place of another one, which may stand there over several lines.
fn over(text: &str, node: &Node, value: &str, colon: Option<usize>) -> Result<String, Flaw> {
    let span = if node.is_block { node.span.clone() } else { own(text, &node.span) };
    let stands = text.get(span.start..node.end).unwrap_or_default().trim_end();
    let mut edited = text.to_owned();
    let is_nothing = matches!(node.value, Value::Null) && ["", ":"].contains(&stands);
    let is_flow = stands.starts_with(['[', '{']);
    let is_one_piece = match &node.value {
        Value::Scalar { .. } => !node.is_block && !stands.is_empty(),
        Value::List(_) | Value::Map(_) => is_flow,
        Value::Null => !is_nothing,
        Value::Binary(_) => false,
    };
    match colon {
        _ if is_one_piece => edited.replace_range(span.start..span.start + stands.len(), value),
        Some(colon) if has_no_anchor(text, colon, span.start.max(colon)) => {
            // What is between the key and a block is a comment.
            let end = if is_nothing { colon } else { (span.start + stands.len()).max(colon) };
            let between = text.get(colon..end).unwrap_or_default().trim_end();
            edited.replace_range(colon..colon + between.len(), &format!(" {value}"));
        }
        _ => {
            let message = "the field stands there with an anchor or a tag, or without a value";
            return Err(Flaw::new(message, "set one of its fields, or change the file"));
        }
    }
    Ok(edited)
}

fn has_no_anchor(text: &str, from: usize, to: usize) -> bool {
    let between = text.get(from..to).unwrap_or_default();
    !between.lines().any(|line| line.split('#').next().unwrap_or_default().contains(['&', '!']))
}

/// A new last entry of a mapping: what others are told from by their order stays as it is.
fn beside(text: &str, node: &Node, keys: &[&str], value: &str) -> Result<String, Flaw> {
    let Some((first, rest)) = keys.split_first() else { return Ok(text.to_owned()) };
    let entry = format!("{}: {}", spelled_key(first), nested(rest, value));
    let mut edited = text.to_owned();
    let start = own(text, &node.span).start;
    let is_own = |entry: &&yaml::Entry| entry.key_span.start >= start;
    let last = node.entries().iter().filter(is_own).max_by_key(|entry| entry.key_span.start);
    if text.get(start..).is_some_and(|rest| rest.starts_with('{')) {
        let close = node.end.saturating_sub(1);
        let inside = last.map_or(start + 1, |last| ends(text, last));
        let between = text.get(inside..close).unwrap_or_default();
        let has_comma =
            between.lines().any(|line| line.split('#').next().unwrap_or_default().contains(','));
        let comma = if last.is_none() || has_comma { "" } else { ", " };
        let at = if has_comma { close } else { inside };
        edited.insert_str(at, &format!("{comma}{entry}"));
        return Ok(edited);
    }
    let last = last.ok_or_else(by_alias)?;
    let line = line_start(text, last.key_span.start);
    let indent = text.get(line..last.key_span.start).unwrap_or_default();
    if indent.contains(|c| c != ' ') {
        return Err(Flaw::new(
            "the field it belongs to is written in a way that cannot be added to",
            "change the file",
        ));
    }
    let end = ends(text, last);
    let value_end = text.get(..end).map_or(end, |before| before.trim_end().len());
    let at = text.get(value_end..).and_then(|rest| rest.find('\n'));
    edited.insert_str(at.map_or(text.len(), |at| value_end + at), &format!("\n{indent}{entry}"));
    Ok(edited)
}

/// Where an entry ends that may have no value.
fn ends(text: &str, entry: &yaml::Entry) -> usize {
    entry.node.end.max(after_colon(text, entry).unwrap_or(entry.key_span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            text.replace("    count: 1", "    count: 1\n    labels: {disk: ssd}")
        );
        assert_eq!(of("nodes.flow.cpus", "2"), text.replace("{count: 1}", "{count: 1, cpus: 2}"));
        assert_eq!(of("empty.a.b", "[x]"), text.replace("{}", "{a: {b: [x]}}"));
        assert_eq!(
            of("kubernetes", "none"),
            format!("{text}kubernetes: none\n").replace("}\nkub", "}\nkub")
        );
        assert_eq!(
            set("a: [x, 'y]', {b: \"]\"}] # z\nc: 1\n", "a", "[q]").as_deref().ok(),
            Some("a: [q] # z\nc: 1\n")
        );
        let shared = "x: &s {cpus: 1}\na: &a {n: &n 1}\nb:\n  <<: *s\nc: {<<: *s, m: 2}\nd: *s\ne: *n\nf: |\n  text\n";
        let of = |path| set(shared, path, "4").map_err(|flaw| flaw.message);
        assert_eq!(of("a.n"), Ok(shared.replace("&n 1", "&n 4")));
        assert_eq!(of("a.m"), Ok(shared.replace("&n 1}", "&n 1, m: 4}")));
        assert_eq!(of("c.cpus"), Ok(shared.replace("m: 2}", "m: 2, cpus: 4}")));
        for path in ["b.cpus", "b.other", "d.cpus", "d.other", "d", "e"] {
            assert!(of(path).is_err_and(|said| said.contains("from somewhere else")), "{path}");
        }
        assert_eq!(of("f"), Ok(shared.replace("|\n  text", "4")));
        let block = "a:  # why\n- x\n- y: 1\n  z: [1, 2]\n\n# of b\nb: &m\n  - q\nc:\n  d:\n    e: >-\n      t\n\n      u\nf: 1\n";
        let of = |path| set(block, path, "[4]").map_err(|flaw| flaw.message);
        let after = |from: &str, to: &str| Ok(block.replace(from, to));
        assert_eq!(of("a"), after("  # why\n- x\n- y: 1\n  z: [1, 2]", " [4]"));
        assert_eq!(of("c"), after("\n  d:\n    e: >-\n      t\n\n      u", " [4]"));
        assert_eq!(of("c.d.e"), after(">-\n      t\n\n      u", "[4]"));
        assert!(of("b").is_err_and(|said| said.contains("an anchor")));
        // What looks like an end is none, and what is written nowhere is put where it belongs.
        let of = |text: &str, path: &str| {
            let edited = set(text, path, "4").map_err(|flaw| flaw.message);
            edited.inspect(|edited| assert!(yaml::parse(edited).is_ok(), "{edited}"))
        };
        let is = |text: &str, path: &str, wanted: &str| {
            assert_eq!(of(text, path).as_deref(), Ok(wanted), "{text}");
        };
        is("a:\n - [sh, -c, echo it's]\nz: {b: 1}\n", "a", "a: 4\nz: {b: 1}\n");
        is("a: [\"b\\\\\", c] # ]\nz: 1\n", "a", "a: 4 # ]\nz: 1\n");
        is("a: [b, # x # y ]\n  c]\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a:\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a: # mine: here\nz: 1\n", "a", "a: 4 # mine: here\nz: 1\n");
        is("n: {dhcp, c: 1}\n", "n.c", "n: {dhcp, c: 4}\n");
        is("n: {dhcp: , c: 1}\n", "n.dhcp", "n: {dhcp: 4 , c: 1}\n");
        is("a:\n  b:\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a:\n  b: 1\n  c:\nz: 1\n", "a.d", "a:\n  b: 1\n  c:\n  d: 4\nz: 1\n");
        is("a: ~\n", "a.b", "a: {b: 4}\n");
        is("a: | # first\n  x\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a: |\n  !x *y\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a: |\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a: {b: 1,}\n", "a.c", "a: {b: 1,c: 4}\n");
        is("a: {b: 1, # }\n}\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a: [{b: []}, []]\nz: 1\n", "a", "a: 4\nz: 1\n");
        is("a:\r\n  b: 1\r\nz: 1\r\n", "a.b", "a:\r\n  b: 4\r\nz: 1\r\n");
        is("a: {b: ä}\nz: 1\n", "a.b", "a: {b: 4}\nz: 1\n");
        is("a: 1", "b", "a: 1\nb: 4");
        assert!(of("a: &x\nz: 1\n", "a").is_err() && of("a: !!str\n", "a").is_err());
        for bad in ["name.of", "", "a..b", "nodes.worker.count.x", "a b"] {
            assert!(set(text, bad, "1").is_err(), "{bad}");
        }
    }
}
