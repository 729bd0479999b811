//! Names of images of a person's own, made whole in a topology's text before it is read: what is kept of a lab says what
//! they are.

use crate::model::code;
use crate::model::topology::problem::Problem;
use crate::model::topology::spelling::{Pieces, in_one_piece, replaced};
use crate::model::topology::yaml::{self, Node, Value};

/// The text with `{name: NAME, like: SYSTEM}` in place of each image that `like` knows. A text that is no YAML stays as
/// it is, which is told later.
///
/// # Errors
/// None that a name can have.
pub fn named(text: &str, like: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let mut found = Pieces::new();
    let groups = children(root.get("nodes"));
    let nodes = groups.iter().flat_map(|group| children(group.get("overrides")));
    for place in [&root].into_iter().chain(groups.iter().copied()).chain(nodes) {
        let Some(Node { value: Value::Scalar { text: name, .. }, span, .. }) = place.get("image")
        else {
            continue;
        };
        if let Some(like) = like(name)
            && let Some(span) = in_one_piece(text, span)
        {
            found.insert((span.start, span.end), format!("{{name: {name}, like: {like}}}"));
        }
    }
    replaced(text, found, &code::BAD_NAME, |whole: &String| Ok(whole.clone()))
}

/// What is below a mapping.
fn children(node: Option<&Node>) -> Vec<&Node> {
    match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| &entry.node).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ones_own_become_what_they_are() {
        let like = |name: &str| (name == "mine").then(|| "debian-13".to_owned());
        let text = "image: mine # own\nnodes:\n  a: {image: debian-12}\n  b:\n    image: \"mine\"\n    overrides: {b: {image: mine}}\nx-image: mine\n";
        let whole = "{name: mine, like: debian-13}";
        let wanted = text
            .replace("image: mine #", &format!("image: {whole} #"))
            .replace("\"mine\"", whole)
            .replace("{image: mine}", &format!("{{image: {whole}}}"));
        assert_eq!(named(text, &like).unwrap_or_default(), wanted);
    }
}
