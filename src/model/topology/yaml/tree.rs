//! The tree of a YAML document.

use crate::model::topology::problem::Span;
use crate::model::user_data::{Document, Key, Meaning, meaning};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Byte range of a scalar; where a list or a mapping begins.
    pub span: Span,
    /// Where the value ends, that of its last item where it is written as a block.
    pub end: usize,
    /// True for text written as a block of lines: `|` or `>`.
    pub is_block: bool,
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
    /// Bytes, in base64: `!!binary`.
    Binary(String),
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
    /// True when it was written without quotes.
    pub is_plain: bool,
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
            Value::Binary(_) => "bytes",
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

    /// The same value, to be handed on to a reader of YAML 1.1.
    pub fn document(&self) -> Document {
        match &self.value {
            Value::Null => Document::Plain(String::new()),
            Value::Binary(text) => Document::Binary(text.clone()),
            Value::List(items) => Document::List(items.iter().map(Node::document).collect()),
            Value::Map(entries) => Document::Map(
                entries.iter().map(|entry| (entry.as_key(), entry.node.document())).collect(),
            ),
            Value::Scalar { text, plain } if *plain && meaning(text) != Meaning::Text => {
                Document::Plain(text.clone())
            }
            Value::Scalar { text, .. } => Document::Text(text.clone()),
        }
    }
}

impl Entry {
    /// The key, to be handed on to a reader of YAML 1.1.
    pub fn as_key(&self) -> Key {
        let is_plain = self.is_plain && meaning(&self.key) != Meaning::Text;
        Key { text: self.key.clone(), is_plain }
    }
}
