//! Names that are counted: `node-%02d`.

use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::topology::problem::printable;

/// A name with at most one place for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    /// How many digits at least, where there is a place.
    digits: Option<usize>,
    after: String,
}

impl Pattern {
    /// Names of a group: its own name, followed by the number.
    pub fn of_group(name: &str) -> Self {
        Self { before: name.to_owned(), digits: Some(1), after: String::new() }
    }

    /// Reads `%d`, or `%0Nd` for N digits at least.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let refused = || {
            let message = format!("'{}' is not a name with a place for a number", printable(text));
            Flaw::new(message, "write it like `node%d`, or `node-%02d` for two digits")
        };
        let Some((before, rest)) = text.split_once('%') else {
            check_label("a name", text, 40)?;
            return Ok(Self { before: text.to_owned(), digits: None, after: String::new() });
        };
        let (width, after) = rest.split_once('d').ok_or_else(refused)?;
        let digits = match width.strip_prefix('0') {
            Some(width) if width.len() == 1 => width.parse().ok().filter(|digits| *digits > 0),
            Some(_) => None,
            None if width.is_empty() => Some(1),
            None => None,
        };
        let digits = digits.ok_or_else(refused)?;
        if after.contains('%') {
            return Err(refused());
        }
        let pattern = Self { before: before.into(), digits: Some(digits), after: after.into() };
        check_label("a name", &pattern.at(1), 40)?;
        Ok(pattern)
    }

    /// False for names that all nodes would share.
    pub fn is_counted(&self) -> bool {
        self.digits.is_some()
    }

    /// The name of that number.
    pub fn at(&self, number: u64) -> String {
        match self.digits {
            Some(digits) => format!("{}{number:0digits$}{}", self.before, self.after),
            None => self.before.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_place() {
        let at = |text: &str, number| Pattern::parse(text).map(|pattern| pattern.at(number)).ok();
        assert_eq!(at("node-%02d", 0).as_deref(), Some("node-00"));
        assert_eq!(at("node-%02d", 123).as_deref(), Some("node-123"));
        assert_eq!(at("n%d-east", 7).as_deref(), Some("n7-east"));
        assert_eq!(at("alone", 7).as_deref(), Some("alone"));
        for bad in
            ["", "a%", "a%s", "a%2d", "a%00d", "a%0+2d", "%d%d", "a%d_", "A%d", "a%d-", "a%0999d"]
        {
            assert_eq!(at(bad, 1), None, "{bad}");
        }
    }
}
