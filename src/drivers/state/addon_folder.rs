//! The folder of a person's own add-on.

use std::collections::BTreeMap;
use std::path::Path;

use crate::drivers::state::text_folder::TextFolder;
use crate::model::Flaw;
use crate::model::addon::{Addon, DESCRIPTION};
use crate::model::topology::folders::Folder;

/// Reads the files of a folder that are the add-on's, by its way from `base`. What else is in it stays there.
///
/// # Errors
/// Why it cannot be read, or is none.
pub fn read(base: &Path, named: &str) -> Result<Folder, Flaw> {
    let path = base.join(named);
    let failed = |why: &dyn std::fmt::Display| {
        let cure = "name the folder of an add-on, from the folder of the topology: manifests, and addon.yaml";
        Flaw::new(format!("cannot read the add-on in {named}: {why}"), cure)
    };
    let mut folder = TextFolder::new(&path);
    let name = folder.name().map_err(|error| failed(&error))?;
    let names = folder.names().map_err(|error| failed(&error))?;
    let mut text = |file: &str| folder.text(file).map_err(|error| failed(&error));
    let is_described = names.iter().any(|name| name == DESCRIPTION);
    let description = is_described.then(|| text(DESCRIPTION)).transpose()?;
    let mut files = BTreeMap::new();
    for file in Addon::own_files(description.as_deref(), &names) {
        let text = match &description {
            Some(description) if file == DESCRIPTION => description.clone(),
            _ => text(&file)?,
        };
        files.insert(file, text);
    }
    Ok(Folder { name, files })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_is_the_files_of_its_addon() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mine");
        fs::create_dir_all(folder.join("inner.yaml")).unwrap();
        fs::write(folder.join("a.yaml"), "kind: x\n").unwrap();
        for other in [".b.yaml", "a.yaml~", "id_rsa", "Read me.md"] {
            fs::write(folder.join(other), [0xff]).unwrap();
        }
        let read_now = read(dir.path(), "./mine/../mine").unwrap();
        assert_eq!(read_now.name, "mine");
        assert_eq!(read_now.files, BTreeMap::from([("a.yaml".into(), "kind: x\n".into())]));
        let about =
            "title: M\nmanifests: [b]\nchecks: [{name: c, proves: x, script: c.sh, hint: x}]\n";
        for (file, text) in [("addon.yaml", about), ("b", ""), ("c.sh", ""), ("d.yaml", "")] {
            fs::write(folder.join(file), text).unwrap();
        }
        let named: Vec<String> = read(dir.path(), "mine").unwrap().files.into_keys().collect();
        assert_eq!(named, ["addon.yaml", "b", "c.sh"]);
        fs::write(folder.join("b"), [0xff]).unwrap();
        assert!(read(dir.path(), "mine").unwrap_err().message.ends_with("b is no text"));
        fs::write(folder.join("b"), vec![b'x'; 600 << 10]).unwrap();
        assert!(read(dir.path(), "mine").unwrap_err().message.ends_with("more than 512 KiB"));
        assert!(read(dir.path(), "no").unwrap_err().message.contains("No such file"));
    }
}
