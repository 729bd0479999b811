//! The tree of what the parser tells, bounded.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Mark, Tag};

use crate::model::code;
use crate::model::topology::problem::{Problem, Span, printable};
use crate::model::topology::spelling::own;
use crate::model::topology::yaml::tree::{Entry, Node, Value};
use crate::model::topology::yaml::{merge, told};

const MAX_DEPTH: usize = 64;
const MAX_VALUES: usize = 50_000;
/// Bytes of text, repeated ones as often as they are.
const MAX_TEXT: usize = 4 << 20;

/// How much was read.
#[derive(Clone, Copy, Default)]
struct Weight {
    values: usize,
    text: usize,
}

pub(super) struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    text: &'t str,
    /// Byte offset of each character: the parser counts characters.
    offsets: Vec<usize>,
    anchors: HashMap<usize, (Node, Weight)>,
    read: Weight,
    problems: Vec<Problem>,
}

pub(super) type Fatal = Vec<Problem>;

impl<'t> Builder<'t> {
    pub fn new(text: &'t str) -> Self {
        let mut offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        offsets.push(text.len());
        Self {
            parser: Parser::new_from_str(text),
            text,
            offsets,
            anchors: HashMap::new(),
            read: Weight::default(),
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
                Err(vec![told::problem(error.info(), self.text, &at)])
            }
            None => Err(vec![
                Problem::error(&code::NOT_YAML, &(0..0), "the file ends too early")
                    .help("is the file complete?"),
            ]),
        }
    }

    pub fn document(&mut self) -> Result<Node, Fatal> {
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
        self.read.values += 1;
        if depth > MAX_DEPTH || self.read.values > MAX_VALUES {
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
        let before = self.read;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                self.read.text += text.len();
                let value = self.scalar(&text, plain, tag.as_deref(), &span);
                (Node { end: span.end, span, value, is_block }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.known_tag(tag.as_deref(), &["seq"], &span);
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.known_tag(tag.as_deref(), &["map"], &span);
                (self.map(span, depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => {
                return Err(vec![
                    Problem::error(&code::NOT_YAML, &span, "unexpected YAML here")
                        .help("check the indentation of this line and the one before"),
                ]);
            }
        };
        if anchor > 0 {
            let weight = Weight {
                values: self.read.values - before.values + 1,
                text: self.read.text - before.text,
            };
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        Ok(node)
    }

    /// What a scalar is with its tag.
    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&Tag>, at: &Span) -> Value {
        let name = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
        match name {
            Some("binary") => return Value::Binary(text.split_ascii_whitespace().collect()),
            Some("str") => return Value::Scalar { text: text.to_owned(), plain: false },
            _ => self.known_tag(tag, &[], at),
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
            other => Value::Scalar { text: other.to_owned(), plain },
        }
    }

    /// Refuses a tag that is none of these of YAML itself.
    fn known_tag(&mut self, tag: Option<&Tag>, names: &[&str], at: &Span) {
        let Some(tag) = tag else { return };
        if tag.is_yaml_core_schema() && names.contains(&tag.suffix.as_str()) {
            return;
        }
        let shown = match tag.is_yaml_core_schema() {
            true => format!("!!{}", tag.suffix),
            false => tag.to_string(),
        };
        let cure = "remove it; of tags there are !!str, !!binary, !!map and !!seq";
        let message = format!("lab does not know the tag '{}'", printable(&shown));
        self.problems.push(Problem::error(&code::UNKNOWN_TAG, at, message).help(cure));
    }

    /// What was found beside what keeps it from being read at all.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Fatal> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(vec![
                Problem::error(&code::NOT_YAML, &span, "this alias refers to itself")
                    .help("write the value out instead"),
            ]);
        };
        self.read.values += weight.values;
        self.read.text += weight.text;
        if self.read.values > MAX_VALUES || self.read.text > MAX_TEXT {
            return Err(vec![
                Problem::error(&code::TOO_DEEP, &span, "aliases repeat too much")
                    .note(format!(
                        "at most {MAX_VALUES} values and {} MiB of text are read",
                        MAX_TEXT >> 20
                    ))
                    .help("write the values out instead"),
            ]);
        }
        Ok(Node { end: span.end, span, value: node.value.clone(), is_block: false })
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Node, Fatal> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let last = items.last().map(|item: &Node| item.end);
                let end = self.end(&span, last);
                return Ok(Node { span, end, value: Value::List(items), is_block: false });
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Node, Fatal> {
        let mut entries: Vec<Entry> = Vec::new();
        let (mut seen, mut merged) = (HashMap::new(), Vec::new());
        let mut last = None;
        loop {
            let (event, at) = self.next()?;
            let (key, is_plain) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text.into_owned(), style == ScalarStyle::Plain),
                _ => return Err(vec![told::no_key(self.text, &at)]),
            };
            told::odd_key(&key, &at).map_or(Ok(()), |problem| Err(vec![problem]))?;
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at, depth + 1)?;
            last = Some(node.end.max(self.colon(&at)));
            if is_plain && key == merge::KEY {
                merged.extend(merge::sources(node, &mut self.problems));
                continue;
            }
            if let Some(first) = seen.get(&key) {
                self.problems.push(
                    Problem::error(
                        &code::KEY_TWICE,
                        &at,
                        format!("'{}' is given twice", printable(&key)),
                    )
                    .label("given again")
                    .also(first, "first given here")
                    .help("keep one of the two"),
                );
                continue;
            }
            seen.insert(key.clone(), at.clone());
            entries.push(Entry { key, is_plain, key_span: at, node });
        }
        for entry in merged {
            if let Place::Vacant(place) = seen.entry(entry.key.clone()) {
                place.insert(entry.key_span.clone());
                entries.push(entry);
            }
        }
        let end = self.end(&span, last);
        Ok(Node { span, end, value: Value::Map(entries), is_block: false })
    }

    /// Where a list or mapping ends that begins at `span` and whose last value ends at `last`. In brackets only commas
    /// and comments come after that.
    fn end(&self, span: &Span, last: Option<usize>) -> usize {
        let begin = own(self.text, &(span.start..self.text.len())).start;
        let is_flow = self.text.get(begin..).is_some_and(|rest| rest.starts_with(['[', '{']));
        if !is_flow {
            return last.unwrap_or(span.end);
        }
        let from = last.unwrap_or(begin + 1);
        let mut at = from;
        for line in self.text.get(from..).unwrap_or_default().split_inclusive('\n') {
            let told = line.split('#').next().unwrap_or_default();
            match told.find([']', '}']) {
                Some(close) => return at + close + 1,
                None => at += line.len(),
            }
        }
        from
    }

    /// The place after the colon of a key.
    fn colon(&self, key: &Span) -> usize {
        let rest = self.text.get(key.end..).unwrap_or_default();
        let after = rest.trim_start().strip_prefix(':');
        after.map_or(key.end, |after| self.text.len() - after.len())
    }
}
