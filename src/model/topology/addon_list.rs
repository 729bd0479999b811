//! The list of add-ons in a topology's text, one more or one less, with the rest of the text as it is.

use crate::model::flaw::Flaw;
use crate::model::topology::preset;
use crate::model::topology::set::{parsed, set};
use crate::model::topology::spelling::{is_alias, line_start, own};
use crate::model::topology::yaml::{Node, Value};

/// Where the list stands.
pub(super) const LIST: [&str; 2] = ["kubernetes", "addons"];

/// The text with one more add-on at the end of the list.
///
/// # Errors
/// Why the text cannot be changed so.
pub fn with(text: &str, name: &str) -> Result<String, Flaw> {
    let root = parsed(text)?;
    let Some(list) = list(text, &root)? else {
        let all = preset::ADDONS.iter().copied().chain([name]).collect::<Vec<_>>();
        return set(text, &LIST.join("."), &format!("[{}]", all.join(", ")));
    };
    let (items, span) = (items(list)?, own(text, &list.span));
    let is_flow = text.get(span.clone()).is_some_and(|own| own.starts_with('['));
    let mut edited = text.to_owned();
    match (items.last(), is_flow) {
        (Some(last), true) => edited.insert_str(last.end, &format!(", {name}")),
        (None, true) => edited.insert_str(span.start + 1, name),
        (Some(last), false) => {
            let dash = dash(text, last).ok_or_else(by_hand)?;
            let column = dash - line_start(text, dash);
            edited.insert_str(line_end(text, last), &format!("\n{}- {name}", " ".repeat(column)));
        }
        (None, false) => return Err(by_hand()),
    }
    Ok(edited)
}

/// The text without an add-on of the list.
///
/// # Errors
/// As [`with`].
pub fn without(text: &str, name: &str) -> Result<String, Flaw> {
    let root = parsed(text)?;
    let Some(list) = list(text, &root)? else {
        let all: Vec<&str> = preset::ADDONS.iter().copied().filter(|one| *one != name).collect();
        return set(text, &LIST.join("."), &format!("[{}]", all.join(", ")));
    };
    let (items, span) = (items(list)?, own(text, &list.span));
    let is_it = |item: &Node| {
        let said = item.get("name").and_then(Node::text).or_else(|| item.text());
        let folder = item.get("folder").and_then(Node::text);
        let last = |path: &'_ str| path.trim_end_matches('/').rsplit('/').next() == Some(name);
        said.map_or_else(|| folder.is_some_and(last), |said| said == name)
    };
    let Some(at) = items.iter().position(is_it) else { return Err(by_hand()) };
    let is_flow = text.get(span.clone()).is_some_and(|own| own.starts_with('['));
    let item = &items[at];
    let mut edited = text.to_owned();
    match (is_flow, at.checked_sub(1), items.get(at + 1)) {
        (true, Some(before), _) => {
            edited.replace_range(items[before].end..item.end, "");
        }
        (true, None, Some(next)) => edited.replace_range(item.span.start..next.span.start, ""),
        (true, None, None) => edited.replace_range(item.span.start..item.end, ""),
        (false, None, None) => edited.replace_range(span.start..line_end(text, item), "[]"),
        (false, ..) => {
            let dash = dash(text, item).ok_or_else(by_hand)?;
            let end = (line_end(text, item) + 1).min(text.len());
            edited.replace_range(line_start(text, dash)..end, "");
        }
    }
    Ok(edited)
}

/// The list, where it stands in the place that it has; one that comes by an alias or a merge key belongs to others, too.
fn list<'t>(text: &str, root: &'t Node) -> Result<Option<&'t Node>, Flaw> {
    let mut node = root;
    for key in LIST {
        let Some(entry) = node.entries().iter().find(|entry| entry.key == key) else {
            return Ok(None);
        };
        if is_alias(text, &entry.node.span) || entry.key_span.start < node.span.start {
            return Err(by_hand());
        }
        node = &entry.node;
    }
    Ok(Some(node))
}

fn items(list: &Node) -> Result<&[Node], Flaw> {
    match &list.value {
        Value::List(items) => Ok(items),
        _ => Err(by_hand()),
    }
}

fn by_hand() -> Flaw {
    Flaw::new(
        "the list of add-ons is written in a way that is left to its author",
        "change `kubernetes.addons` in the file",
    )
}

/// Where the last line of a value ends, its comment included.
fn line_end(text: &str, node: &Node) -> usize {
    let end = node.end;
    let value = text.get(node.span.start..end).unwrap_or_default();
    let end = node.span.start + value.trim_end().len();
    text.get(end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |more| end + more)
}

/// The dash before an item of a block.
fn dash(text: &str, item: &Node) -> Option<usize> {
    let before = text.get(..item.span.start)?;
    let dash = before.rfind('-')?;
    before.get(dash + 1..)?.trim().is_empty().then_some(dash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(from: &str, more: Option<&str>, less: Option<&str>, to: &str) {
        let edited = match (more, less) {
            (Some(name), _) => with(from, name),
            (_, Some(name)) => without(from, name),
            _ => Ok(from.to_owned()),
        };
        assert_eq!(edited.as_deref(), Ok(to));
    }

    #[test]
    fn an_addon_comes_at_the_end() {
        let more = Some("web");
        becomes("name: a\n", more, None, "name: a\nkubernetes: {addons: [coredns, web]}\n");
        becomes("kubernetes: {addons: [a] }\n", more, None, "kubernetes: {addons: [a, web] }\n");
        becomes("kubernetes:\n  addons: []\n", more, None, "kubernetes:\n  addons: [web]\n");
        becomes(
            "kubernetes:\n  addons:\n  - a # why\n  - name: b\n    parameters: {c: 1} # d\n# end\nx-a: 1\n",
            more,
            None,
            "kubernetes:\n  addons:\n  - a # why\n  - name: b\n    parameters: {c: 1} # d\n  - web\n# end\nx-a: 1\n",
        );
        becomes(
            "kubernetes:\n  addons:\n    - a",
            more,
            None,
            "kubernetes:\n  addons:\n    - a\n    - web",
        );
    }

    #[test]
    fn what_comes_from_elsewhere_is_left_alone() {
        for text in [
            "x-a: &l [a]\nkubernetes: {addons: *l}\n",
            "x-a: &k {addons: [a]}\nkubernetes:\n  <<: *k\n",
            "x-a: &k {addons: [a]}\nkubernetes: *k\n",
            "kubernetes: {addons: a}\n",
        ] {
            assert!(with(text, "web").is_err() && without(text, "a").is_err(), "{text}");
        }
    }

    #[test]
    fn an_addon_goes_with_what_is_said_of_it() {
        let less = Some("web");
        becomes("kubernetes: {addons: [a, web, b]}", None, less, "kubernetes: {addons: [a, b]}");
        becomes(
            "kubernetes: {addons: [web, {name: b}]}",
            None,
            less,
            "kubernetes: {addons: [{name: b}]}",
        );
        becomes("kubernetes: {addons: [{name: web}]}", None, less, "kubernetes: {addons: []}");
        becomes(
            "kubernetes:\n  addons:\n    - a\n    - name: web\n      parameters:\n        c: 1\n    - b\n",
            None,
            less,
            "kubernetes:\n  addons:\n    - a\n    - b\n",
        );
        becomes(
            "kubernetes:\n  addons:\n    - web\nname: a\n",
            None,
            less,
            "kubernetes:\n  addons:\n    []\nname: a\n",
        );
        let own = "kubernetes: {addons: [{folder: ./my/web/}, {name: b, folder: web}]}";
        becomes(own, None, less, "kubernetes: {addons: [{name: b, folder: web}]}");
        becomes("name: a\n", None, Some("coredns"), "name: a\nkubernetes: {addons: []}\n");
    }
}
