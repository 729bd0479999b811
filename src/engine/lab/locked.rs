//! What a lab was made with is written down in `lab.lock` beside its topology, at the first use, and nothing else
//! is taken from then on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::drivers::assets::binaries::Found;
use crate::drivers::state::files::write_through;
use crate::engine::lab::open::Session;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::code;
use crate::model::locked::Locked;
use crate::model::platform::Image;

/// Name of the file.
pub const FILE: &str = "lab.lock";

/// The file of a lab; none is fine.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(path: &Path) -> Result<Option<Locked>, EngineError> {
    let unread = |why: String| {
        EngineError::of(&code::OTHER_ASSET, format!("read {}: {why}", path.display()))
            .hint("put the file back as it was, or remove it: the next `lab up` writes it anew")
            .preflight()
    };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unread(error.to_string())),
        Ok(text) => Locked::parse(&text).map(Some).map_err(|error| unread(error.to_string())),
    }
}

/// What is here of what a lab needs: images that are on this computer, binaries and archives, add-ons.
pub(crate) fn here(
    session: &Session,
    found: Option<&Found>,
    images: &BTreeMap<String, Image>,
    addons: &BTreeMap<String, BTreeMap<String, String>>,
) -> Locked {
    let mut locked = Locked::default();
    let mut add = |asset: String, is: String| drop(locked.assets.insert(asset, is));
    for (os, image) in images.iter().filter(|(_, image)| image.is_known()) {
        // What is built here has other bytes each time: what it was built from is what counts.
        let inputs = session.images.local(os).map(|local| local.inputs).unwrap_or_default();
        let is = match inputs.as_str() {
            "" => format!("sha256:{}", image.digest),
            inputs => format!("built-from:{inputs}"),
        };
        add(format!("image {os}"), is);
    }
    for (name, sum) in found.iter().flat_map(|found| &found.sums) {
        let version = found.map(|found| found.version.to_string()).unwrap_or_default();
        let asset = match name.strip_prefix("bin/") {
            Some(binary) => format!("binary {version}/{binary}"),
            None => format!("archive {version}/{}", name.trim_start_matches("images/")),
        };
        add(asset, format!("sha256:{sum}"));
    }
    for (addon, images) in addons {
        // Another release brings another image.
        let version = found.map(|found| found.version.to_string()).unwrap_or_default();
        for (name, image) in images {
            let of_several = if name == addon { String::new() } else { format!("/{name}") };
            add(format!("add-on {version}/{addon}{of_several}"), image.clone());
        }
    }
    locked
}

/// Refuses what is not what the file says.
///
/// # Errors
/// Which assets those are.
pub(crate) fn refuse_others(session: &Session, here: &Locked) -> Result<(), EngineError> {
    refuse(&session.locked, &read(&session.locked)?.unwrap_or_default(), here)
}

fn refuse(path: &Path, locked: &Locked, here: &Locked) -> Result<(), EngineError> {
    let others = locked.others(here);
    if others.is_empty() {
        return Ok(());
    }
    let lines = others
        .iter()
        .map(|other| format!("\n  {}: {} there, {} here", other.asset, other.locked, other.here));
    let text = format!(
        "use what is here: it is not what {} says{}",
        path.display(),
        lines.collect::<String>()
    );
    Err(EngineError::of(&code::OTHER_ASSET, text)
        .hint("`lab assets update` takes what is here from now on, and shows the difference")
        .preflight())
}

/// Writes down what is used for the first time. A folder that cannot be written to has no such file.
///
/// # Errors
/// As [`refuse_others`].
pub(crate) fn hold(session: &Session, here: &Locked, say: &Events) -> Result<(), EngineError> {
    let path = &session.locked;
    let mut locked = read(path)?.unwrap_or_default();
    refuse(path, &locked, here)?;
    let new = locked.new_ones(here);
    if new.is_empty() {
        return Ok(());
    }
    locked.take(here);
    match write(session, &locked) {
        Ok(()) => say.note(format!(
            "{} holds what the lab is made with: {} new",
            path.display(),
            new.len()
        )),
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied
                || error.kind() == io::ErrorKind::ReadOnlyFilesystem =>
        {
            say.note(format!(
                "{} cannot be written, so nothing holds what the lab is made with: {error}",
                path.display()
            ));
        }
        Err(error) => return Err(failed(path, &error)),
    }
    Ok(())
}

/// Takes what is here from now on; the file.
///
/// # Errors
/// When it cannot be written.
pub fn update(session: &Session, locked: &Locked) -> Result<PathBuf, EngineError> {
    let path = session.locked.clone();
    write(session, locked).map_err(|error| failed(&path, &error))?;
    Ok(path)
}

fn write(session: &Session, locked: &Locked) -> io::Result<()> {
    let path = &session.locked;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // In the lab's own directory nothing is for others.
    let mode = if path.starts_with(session.store.root()) { 0o600 } else { 0o644 };
    write_through(session.store.failpoints(), path, locked.text().as_bytes(), mode)
}

fn failed(path: &Path, error: &io::Error) -> EngineError {
    EngineError::of(&code::FILES, format!("write {}: {error}", path.display()))
}
