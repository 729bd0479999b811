//! What the parser refuses, in words that mend it.

use crate::model::code;
use crate::model::topology::problem::{Problem, Span};
use crate::model::topology::spelling::line_start;

/// Part of what the parser says, what is wrong, and how it is mended.
const TOLD: &[(&[&str], &str, &str)] = &[
    (
        &["simple key expect"],
        "a ':' with a blank behind it is missing after a name",
        "write `name: value`, with a blank behind the colon",
    ),
    (
        &["mapping values are not allowed", "illegal placement of ':'"],
        "a second ':' stands where a value is already there",
        "quote a value that contains ': ', or indent this line as the others of its block",
    ),
    (
        &["tab", "':' must be followed by a valid YAML whitespace"],
        "a tab stands where only blanks may stand",
        "replace the tab by blanks",
    ),
    (
        &["'-' must be followed"],
        "behind '-' stands no blank",
        "write `- item`, with a blank behind the dash",
    ),
    (
        &["unknown escape character", "hexadecimal number", "Unicode character escape"],
        "a backslash in double quotes begins a character that YAML does not know",
        "write the text in single quotes, where a backslash is itself, or write two of them",
    ),
    (
        &["indentation in quoted scalar", "document indicator", "unexpected end of stream"],
        "a quote is opened here and not closed in its block",
        "close the quote",
    ),
    (
        &["trailing content after double-quoted"],
        "something stands behind a closed quote",
        "quote the whole value, with single quotes around double ones",
    ),
    (
        &[
            "expected ',' or '}'",
            "expected ',' or ']'",
            "flow construct",
            "misplaced bracket",
            "unexpected eof",
        ],
        "a bracket is not closed, or a comma is missing in it",
        "write `[one, two]` and `{name: value, other: value}`, closed before the block ends",
    ),
    (
        &["unknown anchor"],
        "this alias names an anchor that stands nowhere before it",
        "write `&name` before the value that is meant, further up in the file",
    ),
    (
        &["tag"],
        "a tag is written in a way that YAML does not know",
        "quote a value that begins with '!'",
    ),
    (
        &["byte order mark", "unprintable character"],
        "a character stands here that no text has",
        "remove it; an editor shows it when it shows invisible characters",
    ),
    (
        &[
            "did not find expected key",
            "expected '-' indicator",
            "block sequence entries",
            "wrongly indented",
            "invalid indentation",
            "not find expected node content",
        ],
        "this line is indented otherwise than its block",
        "indent all lines of a block alike, with blanks",
    ),
    (
        &["directive", "document-start", "document start", "document end"],
        "this is no beginning of a document",
        "a topology needs no line that begins with '%', and one `---` at most",
    ),
];

/// The problem that the parser told of `text`.
pub(super) fn problem(info: &str, text: &str, at: &Span) -> Problem {
    if let Some(character) = info.strip_prefix("unexpected character: ") {
        let shown = character.trim_matches(['`', '\'']);
        let message = format!("a value cannot begin with '{shown}' without quotes");
        return not_yaml(at, message).help(format!("quote it: \"{shown}...\""));
    }
    if is_of_a_template(text, at) {
        return template(at);
    }
    let found = TOLD.iter().find(|(parts, ..)| parts.iter().any(|part| info.contains(part)));
    match found {
        Some((_, message, cure)) => not_yaml(at, *message).help(*cure),
        None => not_yaml(at, format!("this is not valid YAML: {info}"))
            .help("check the indentation, and quote text that contains `:` or `#`"),
    }
}

/// A mapping or a list stands where a name belongs.
pub(super) fn no_key(text: &str, at: &Span) -> Problem {
    if is_of_a_template(text, at) {
        return template(at);
    }
    not_yaml(at, "a name must be text").help("quote text that starts with `{`, `[`, `*` or `&`")
}

/// A key that begins with what is no part of a name: blanks that are none to YAML, and comments of other languages.
pub(super) fn odd_key(key: &str, at: &Span) -> Option<Problem> {
    let first = key.chars().next()?;
    if !first.is_ascii()
        && (first.is_whitespace() || "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}".contains(first))
    {
        let message = format!("an invisible U+{:04X} stands before this name", first as u32);
        return Some(not_yaml(at, message).help("replace it by blanks: to YAML it is a letter"));
    }
    let begins = ["//", "/*"].into_iter().find(|begins| key.starts_with(begins))?;
    let message = format!("'{begins}' begins no comment");
    Some(not_yaml(at, message).help("begin a comment with '#'"))
}

fn not_yaml(at: &Span, message: impl Into<String>) -> Problem {
    Problem::error(&code::NOT_YAML, at, message)
}

/// True where `{{` or `{%` stands there, or just before.
fn is_of_a_template(text: &str, at: &Span) -> bool {
    let line = text
        .get(line_start(text, at.start)..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    line.contains("{{") || line.contains("{%")
}

fn template(at: &Span) -> Problem {
    not_yaml(at, "braces of a template are not filled in here")
        .help("write the value; in a text that is to keep its braces, quote the whole value")
}
