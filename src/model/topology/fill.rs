//! Variables of a topology's text, filled in before it is read, so that what is remembered of a lab is a text which
//! says all of it.

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::{Problem, printable};
use crate::model::topology::spelling::{Pieces, own, quoted, replaced, spelled};
use crate::model::topology::yaml::{self, Node, Value};
use crate::model::user_data::is_for_cloud_init;

/// What is handed to guests as it stands: shells have variables of the same spelling.
const AS_IT_STANDS: &str = "user_data";

/// The text with `${NAME}`, `${NAME:-default}`, `${NAME-default}` and `${NAME:?why}` in values filled in; `$${` is
/// `${` itself. Within `{...}` and `[...]` YAML wants them in quotes. What is below `user_data` stays as it is, scripts
/// anywhere do, and so does a text that is no YAML, which is told later.
///
/// # Errors
/// Variables that have no value, or cannot be read, with their places.
pub fn fill(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let mut found = Pieces::new();
    scalars(&root, text, &mut found);
    replaced(text, found, &code::NO_VARIABLE, |scalar| scalar.filled(variable))
}

/// How a value is written, and what of it is filled in.
enum Scalar {
    Plain(String),
    Quoted(String),
    /// The lines of a block, as they stand.
    Block(String),
}

impl Scalar {
    fn filled(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Flaw> {
        match self {
            Self::Plain(content) => Ok(spelled(&expand(content, variable)?)),
            Self::Quoted(content) => Ok(quoted(&expand(content, variable)?)),
            Self::Block(lines) => expand(lines, &|name| Some(variable(name)?.replace('\n', " "))),
        }
    }
}

/// Values that have a variable.
fn scalars(node: &Node, text: &str, found: &mut Pieces<Scalar>) {
    match &node.value {
        Value::Scalar { text: content, plain } => {
            let span = own(text, &node.span);
            let stands = text.get(span.clone()).unwrap_or_default();
            if is_for_cloud_init(content) || !stands.contains("${") || !content.contains("${") {
                return;
            }
            let scalar = match () {
                () if *plain => Scalar::Plain(content.clone()),
                () if node.is_block => Scalar::Block(stands.to_owned()),
                () => Scalar::Quoted(content.clone()),
            };
            found.insert((span.start, span.end), scalar);
        }
        Value::List(items) => items.iter().for_each(|item| scalars(item, text, found)),
        Value::Map(entries) => {
            let filled = entries.iter().filter(|entry| entry.key != AS_IT_STANDS);
            filled.for_each(|entry| scalars(&entry.node, text, found));
        }
        Value::Null | Value::Binary(_) => {}
    }
}

/// A value with its variables filled in.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Flaw> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let after = after.get(2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((inside, later)) = after.split_once('}') else {
            let message = format!("'{}' begins a variable that does not end", printable(text));
            return Err(Flaw::new(
                message,
                "write `${NAME}`, or `$${` for the characters themselves",
            ));
        };
        filled.push_str(&one(inside, variable)?);
        rest = later;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What stands between the braces.
fn one(inside: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Flaw> {
    if inside.contains("${") {
        let message = format!("'${{{}' has a variable within a variable", printable(inside));
        return Err(Flaw::new(message, "write the default itself"));
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = inside.find(|c| !is_of_name(c)).unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        let message = format!("'${{{}}}' is no variable", printable(inside));
        return Err(Flaw::new(message, "write `${NAME}`, or `$${` for the characters themselves"));
    }
    let value = variable(name);
    let not_empty = value.clone().filter(|value| !value.is_empty());
    let missing = |why: &str| {
        let message = match why {
            "" => format!("the variable {name} has no value"),
            why => format!("the variable {name} has no value: {}", printable(why)),
        };
        Flaw::new(
            message,
            format!("`export {name}=...` before, or give it a default: `${{{name}:-...}}`"),
        )
    };
    if rest.is_empty() {
        value.ok_or_else(|| missing(""))
    } else if let Some(default) = rest.strip_prefix(":-") {
        Ok(not_empty.unwrap_or_else(|| default.to_owned()))
    } else if let Some(default) = rest.strip_prefix('-') {
        Ok(value.unwrap_or_else(|| default.to_owned()))
    } else if let Some(why) = rest.strip_prefix(":?") {
        not_empty.ok_or_else(|| missing(why))
    } else {
        let message = format!("'${{{}}}' is no variable", printable(inside));
        Err(Flaw::new(message, "`:-`, `-` and `:?` may follow the name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, Vec<String>> {
        let variable = |name: &str| match name {
            "N" => Some("3".to_owned()),
            "ODD" => Some("a: {b}\n\"c\"".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let messages = |all: Vec<Problem>| all.into_iter().map(|one| one.message).collect();
        fill(text, &variable).map_err(messages)
    }

    #[test]
    fn variables_are_filled_in_where_values_stand() {
        let text = "# ${N} stays\na: ${N}\nb: \"x${N}y\"\nc: [ '${N}', x ]\nd: ${MISSING:-4}\ne: ${EMPTY:-5}${EMPTY-6}\nf: $${N} $N\n";
        assert_eq!(
            filled(text).as_deref(),
            Ok("# ${N} stays\na: 3\nb: \"x3y\"\nc: [ \"3\", x ]\nd: 4\ne: 5\nf: \"${N} $N\"\n")
        );
        let odd = filled("a: ${ODD}\n").unwrap_or_default();
        assert_eq!(odd, "a: \"a: {b}\\n\\\"c\\\"\"\n");
        let scripts =
            "user_data: |\n  #!/bin/sh\n  echo ${MISSING}\nx: {user_data: {a: '${MISSING}'}}\n";
        assert_eq!(filled(scripts).as_deref(), Ok(scripts));
        assert_eq!(filled("a: [\n${N}").as_deref(), Ok("a: [\n${N}"), "no YAML");
    }

    #[test]
    fn what_is_repeated_by_aliases_is_filled_in_once() {
        let text = "x-a: &a {n: '${N}'}\nb: *a\nc:\n  <<: *a\n  m: ${N}\n";
        assert_eq!(
            filled(text).as_deref(),
            Ok("x-a: &a {n: \"3\"}\nb: *a\nc:\n  <<: *a\n  m: 3\n")
        );
    }

    #[test]
    fn blocks_keep_their_lines_and_scripts_every_byte() {
        let text =
            "a: |\n  by ${N}\n  \"${N}\"\nb: >-\n  \"${N}\"\nc: &c ${N}\nd: *c\ne: !!str ${N}\n";
        assert_eq!(
            filled(text).as_deref(),
            Ok("a: |\n  by 3\n  \"3\"\nb: >-\n  \"3\"\nc: &c 3\nd: *c\ne: !!str \"3\"\n")
        );
        let told = "a: | # why\n  ${N} # no comment\nb: 1\n";
        let wanted = "a: | # why\n  3 # no comment\nb: 1\n";
        assert_eq!(filled(told).as_deref(), Ok(wanted));
        let script = "x-init: &i \"#!/bin/sh\\necho ${HOST}\"\nuser_data: *i\n";
        assert_eq!(filled(script).as_deref(), Ok(script));
    }

    #[test]
    fn variables_without_a_value_are_told() {
        let told = |text| filled(text).err().unwrap_or_default().join("; ");
        assert_eq!(
            told("a: ${MISSING}\nb: ${ALSO}\n"),
            "the variable MISSING has no value; the variable ALSO has no value"
        );
        assert_eq!(told("a: ${EMPTY:?say it}\n"), "the variable EMPTY has no value: say it");
        assert_eq!(told("a: ${X:-${N}}\n"), "'${X:-${N' has a variable within a variable");
        assert_eq!(told("a: ${1}\n"), "'${1}' is no variable");
        assert_eq!(told("a: ${N+1}\n"), "'${N+1}' is no variable");
        assert_eq!(told("a: \"${N\"\n"), "'${N' begins a variable that does not end");
    }
}
