//! A topology's text with what a second file says instead, before it is read.

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::{Problem, Span};
use crate::model::topology::set::{parsed, put};
use crate::model::topology::spelling::{quoted, spelled, spelled_key};
use crate::model::topology::yaml::{self, Node, Value};

/// More values than these are a topology of their own.
const MOST: usize = 500;

/// One value that is another one, and where that stands in the second file.
struct Piece {
    keys: Vec<String>,
    value: String,
    span: Span,
}

/// The text with the values of `patch`: mappings are gone through, all else takes the place of what was there.
///
/// # Errors
/// What cannot be put in, with its place in `patch`.
pub fn patched(text: &str, patch: &str) -> Result<String, Vec<Problem>> {
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    if !patch.lines().any(says_something) {
        return Ok(text.to_owned());
    }
    let changes = yaml::parse(patch)?;
    let base = parsed(text).map_err(|flaw| vec![refused(&changes.span, flaw)])?;
    let mut pieces = Vec::new();
    match &changes.value {
        Value::Null => return Ok(text.to_owned()),
        Value::Map(_) => gather(Some(&base), &changes, &mut Vec::new(), &mut pieces)?,
        _ => {
            let flaw = Flaw::new(
                "this file changes nothing: it has no fields",
                "write the fields that are to be others, as they stand in a topology",
            );
            return Err(vec![refused(&changes.span, flaw)]);
        }
    }
    if let Some(one) = pieces.get(MOST) {
        let flaw = Flaw::new(
            format!("a file that comes after another one changes at most {MOST} values"),
            "write one topology",
        );
        return Err(vec![refused(&one.span, flaw)]);
    }
    let mut text = text.to_owned();
    for piece in pieces {
        let keys: Vec<&str> = piece.keys.iter().map(String::as_str).collect();
        let put = parsed(&text).and_then(|root| put(&text, &root, &keys, &piece.value, None));
        text = put.map_err(|flaw| vec![refused(&piece.span, flaw)])?;
    }
    Ok(text)
}

fn refused(span: &Span, flaw: Flaw) -> Problem {
    Problem::of(&code::BAD_PATCH, span, flaw)
}

/// Values of `patch` that have no fields in common with what stands in `base` there.
fn gather(
    base: Option<&Node>,
    patch: &Node,
    keys: &mut Vec<String>,
    pieces: &mut Vec<Piece>,
) -> Result<(), Vec<Problem>> {
    let inside = base.map(|node| &node.value);
    match (&patch.value, inside) {
        (Value::Map(entries), Some(Value::Map(there))) if !entries.is_empty() => {
            for entry in entries {
                let below = there.iter().find(|other| other.key == entry.key);
                keys.push(entry.key.clone());
                gather(below.map(|below| &below.node), &entry.node, keys, pieces)?;
                keys.pop();
            }
        }
        _ => {
            let value = flow(patch)?;
            pieces.push(Piece { keys: keys.clone(), value, span: patch.span.clone() });
        }
    }
    Ok(())
}

/// A value on one line, with the meaning that it has.
fn flow(node: &Node) -> Result<String, Vec<Problem>> {
    Ok(match &node.value {
        Value::Scalar { text, plain: true, .. } => spelled(text),
        Value::Scalar { text, .. } => quoted(text),
        Value::List(items) => {
            let items = items.iter().map(flow).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let field = |entry: &yaml::Entry| {
                Ok::<_, Vec<Problem>>(format!(
                    "{}: {}",
                    spelled_key(&entry.key),
                    flow(&entry.node)?
                ))
            };
            let fields = entries.iter().map(field).collect::<Result<Vec<_>, _>>()?;
            format!("{{{}}}", fields.join(", "))
        }
        Value::Null | Value::Binary(_) => {
            let flaw = Flaw::new(
                "this stands for nothing that could be put into a topology",
                "write a value; what is to go is removed in the first file",
            );
            return Err(vec![refused(&node.span, flaw)]);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "name: t # mine\nnetwork: {cidr: 10.1.0.0/24}\nnodes:\n  worker:\n    count: 1\n    open_ports:\n      - 80\n      - 443\nimage: debian-12\n";

    #[test]
    fn a_later_file_changes_what_it_names() {
        let of = |patch: &str| patched(BASE, patch).map_err(|all| all[0].message.clone());
        let with = |from: &str, to: &str| Ok(BASE.replace(from, to));
        assert_eq!(of("# nothing\n"), Ok(BASE.to_owned()));
        assert_eq!(of("nodes: {worker: {count: 3}}\n"), with("count: 1", "count: 3"));
        assert_eq!(
            of("nodes:\n  worker:\n    open_ports: [8080, 53/udp]\n"),
            with("open_ports:\n      - 80\n      - 443", "open_ports: [8080, 53/udp]")
        );
        assert_eq!(
            of("image: {name: own, file: \"a b\"}\n"),
            with("image: debian-12", "image: {name: own, file: \"a b\"}")
        );
        let labels = "nodes: {worker: {labels: {a.example/b: \"1.20\"}}}\n";
        assert_eq!(of(labels), with("- 443", "- 443\n    labels: {a.example/b: \"1.20\"}"));
        let added = of("nodes:\n  web:\n    roles: []\n").unwrap_or_default();
        assert!(added.contains("- 443\n  web: {roles: []}\nimage"), "{added}");
        // Who comes later stays later, and numbers stay numbers.
        let more = of("nodes:\n  b: {roles: []}\n  a: {roles: []}\n").unwrap_or_default();
        assert!(more.contains("- 443\n  b: {roles: []}\n  a: {roles: []}\nimage"), "{more}");
        let number =
            of("kubernetes: {kubelet: {oomScoreAdj: -998, \"1\": \"-2\"}}\n").unwrap_or_default();
        assert!(number.contains("{oomScoreAdj: -998, \"1\": \"-2\"}"), "{number}");
        for (bad, why) in [
            ("[a]", "has no fields"),
            ("name:\n", "stands for nothing"),
            ("a: {b: !!binary aGk=}", "stands for nothing"),
        ] {
            assert!(of(bad).is_err_and(|said| said.contains(why)), "{bad}");
        }
        assert!(patched(BASE, "a: [").is_err());
    }
}
