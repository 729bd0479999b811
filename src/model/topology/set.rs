//! Single values of a topology's text, set from outside before it is read.

use crate::model::flaw::Flaw;
use crate::model::topology::problem::{Span, printable};
use crate::model::topology::spelling::{is_alias, is_block, line_start, own, spelled};
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
    if is_alias(text, &node.span) {
        return Err(by_alias());
    }
    let Some((key, rest)) = keys.split_first() else { return over(text, node, value, colon) };
    let Value::Map(entries) = &node.value else {
        let message = format!("'{}' is below a field that has no fields", keys.join("."));
        return Err(Flaw::new(message, "`lab schema` shows which fields there are"));
    };
    let here = |entry: &&yaml::Entry| entry.key_span.start >= node.span.start;
    match entries.iter().find(|entry| entry.key == *key) {
        Some(entry) if here(&entry) => {
            let after = text.get(entry.key_span.end..).and_then(|rest| rest.find(':'));
            let colon = after.map(|at| entry.key_span.end + at + 1);
            put(text, &entry.node, rest, value, colon)
        }
        Some(_) if !rest.is_empty() => Err(by_alias()),
        _ => beside(text, node, keys, value),
    }
}

/// A value in place of another one, which may stand there over several lines.
fn over(text: &str, node: &Node, value: &str, colon: Option<usize>) -> Result<String, Flaw> {
    let span = own(text, &node.span);
    let mut edited = text.to_owned();
    let is_one_line = match &node.value {
        Value::Scalar { plain, .. } => *plain || !is_block(text, span.start),
        Value::List(_) | Value::Map(_) => {
            text.get(span.start..).is_some_and(|rest| rest.starts_with(['[', '{']))
        }
        _ => false,
    };
    match colon {
        _ if is_one_line => edited.replace_range(span.start..end(text, node), value),
        // What is between the key and a block is a comment; an anchor there is somebody else's, too.
        Some(colon) if span.start == node.span.start && has_no_anchor(text, colon, span.start) => {
            edited.replace_range(colon..end(text, node), &format!(" {value}"));
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

/// Where a value ends, without the blanks and comments after it.
fn end(text: &str, node: &Node) -> usize {
    let span = own(text, &node.span);
    let rest = text.get(span.start..).unwrap_or_default();
    let trimmed =
        |span: &Span| span.start + text.get(span.clone()).unwrap_or_default().trim_end().len();
    match &node.value {
        Value::List(_) | Value::Map(_) if rest.starts_with(['[', '{']) => {
            span.start + flow_length(rest)
        }
        Value::List(items) => items.last().map_or(span.end, |last| end(text, last)),
        Value::Map(entries) => {
            let own = entries.iter().filter(|entry| entry.key_span.start >= span.start);
            let ends = own.map(|entry| end(text, &entry.node).max(entry.key_span.end));
            ends.max().unwrap_or(span.end)
        }
        _ => trimmed(&span),
    }
}

/// Bytes from the bracket at the beginning of `text` to the one that closes it.
pub(super) fn flow_length(text: &str) -> usize {
    let (mut depth, mut quote, mut before) = (0_usize, None, ' ');
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some('"'), _) if before == '\\' => before = ' ',
            (Some(open), _) if open == c => quote = None,
            (Some('#'), '\n') => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before.is_whitespace() => quote = Some('#'),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, _) => {}
        }
        if depth == 0 {
            return at + c.len_utf8();
        }
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    text.len()
}

/// A new first entry of a mapping.
fn beside(text: &str, node: &Node, keys: &[&str], value: &str) -> Result<String, Flaw> {
    let Some((first, rest)) = keys.split_first() else { return Ok(text.to_owned()) };
    let inner = rest
        .iter()
        .rev()
        .fold(value.to_owned(), |inner, key| format!("{{{}: {inner}}}", spelled(key)));
    let entry = format!("{}: {inner}", spelled(first));
    let mut edited = text.to_owned();
    let start = own(text, &node.span).start;
    let rest = text.get(start..).unwrap_or_default();
    if let Some(inside) = rest.strip_prefix('{') {
        let comma = if inside.trim_start().starts_with('}') { "" } else { ", " };
        edited.insert_str(start + 1, &format!("{entry}{comma}"));
        return Ok(edited);
    }
    let own_entry = node.entries().iter().find(|entry| entry.key_span.start >= start);
    let at = own_entry.map(|entry| entry.key_span.start).ok_or_else(by_alias)?;
    let line = line_start(text, at);
    let indent = text.get(line..at).unwrap_or_default();
    if indent.contains(|c| c != ' ') {
        return Err(Flaw::new(
            "the field it belongs to is written in a way that cannot be added to",
            "change the file",
        ));
    }
    edited.insert_str(at, &format!("{entry}\n{indent}"));
    Ok(edited)
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
            text.replace("    count", "    labels: {disk: ssd}\n    count")
        );
        assert_eq!(of("nodes.flow.cpus", "2"), text.replace("{count: 1}", "{cpus: 2, count: 1}"));
        assert_eq!(of("empty.a.b", "[x]"), text.replace("{}", "{a: {b: [x]}}"));
        assert_eq!(of("kubernetes", "none"), format!("kubernetes: none\n{text}"));
        assert_eq!(
            set("a: [x, 'y]', {b: \"]\"}] # z\nc: 1\n", "a", "[q]").as_deref().ok(),
            Some("a: [q] # z\nc: 1\n")
        );
        let shared = "x: &s {cpus: 1}\na: &a {n: &n 1}\nb:\n  <<: *s\nc: {<<: *s, m: 2}\nd: *s\ne: *n\nf: |\n  text\n";
        let of = |path| set(shared, path, "4").map_err(|flaw| flaw.message);
        assert_eq!(of("a.n"), Ok(shared.replace("&n 1", "&n 4")));
        assert_eq!(of("a.m"), Ok(shared.replace("{n:", "{m: 4, n:")));
        assert_eq!(of("c.cpus"), Ok(shared.replace("{<<: *s, m", "{cpus: 4, <<: *s, m")));
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
        for bad in ["name.of", "", "a..b", "nodes.worker.count.x", "a b"] {
            assert!(set(text, bad, "1").is_err(), "{bad}");
        }
    }
}
