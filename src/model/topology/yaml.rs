//! A YAML document as a tree in which every value knows its place in the text.
//!
//! The parser is `saphyr-parser`; this module only builds the tree, and bounds it: size, depth
//! and the number of values after aliases are expanded, so that no file can exhaust memory.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Mark};

use crate::model::code;
use crate::model::topology::problem::{Problem, Span, printable};

/// Largest topology file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;
const MAX_VALUES: usize = 50_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Byte range of the value.
    pub span: Span,
    /// The value itself.
    pub value: Value,
}

/// The shapes a YAML value can take. Scalars stay text: what they mean is the reader's business,
/// so that `version: 1.20` does not turn into the number 1.2.
#[derive(Clone, Debug)]
pub enum Value {
    /// An empty value, `~` or `null`.
    Null,
    /// A scalar; `plain` when it was written without quotes.
    Scalar {
        /// Text without quotes.
        text: String,
        /// True when unquoted.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in file order.
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// The key's place.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Value {
    /// What a person calls this shape.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries of a mapping; none for any other shape.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for any other shape.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The same value as JSON: unquoted numbers and booleans become those, all else is text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect())
            }
            Value::Scalar { text, plain: false } => Json::String(text.clone()),
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Json::Bool(true),
                "false" | "False" | "FALSE" => Json::Bool(false),
                // A leading zero is a file mode to cloud-init, not a number.
                t if t.len() > 1 && t.starts_with('0') && !t.starts_with("0.") => {
                    Json::String(t.to_owned())
                }
                t => t
                    .parse::<i64>()
                    .map(Json::from)
                    .or_else(|_| t.parse::<f64>().map(Json::from))
                    .unwrap_or_else(|_| Json::String(t.to_owned())),
            },
        }
    }
}

/// Parses `text`.
///
/// # Errors
/// The problems that keep the text from being one YAML mapping, with their places.
pub fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        return Err(vec![
            Problem::error(&code::FILE_TOO_LARGE, &(0..0), "the topology is larger than 1 MiB")
                .help("a lab file is a few kilobytes; is this the right file?"),
        ]);
    }
    if let Some(at) = text.find('\0') {
        return Err(vec![
            Problem::error(&code::NUL_BYTE, &(at..at + 1), "the file contains a NUL byte")
                .help("is this a text file?"),
        ]);
    }
    let mut builder = Builder::new(text);
    let root = builder.document()?;
    if builder.problems.is_empty() { Ok(root) } else { Err(builder.problems) }
}

struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// Byte offset of each character: the parser counts characters.
    offsets: Vec<usize>,
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
    problems: Vec<Problem>,
}

type Fatal = Vec<Problem>;

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let mut offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        offsets.push(text.len());
        Self {
            parser: Parser::new_from_str(text),
            offsets,
            anchors: HashMap::new(),
            values: 0,
            problems: Vec::new(),
        }
    }

    fn span(&self, mark: Mark) -> Span {
        let at = |index: usize| self.offsets.get(index).or(self.offsets.last()).copied();
        let start = at(mark.start.index()).unwrap_or(0);
        start..at(mark.end.index()).unwrap_or(start).max(start)
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok((event, mark))) => Ok((event, self.span(mark))),
            Some(Err(error)) => {
                let at = *error.marker();
                let at = self.span(Mark::new(at, at));
                Err(vec![
                    Problem::error(
                        &code::NOT_YAML,
                        &at,
                        format!("this is not valid YAML: {}", error.info()),
                    )
                    .help("check the indentation, and quote text that contains `:` or `#`"),
                ])
            }
            None => Err(vec![
                Problem::error(&code::NOT_YAML, &(0..0), "the file ends too early")
                    .help("is the file complete?"),
            ]),
        }
    }

    fn document(&mut self) -> Result<Node, Fatal> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd => {
                    return Err(vec![
                        Problem::error(&code::EMPTY_FILE, &(0..0), "the topology is empty")
                            .help("`lab init` writes one to start from"),
                    ]);
                }
                other => {
                    let root = self.node(other, span, 0)?;
                    self.expect_end()?;
                    return Ok(root);
                }
            }
        }
    }

    fn expect_end(&mut self) -> Result<(), Fatal> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) => {
                    return Err(vec![
                        Problem::error(
                            &code::SECOND_DOCUMENT,
                            &span,
                            "a second document starts here",
                        )
                        .help("one file holds one lab; remove the `---` line or split the file"),
                    ]);
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fatal> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(vec![
                Problem::error(
                    &code::TOO_DEEP,
                    &span,
                    "the file is nested too deeply or repeats too much",
                )
                .note(format!("at most {MAX_DEPTH} levels and {MAX_VALUES} values are read"))
                .help("a topology needs five levels and no tricks; write it out plainly"),
            ]);
        }
        let before = self.values;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
                    other => Value::Scalar { text: other.to_owned(), plain },
                };
                (Node { span, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(span, depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(span, depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => {
                return Err(vec![
                    Problem::error(&code::NOT_YAML, &span, "unexpected YAML here")
                        .help("check the indentation of this line and the one before"),
                ]);
            }
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before + 1));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Fatal> {
        let Some((node, weight)) = self.anchors.get(&anchor).cloned() else {
            return Err(vec![
                Problem::error(&code::NOT_YAML, &span, "this alias refers to itself")
                    .help("write the value out instead"),
            ]);
        };
        self.values += weight;
        if self.values > MAX_VALUES {
            return Err(vec![
                Problem::error(&code::TOO_DEEP, &span, "aliases repeat too much")
                    .note(format!("at most {MAX_VALUES} values are read"))
                    .help("write the values out instead"),
            ]);
        }
        Ok(Node { span, value: node.value })
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Node, Fatal> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Node { span, value: Value::List(items) });
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Node, Fatal> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Node { span, value: Value::Map(entries) }),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => {
                    return Err(vec![
                        Problem::error(&code::NOT_YAML, &at, "a key must be plain text")
                            .help("quote text that starts with `{`, `[` or `*`"),
                    ]);
                }
            };
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at, depth + 1)?;
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                self.problems.push(
                    Problem::error(
                        &code::KEY_TWICE,
                        &at,
                        format!("'{}' is given twice", printable(&key)),
                    )
                    .label("given again")
                    .also(&first.key_span, "first given here")
                    .help("keep one of the two"),
                );
                continue;
            }
            entries.push(Entry { key, key_span: at, node });
        }
    }
}
