//! A YAML value that is handed on: it reaches its reader with the meaning that it had where it was written.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// A value as a person wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A scalar without quotes that is no text to its reader: a number, a date, true, nothing. Kept as it was
    /// written, since two ways to write a number are two meanings to some readers.
    Plain(String),
    /// Text.
    Text(String),
    /// Bytes, in base64.
    Binary(String),
    /// A sequence.
    List(Vec<Document>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Document)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it was written, without quotes.
    pub text: String,
    /// True where it is no text to its reader: `1`, `yes`.
    pub is_plain: bool,
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), is_plain: false }
    }
}

impl From<&Json> for Document {
    fn from(json: &Json) -> Self {
        match json {
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Json::Object(map) => Self::Map(
                map.iter().map(|(key, value)| (key.as_str().into(), value.into())).collect(),
            ),
            scalar => Self::Plain(scalar.to_string()),
        }
    }
}

impl Document {
    /// As one line of YAML: what is text is quoted as in JSON, all else stands there as it was written.
    pub fn line(&self) -> String {
        match self {
            Self::Plain(text) if text.is_empty() => "null".to_owned(),
            Self::Plain(text) => text.clone(),
            Self::Text(text) => quoted(text),
            Self::Binary(text) => format!("!!binary {}", quoted(text)),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::line).collect::<Vec<_>>().join(","))
            }
            Self::Map(entries) => {
                // Behind a key without quotes, and before a tag, YAML wants a blank.
                let entry = |(key, value): &(Key, Self)| match key.is_plain || !value.is_json() {
                    true => format!("{}: {}", key.line(), value.line()),
                    false => format!("{}:{}", key.line(), value.line()),
                };
                // In one order, whatever the order of the file.
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|(one, _), (other, _)| one.text.cmp(&other.text));
                format!("{{{}}}", sorted.into_iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// True where its line is JSON's, too.
    fn is_json(&self) -> bool {
        match self {
            Self::Plain(text) => typed(text).to_string().as_str() == text,
            Self::Binary(_) => false,
            _ => true,
        }
    }
}

impl Key {
    /// As it stands in a line of YAML.
    pub fn line(&self) -> String {
        match self.is_plain {
            true if self.text.is_empty() => "null".to_owned(),
            true => self.text.clone(),
            false => quoted(&self.text),
        }
    }
}

/// Text in quotes, as JSON has it, with what YAML takes for the end of a line written out.
fn quoted(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    let mut out = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

/// Adds `extra` to `base`: lists are appended, mappings merged, anything else replaced.
pub(super) fn merge(base: &mut Vec<(Key, Document)>, extra: &[(Key, Document)]) {
    for (key, value) in extra {
        let old = base.iter_mut().find(|(old, _)| old == key).map(|(_, old)| old);
        match (old, value) {
            (Some(Document::List(old)), Document::List(new)) => old.extend(new.iter().cloned()),
            (Some(Document::Map(old)), Document::Map(new)) => merge(old, new),
            (Some(old), value) => *old = value.clone(),
            (None, value) => base.push((key.clone(), value.clone())),
        }
    }
}

/// Entries as JSON, by which two of them are compared.
pub(super) struct Compared<'a>(pub &'a [(Key, Document)]);

impl Serialize for Compared<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(&key.text, value)?;
        }
        map.end()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => typed(text).serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Binary(text) => format!("!!binary {text}").serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => Compared(entries).serialize(serializer),
        }
    }
}

/// A plain scalar as JSON's nearest value, else its text.
fn typed(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" => Json::Bool(true),
        "false" | "False" | "FALSE" => Json::Bool(false),
        // Octal to YAML: another number than the one that stands there.
        t if t.len() > 1 && t.starts_with('0') && !t.starts_with("0.") => t.into(),
        t => t
            .parse::<i64>()
            .map(Json::from)
            .or_else(|_| t.parse::<f64>().map(Json::from))
            .unwrap_or_else(|_| t.into()),
    }
}
