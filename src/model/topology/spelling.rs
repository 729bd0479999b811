//! How values stand in a topology's text.

use std::collections::BTreeMap;

use crate::model::code::Code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::{Problem, Span};
use crate::model::topology::yaml::Node;
use crate::model::user_data::{Meaning, meaning};

/// Pieces of a text by where they begin and end, each once, whichever aliases repeat it.
pub(super) type Pieces<T> = BTreeMap<(usize, usize), T>;

/// The text with another one in place of each piece.
///
/// # Errors
/// Every piece that `other` refuses, with its place, in their order.
pub(super) fn replaced<T>(
    text: &str,
    pieces: Pieces<T>,
    code: &'static Code,
    other: impl Fn(&T) -> Result<String, Flaw>,
) -> Result<String, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut edited = text.to_owned();
    // From the end on, so that what comes before stays where it is.
    for ((start, end), piece) in pieces.into_iter().rev() {
        match other(&piece) {
            Ok(instead) => edited.replace_range(start..end, &instead),
            Err(flaw) => problems.push(Problem::of(code, &(start..end), flaw)),
        }
    }
    problems.reverse();
    if problems.is_empty() { Ok(edited) } else { Err(problems) }
}

/// The place of a value without the anchor and the tag before it.
pub(super) fn own(text: &str, span: &Span) -> Span {
    let mut start = span.start;
    while let Some(rest) = text.get(start..span.end).filter(|rest| rest.starts_with(['&', '!'])) {
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let blank = rest.get(word..).map_or(0, |rest| rest.len() - rest.trim_start().len());
        start += word + blank;
    }
    start..span.end
}

/// True for a value that an alias repeats.
pub(super) fn is_alias(text: &str, span: &Span) -> bool {
    text.get(span.clone()).is_some_and(|own| own.starts_with('*'))
}

/// The place of a value that stands there in one piece: neither repeated by an alias nor a block of lines.
pub(super) fn in_one_piece(text: &str, node: &Node) -> Option<Span> {
    let span = own(text, &node.span);
    (!is_alias(text, &span) && !node.is_block).then_some(span)
}

/// Where the line begins in which `at` is.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
}

/// A value as YAML: plain where it can be, so that it means what it would have meant.
pub(super) fn spelled(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+-".contains(c);
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && value.chars().all(is_plain) {
        true => value.to_owned(),
        // Numbers and moments are made of what means nothing else, and are no text.
        false if matches!(meaning(value), Meaning::Number | Meaning::Date) => value.to_owned(),
        false => quoted(value),
    }
}

/// A key as YAML: text, whatever it looks like.
pub(super) fn spelled_key(key: &str) -> String {
    match meaning(key) {
        Meaning::Text => spelled(key),
        _ => quoted(key),
    }
}

/// Text of JSON is text of YAML.
pub(super) fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
