//! What a topology may say of an add-on.

use serde::{Deserialize, Serialize};

use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::user_data::Document;

/// The longest text.
const LONGEST: usize = 200;

/// A value, as templates see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// `true` or `false`.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// Text of one line.
    Text(String),
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch(is) => is.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Number,
    /// Text of one line.
    Text,
    /// A name that objects can have.
    Name,
}

impl Holds {
    fn word(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number => "a whole number",
            Self::Text => "text of one line",
            Self::Name => "a name of small letters, digits and hyphens",
        }
    }
}

/// What may be said of one parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it holds.
    pub is: Holds,
    /// What it is for, in a sentence.
    pub says: String,
    /// What counts where nothing is said; without it a topology must say something.
    #[serde(default)]
    pub default: Option<Parameter>,
    /// The words that it may be, where it is one of a few.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// The least number.
    #[serde(default)]
    pub least: Option<i64>,
    /// The greatest number.
    #[serde(default)]
    pub most: Option<i64>,
}

impl Rule {
    /// What is wrong with the rule itself.
    pub(super) fn flaw(&self, name: &str) -> Option<Flaw> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
            let cure = "write it with small letters, digits and underscores";
            return Some(Flaw::new(format!("'{name}' is no name of one"), cure));
        }
        let default = self.default.as_ref()?;
        self.judge(name, default).err()
    }

    /// What it may be, for people.
    pub fn shape(&self) -> String {
        match (self.is, self.one_of.as_slice(), self.least, self.most) {
            (_, [_, ..], ..) => format!("one of: {}", self.one_of.join(", ")),
            (Holds::Number, _, Some(least), Some(most)) => format!("{least} to {most}"),
            (Holds::Number, _, Some(least), None) => format!("{least} or more"),
            (Holds::Number, _, None, Some(most)) => format!("{most} or less"),
            (is, ..) => is.word().to_owned(),
        }
    }

    /// What a topology says, as a value.
    ///
    /// # Errors
    /// What it may be.
    pub fn read(&self, name: &str, said: &Document) -> Result<Parameter, Flaw> {
        let read = match (self.is, said) {
            (Holds::Switch, Document::Plain(text)) => text.parse().ok().map(Parameter::Switch),
            (Holds::Number, Document::Plain(text)) => text.parse().ok().map(Parameter::Number),
            (Holds::Text | Holds::Name, Document::Plain(text) | Document::Text(text)) => {
                Some(Parameter::Text(text.clone()))
            }
            _ => None,
        };
        let value = read.ok_or_else(|| self.refused(name))?;
        self.judge(name, &value)?;
        Ok(value)
    }

    fn judge(&self, name: &str, value: &Parameter) -> Result<(), Flaw> {
        let fits = match (self.is, value) {
            (Holds::Switch, Parameter::Switch(_)) => true,
            (Holds::Number, Parameter::Number(number)) => {
                self.least.is_none_or(|least| least <= *number)
                    && self.most.is_none_or(|most| *number <= most)
            }
            (Holds::Text, Parameter::Text(text)) => {
                let is_line = text.len() <= LONGEST && !text.chars().any(char::is_control);
                is_line && (self.one_of.is_empty() || self.one_of.contains(text))
            }
            (Holds::Name, Parameter::Text(text)) => check_label("a name", text, 63).is_ok(),
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.refused(name)) }
    }

    fn refused(&self, name: &str) -> Flaw {
        let cure = match &self.default {
            Some(default) => format!("write {}; without a word it is {default}", self.shape()),
            None => format!("write {}", self.shape()),
        };
        Flaw::new(format!("'{name}' cannot be that"), cure)
    }
}
