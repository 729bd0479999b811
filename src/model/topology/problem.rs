//! What can be wrong with a topology: a stable code, where it is, and how to mend it.

use std::ops::Range;

use crate::model::code::Code;
use crate::model::flaw::Flaw;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The lab cannot be built.
    Error,
    /// The lab can be built, but probably is not what was meant.
    Warning,
}

/// Byte range in the topology's text.
pub type Span = Range<usize>;

/// One finding about a topology file.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What kind of problem it is.
    pub code: &'static Code,
    /// Error or warning.
    pub severity: Severity,
    /// First line: what is wrong, in the words of the file.
    pub message: String,
    /// The place, when there is one.
    pub span: Option<Span>,
    /// Text beside the caret.
    pub label: String,
    /// Other places that take part, each with its own text.
    pub related: Vec<(Span, String)>,
    /// Why it matters.
    pub note: Option<String>,
    /// The one thing to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// An error at `span`.
    pub fn error(code: &'static Code, span: &Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span: Some(span.clone()),
            label: String::new(),
            related: Vec::new(),
            note: None,
            help: None,
        }
    }

    /// An error at `span`: the value there has a flaw.
    pub fn of(code: &'static Code, span: &Span, flaw: Flaw) -> Self {
        Self::error(code, span, flaw.message).help(flaw.help)
    }

    /// A warning at `span`.
    pub fn warning(code: &'static Code, span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds the text beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a second place.
    pub fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.related.push((span.clone(), label.into()));
        self
    }

    /// Adds why it matters.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Adds the cure.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// True for [`Severity::Error`].
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Shows `text` so that nothing in it can act on a terminal: control characters become `U+XXXX`.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(80) {
        if c.is_control() {
            out.push_str(&format!("U+{:04X}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}
