//! Merge keys, as YAML 1.1 has them: `<<: *one` stands for the entries of another mapping.

use crate::model::code;
use crate::model::topology::problem::Problem;
use crate::model::topology::yaml::tree::{Entry, Node, Value};

/// The key that brings entries of other mappings.
pub(super) const KEY: &str = "<<";

/// The entries that the value of a merge key brings; of two with one name the first counts.
pub(super) fn sources(node: Node, problems: &mut Vec<Problem>) -> Vec<Entry> {
    match node.value {
        Value::Map(entries) => entries,
        Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
            items.into_iter().flat_map(|item| sources(item, problems)).collect()
        }
        other => {
            let message =
                format!("'{KEY}' must be a mapping or a list of mappings, not {}", other.kind());
            let cure = "name a mapping that stands further up with `&name`, and write `<<: *name`";
            problems.push(Problem::error(&code::WRONG_SHAPE, &node.span, message).help(cure));
            Vec::new()
        }
    }
}
