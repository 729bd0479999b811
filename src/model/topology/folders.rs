//! Folders of people's own add-ons, put into the topology that names them before it is read: what is kept of a lab
//! has them, wherever the folder is later.

use std::collections::BTreeMap;

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::addon_list::LIST;
use crate::model::topology::problem::Problem;
use crate::model::topology::spelling::{Pieces, in_one_piece, replaced};
use crate::model::topology::yaml::{self, Node, Value};

/// A folder that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name, without the way to it.
    pub name: String,
    /// Its files, text by name.
    pub files: BTreeMap<String, String>,
}

/// The text with name and files in place of the path of each `folder` of an add-on. A text that is no YAML stays as it
/// is, which is told later.
///
/// # Errors
/// Folders that cannot be read, with the places that name them.
pub fn folders(
    text: &str,
    read: &dyn Fn(&str) -> Result<Folder, Flaw>,
) -> Result<String, Vec<Problem>> {
    let Ok(root) = yaml::parse(text) else { return Ok(text.to_owned()) };
    let list = LIST.iter().try_fold(&root, |node, key| node.get(key));
    let Some(Node { value: Value::List(items), .. }) = list else { return Ok(text.to_owned()) };
    let mut found = Pieces::new();
    for item in items {
        named(item, text, &mut found);
    }
    replaced(text, found, &code::BAD_PATH, |path: &String| {
        let Folder { name, files } = read(path)?;
        // In one line, so that all else stays in its own.
        Ok(serde_json::json!({ name: files }).to_string())
    })
}

fn named(item: &Node, text: &str, found: &mut Pieces<String>) {
    let Some(node) = item.get("folder").filter(|_| item.get("files").is_none()) else { return };
    let Value::Scalar { text: path, .. } = &node.value else { return };
    if !path.is_empty()
        && !path.contains('\n')
        && let Some(span) = in_one_piece(text, node)
    {
        found.insert((span.start, span.end), path.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Folder, Flaw> {
        let files = BTreeMap::from([("a.yaml".to_owned(), "kind: \"x\"\n".to_owned())]);
        match path {
            "./mine" => Ok(Folder { name: "mine".into(), files }),
            _ => Err(Flaw::new(format!("{path} is not there"), "name a folder")),
        }
    }

    #[test]
    fn folders_of_addons_become_their_files() {
        let inlined = |text: &str| folders(text, &read).unwrap_or_default();
        let files = r#"folder: {"mine":{"a.yaml":"kind: \"x\"\n"}}"#;
        let block = "kubernetes:\n  addons:\n    - coredns\n    - folder: ./mine # own\n      parameters: {a: 1}\n";
        assert_eq!(inlined(block), block.replace("folder: ./mine", files));
        let flow = "kubernetes: {addons: [{name: other, folder: ./mine}]}\nfolder: ./mine\n";
        assert_eq!(inlined(flow), flow.replacen("folder: ./mine", files, 1));
        let kept = "kubernetes: {addons: [{folder: ./mine, files: {}}, coredns]}";
        assert_eq!(inlined(kept), kept);
        let told = folders("kubernetes: {addons: [{folder: no}]}", &read).err().unwrap_or_default();
        assert_eq!(told.first().map(|one| one.message.as_str()), Some("no is not there"));
    }
}
