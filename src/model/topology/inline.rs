//! Files that a topology names where their content may stand, put in their places before it is read.

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::Problem;
use crate::model::topology::spelling::{Pieces, in_one_piece, quoted, replaced};
use crate::model::topology::yaml::{self, Node, Value};

/// What a file holds that may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Something for cloud-init.
    UserData,
    /// Certificates.
    Certificates,
}

/// The fields whose values may be paths.
const FIELDS: &[(&str, Holds)] =
    &[("user_data", Holds::UserData), ("trusted_authorities", Holds::Certificates)];
/// How a path begins, as no script and no cloud-config does.
const PATHS: &[&str] = &["./", "../", "/"];

/// The text with the content of each file that such a field names, or an item of its list, in that place. A text that
/// is no YAML stays as it is, which is told later.
///
/// # Errors
/// Files that cannot be read, with the places that name them.
pub fn inline(
    text: &str,
    read: &dyn Fn(&str, Holds) -> Result<String, Flaw>,
) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let mut found = Pieces::new();
    paths(&root, text, None, &mut found);
    replaced(text, found, &code::BAD_PATH, |(path, holds): &(String, Holds)| {
        Ok(quoted(&read(path, *holds)?))
    })
}

/// Values of such a field that are paths.
fn paths(node: &Node, text: &str, field: Option<Holds>, found: &mut Pieces<(String, Holds)>) {
    match &node.value {
        Value::Scalar { text: path, .. } => {
            if let Some(holds) = field
                && is_path(path, holds)
                && let Some(span) = in_one_piece(text, node)
            {
                found.insert((span.start, span.end), (path.clone(), holds));
            }
        }
        Value::List(items) => items.iter().for_each(|item| paths(item, text, field, found)),
        Value::Map(entries) if field.is_none() => {
            for entry in entries {
                let field = FIELDS.iter().find(|(name, _)| *name == entry.key);
                paths(&entry.node, text, field.map(|(_, holds)| *holds), found);
            }
        }
        Value::Map(_) | Value::Null | Value::Binary(_) => {}
    }
}

/// What stands on one line is no certificate, whatever its name.
fn is_path(text: &str, holds: Holds) -> bool {
    let begins = || PATHS.iter().any(|start| text.starts_with(start));
    let is_named = holds == Holds::Certificates && !text.starts_with("-----");
    !text.contains('\n') && (is_named || begins())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_where_they_were_named() {
        let read = |path: &str, holds: Holds| match path {
            "corp.pem" if holds == Holds::Certificates => Ok("PEM\n".to_owned()),
            "./init.sh" => Ok("#!/bin/sh\necho \"${HOME}\"\n".to_owned()),
            _ => Err(Flaw::new(format!("{path} is not there"), "name a file")),
        };
        let text = "defaults: {user_data: ./init.sh}\nnodes:\n  a:\n    user_data:\n      - ./init.sh # mine\n      - {write_files: [{path: /etc/x}]}\nother: ./init.sh\n";
        let script = "\"#!/bin/sh\\necho \\\"${HOME}\\\"\\n\"";
        let inlined = inline(text, &read).unwrap_or_default();
        let wanted = text.replace("user_data: ./init.sh", &format!("user_data: {script}"));
        assert_eq!(inlined, wanted.replace("- ./init.sh", &format!("- {script}")));
        let authorities = inline("trusted_authorities: [corp.pem]\n", &read).ok();
        assert_eq!(authorities.as_deref(), Some("trusted_authorities: [\"PEM\\n\"]\n"));
        let block = "user_data: |-\n  ./init.sh\n";
        assert_eq!(inline(block, &read).as_deref().ok(), Some(block));
        let told = inline("a: {user_data: ../no}\nb: {user_data: [/etc/no]}\n", &read).err();
        let told = told.unwrap_or_default().into_iter().map(|one| one.message);
        assert_eq!(told.collect::<Vec<_>>(), ["../no is not there", "/etc/no is not there"]);
    }
}
