//! Files that a topology's `user_data` names, put in their places before it is read.

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::Problem;
use crate::model::topology::spelling::{Pieces, in_one_piece, quoted, replaced};
use crate::model::topology::yaml::{self, Node, Value};

/// The field whose values may be paths.
const FIELD: &str = "user_data";
/// How a path begins, as no script and no cloud-config does.
const PATHS: &[&str] = &["./", "../", "/"];

/// The text with the content of each file that a `user_data` names, or an item of its list, in that place. A text that
/// is no YAML stays as it is, which is told later.
///
/// # Errors
/// Files that cannot be read, with the places that name them.
pub fn inline(
    text: &str,
    read: &dyn Fn(&str) -> Result<String, Flaw>,
) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let mut found = Pieces::new();
    paths(&root, text, false, &mut found);
    replaced(text, found, &code::BAD_PATH, |path: &String| Ok(quoted(&read(path)?)))
}

/// Values of the field that are paths.
fn paths(node: &Node, text: &str, is_field: bool, found: &mut Pieces<String>) {
    match &node.value {
        Value::Scalar { text: path, .. } => {
            let is_path = PATHS.iter().any(|start| path.starts_with(start)) && !path.contains('\n');
            if is_field
                && is_path
                && let Some(span) = in_one_piece(text, &node.span)
            {
                found.insert((span.start, span.end), path.clone());
            }
        }
        Value::List(items) => items.iter().for_each(|item| paths(item, text, is_field, found)),
        Value::Map(entries) if !is_field => {
            for entry in entries {
                paths(&entry.node, text, entry.key == FIELD, found);
            }
        }
        Value::Map(_) | Value::Null | Value::Binary(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_where_they_were_named() {
        let read = |path: &str| match path {
            "./init.sh" => Ok("#!/bin/sh\necho \"${HOME}\"\n".to_owned()),
            _ => Err(Flaw::new(format!("{path} is not there"), "name a file")),
        };
        let text = "defaults: {user_data: ./init.sh}\nnodes:\n  a:\n    user_data:\n      - ./init.sh # mine\n      - {write_files: [{path: /etc/x}]}\nother: ./init.sh\n";
        let script = "\"#!/bin/sh\\necho \\\"${HOME}\\\"\\n\"";
        let inlined = inline(text, &read).unwrap_or_default();
        let wanted = text.replace("user_data: ./init.sh", &format!("user_data: {script}"));
        assert_eq!(inlined, wanted.replace("- ./init.sh", &format!("- {script}")));
        let block = "user_data: |-\n  ./init.sh\n";
        assert_eq!(inline(block, &read).as_deref().ok(), Some(block));
        let told = inline("a: {user_data: ../no}\nb: {user_data: [/etc/no]}\n", &read).err();
        let told = told.unwrap_or_default().into_iter().map(|one| one.message);
        assert_eq!(told.collect::<Vec<_>>(), ["../no is not there", "/etc/no is not there"]);
    }
}
