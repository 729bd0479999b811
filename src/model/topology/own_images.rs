//! Names of images of a person's own, made whole in a topology's text before it is read: what is kept of a lab says what
//! they are.

use std::collections::BTreeMap;

use crate::model::code;
use crate::model::topology::problem::Problem;
use crate::model::topology::spelling::{Pieces, in_one_piece, replaced};
use crate::model::topology::yaml::{self, Node, Value};

/// The text with all that is said of an image in place of its name: what the topology itself says elsewhere, or
/// `{name: NAME, like: SYSTEM}` for those that `like` knows. A text that is no YAML stays as
/// it is, which is told later.
///
/// # Errors
/// None that a name can have.
pub fn named(text: &str, like: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let mut found = Pieces::new();
    let groups = children(root.get("nodes"));
    let nodes = groups.iter().flat_map(|group| children(group.get("overrides")));
    let places: Vec<&Node> =
        [&root].into_iter().chain(groups.iter().copied()).chain(nodes).collect();
    let own = |name: &str| {
        let mut images = places.iter().filter_map(|place| place.get("image"));
        whole(images.find(|image| image.get("name").and_then(Node::text) == Some(name))?)
    };
    for place in &places {
        let Some(image) = place.get("image") else { continue };
        let Value::Scalar { text: name, .. } = &image.value else { continue };
        let brought = || Some(format!("{{name: {name}, like: {}}}", like(name)?));
        if let Some(whole) = own(name).or_else(brought)
            && let Some(span) = in_one_piece(text, image)
        {
            found.insert((span.start, span.end), whole);
        }
    }
    replaced(text, found, &code::BAD_NAME, |whole: &String| Ok(whole.clone()))
}

/// What a topology says of an image, in one line; `None` where it is no mapping of plain values.
fn whole(image: &Node) -> Option<String> {
    let Value::Map(entries) = &image.value else { return None };
    let fields =
        entries.iter().map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned())));
    serde_json::to_string(&fields.collect::<Option<BTreeMap<_, _>>>()?).ok()
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
        let text =
            "image:\n  name: own\n  like: rocky\n  file: a b.qcow2\nnodes: {a: {image: own}}\n";
        let whole = r#"{"file":"a b.qcow2","like":"rocky","name":"own"}"#;
        assert_eq!(
            named(text, &like).unwrap_or_default(),
            text.replace("image: own}", &format!("image: {whole}}}"))
        );
    }
}
