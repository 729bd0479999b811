//! Folders of people's own add-ons, put into the topology that names them before it is read: what is kept of a lab
//! has them, wherever the folder is later.

use std::collections::BTreeMap;

use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::Problem;
use crate::model::topology::spelling::{Pieces, is_block, own, quoted, replaced};
use crate::model::topology::yaml::{self, Entry, Node, Value};

/// Where the list stands.
const LIST: [&str; 2] = ["kubernetes", "addons"];

/// A folder that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name, without the way to it.
    pub name: String,
    /// Its files, text by name.
    pub files: BTreeMap<String, String>,
}

/// A field that names a folder.
struct Named {
    path: String,
    /// What stands between two fields of its mapping.
    between: String,
    /// True where the mapping has a name already.
    has_name: bool,
}

/// The text with `name` and `files` in place of each `folder` of an add-on. A text that is no YAML stays as it is,
/// which is told later.
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
    replaced(text, found, &code::BAD_PATH, |named: &Named| {
        let folder = read(&named.path)?;
        let files = serde_json::to_value(&folder.files).unwrap_or_default();
        let files = format!("files: {files}");
        Ok(match named.has_name {
            true => files,
            false => format!("name: {}{}{files}", quoted(&folder.name), named.between),
        })
    })
}

fn named(item: &Node, text: &str, found: &mut Pieces<Named>) {
    let Value::Map(entries) = &item.value else { return };
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    let folder = entries.iter().find(|entry| entry.key == "folder" && !has("files"));
    let Some(Entry { key_span, node, .. }) = folder else { return };
    let Value::Scalar { text: path, .. } = &node.value else { return };
    let span = own(text, &node.span);
    let is_alias = text.get(span.clone()).is_some_and(|own| own.starts_with('*'));
    // A mapping that was merged or repeated stands elsewhere.
    let is_here = key_span.start < span.start && !is_alias && !is_block(text, span.start);
    if !is_here || path.is_empty() || path.contains('\n') {
        return;
    }
    let is_flow = text.get(own(text, &item.span)).is_some_and(|own| own.starts_with('{'));
    let column = text.get(..key_span.start).unwrap_or_default();
    let column = column.rsplit('\n').next().unwrap_or_default().chars().count();
    let between = if is_flow { ", ".to_owned() } else { format!("\n{}", " ".repeat(column)) };
    let named = Named { path: path.clone(), between, has_name: has("name") };
    found.insert((key_span.start, span.end), named);
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
        let files = r#"files: {"a.yaml":"kind: \"x\"\n"}"#;
        let block = "kubernetes:\n  addons:\n    - coredns\n    - folder: ./mine # own\n      parameters: {a: 1}\n";
        assert_eq!(
            inlined(block),
            block.replace("folder: ./mine", &format!("name: \"mine\"\n      {files}"))
        );
        let flow = "kubernetes: {addons: [{name: other, folder: ./mine}]}\nfolder: ./mine\n";
        assert_eq!(inlined(flow), flow.replacen("folder: ./mine", files, 1));
        let unnamed = inlined("kubernetes: {addons: [{folder: ./mine}]}");
        assert_eq!(unnamed, format!("kubernetes: {{addons: [{{name: \"mine\", {files}}}]}}"));
        let kept = "kubernetes: {addons: [{folder: ./mine, files: {}}, coredns]}";
        assert_eq!(inlined(kept), kept);
        let told = folders("kubernetes: {addons: [{folder: no}]}", &read).err().unwrap_or_default();
        assert_eq!(told.first().map(|one| one.message.as_str()), Some("no is not there"));
    }
}
