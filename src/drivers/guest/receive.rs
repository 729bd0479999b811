//! Files on their way to a node.

use crate::model::Put;

/// Unpacks a tar archive from standard input beside each target and renames into place, so that a
/// cut connection leaves no half-written file. A file is never readable by more than its mode says.
pub(super) const RECEIVE: &str = include_str!("receive.sh");

/// What it unpacks.
pub(super) fn archive(items: &[Put]) -> std::io::Result<Vec<u8>> {
    let mut manifest = String::new();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        builder.append_data(&mut header, name, content)
    };
    for (index, item) in items.iter().enumerate() {
        match item {
            Put::Directory(path, mode, owner) => {
                manifest.push_str(&format!("d - {mode:o} {owner} {path}\n"));
            }
            Put::File(file) => {
                let name = format!("f{index}");
                manifest
                    .push_str(&format!("f {name} {:o} {} {}\n", file.mode, file.owner, file.path));
                add(&name, file.content.as_bytes())?;
            }
        }
    }
    add("manifest", manifest.as_bytes())?;
    add("complete", b"")?;
    builder.into_inner()
}
