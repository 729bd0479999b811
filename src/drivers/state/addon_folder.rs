//! The folder of a person's own add-on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::drivers::state::files::read_regular;
use crate::model::Flaw;
use crate::model::topology::folders::Folder;

/// The most that the files of a folder may hold together; a topology may hold no more either.
const MAX_BYTES: u64 = 512 << 10;

/// Reads the files of a folder, by its way from `base`. Hidden ones, and folders in it, are nothing of the add-on.
///
/// # Errors
/// Why it cannot be read, or is none.
pub fn read(base: &Path, named: &str) -> Result<Folder, Flaw> {
    let path = base.join(named);
    let failed = |why: &dyn std::fmt::Display| {
        let cure = "name the folder of an add-on, from the folder of the topology: manifests, and addon.yaml";
        Flaw::new(format!("cannot read the add-on in {named}: {why}"), cure)
    };
    let name = path.canonicalize().map_err(|error| failed(&error))?;
    let name = name.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut files = BTreeMap::new();
    let mut left = MAX_BYTES;
    for file in regular(&path).map_err(|error| failed(&error))? {
        let bytes = read_regular(&path.join(&file), left + 1)
            .map_err(|error| failed(&format!("{file}: {error}")))?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| failed(&"its files hold more than 512 KiB"))?;
        let text = String::from_utf8(bytes).map_err(|_| failed(&format!("{file} is no text")))?;
        files.insert(file, text);
    }
    Ok(Folder { name, files })
}

/// Names of the regular files in a folder.
fn regular(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let is_file = fs::metadata(entry.path()).is_ok_and(|about| about.is_file());
        let name = entry.file_name().into_string().ok();
        names.extend(name.filter(|name| is_file && !name.starts_with('.')));
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_visible_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mine");
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("a.yaml"), "kind: x\n").unwrap();
        fs::write(folder.join(".a.yaml.swp"), [0xff]).unwrap();
        let read_now = read(dir.path(), "./mine/../mine").unwrap();
        assert_eq!(read_now.name, "mine");
        assert_eq!(read_now.files, BTreeMap::from([("a.yaml".into(), "kind: x\n".into())]));
        fs::write(folder.join("b"), [0xff]).unwrap();
        assert!(read(dir.path(), "mine").unwrap_err().message.ends_with("b is no text"));
        fs::write(folder.join("b"), vec![b'x'; 600 << 10]).unwrap();
        assert!(read(dir.path(), "mine").unwrap_err().message.ends_with("more than 512 KiB"));
        assert!(read(dir.path(), "no").unwrap_err().message.contains("No such file"));
    }
}
