//! Container image archives made from single static binaries, in the format that `docker save`
//! writes and every container runtime imports.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::name::hex;

/// Counts changes to what archives hold, so that images with old ones are built anew.
pub(crate) const FORMAT: &str = "archives 2";

/// One file of an image's only layer.
pub(crate) struct Entry {
    /// Path without a leading slash.
    pub path: String,
    /// Content; `None` for a symbolic link to `link`.
    pub content: Vec<u8>,
    /// Target of a symbolic link.
    pub link: Option<String>,
}

/// How an image's first program is found.
pub(crate) struct Start<'a> {
    /// Its words; a pod's own arguments replace them.
    pub command: &'a [&'a str],
    /// Where programs without a path are looked for.
    pub path: &'a str,
}

/// Writes an archive of an image called `name`. The same files make the same archive.
pub(crate) fn write(
    out: impl Write,
    name: &str,
    start: &Start<'_>,
    entries: &[Entry],
) -> io::Result<()> {
    let Start { command, path } = start;
    let layer = layer(entries)?;
    let digest = hex(&Sha256::digest(&layer));
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": command, "Env": [format!("PATH={path}")], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "lab images build"}],
    })
    .to_string();
    let config_name = format!("{}.json", hex(&Sha256::digest(config.as_bytes())));
    let manifest = json!([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]);
    let mut archive = tar::Builder::new(out);
    append(&mut archive, &config_name, config.as_bytes(), 0o644)?;
    append(&mut archive, "layer.tar", &layer, 0o644)?;
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes(), 0o644)?;
    archive.into_inner()?.flush()
}

fn layer(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for entry in entries {
        match &entry.link {
            None => append(&mut layer, &entry.path, &entry.content, 0o755)?,
            Some(target) => {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                header.set_mode(0o777);
                layer.append_link(&mut header, &entry.path, target)?;
            }
        }
    }
    layer.into_inner()
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    data: &[u8],
    mode: u32,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    archive.append_data(&mut header, name, data)
}

/// Names of the images in an archive, in `docker save`'s format or that of the Open Container
/// Initiative. Names that runtimes would not take are left out.
///
/// # Errors
/// When it is no tar archive.
pub fn names(file: impl Read + Seek) -> io::Result<BTreeSet<String>> {
    /// No index of a few images is larger.
    const LIMIT: u64 = 1 << 20;
    let mut found = BTreeSet::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        if name != "manifest.json" && name != "index.json" {
            continue;
        }
        let mut text = Vec::new();
        entry.take(LIMIT).read_to_end(&mut text)?;
        let Ok(index) = serde_json::from_slice::<Value>(&text) else { continue };
        let tags =
            index.as_array().into_iter().flatten().flat_map(|one| one["RepoTags"].as_array());
        let annotated = index["manifests"].as_array().into_iter().flatten();
        let annotated = annotated.map(|one| &one["annotations"]["io.containerd.image.name"]);
        let plain =
            |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@".contains(c));
        let all = tags.flatten().chain(annotated).filter_map(Value::as_str);
        found.extend(all.filter(plain).map(str::to_owned));
    }
    Ok(found)
}
