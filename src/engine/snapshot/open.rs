//! A snapshot and the lab that it is of, opened.

use crate::drivers::state::snapshot_store::SnapshotStore;
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::lab::reach::{Drivers, Reach};
use crate::engine::task::error::EngineError;
use crate::model::code;
use crate::model::near::nearest;
use crate::model::snapshot::Manifest;

/// The manifest of a snapshot that exists.
pub(super) fn manifest(session: &Session, name: &str) -> Result<Manifest, EngineError> {
    let shelf = SnapshotStore::new(&session.store);
    if let Some(manifest) = shelf.manifest(name)? {
        return Ok(manifest);
    }
    let names = shelf.names()?;
    let error =
        EngineError::of(&code::SNAPSHOT, format!("find the snapshot '{name}': there is none"))
            .preflight();
    Err(match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if names.is_empty() => error.hint("`lab snapshot create NAME` makes one"),
        None => error.hint(format!("there are: {}", names.join(", "))),
    })
}

/// The way to a lab that runs, or can be started.
///
/// # Errors
/// When its provider cannot be started, or there are no keys.
pub fn drivers(session: &Session) -> Result<Drivers, EngineError> {
    if let ProviderKind::Private(libvirt) = &session.provider {
        libvirt.ensure(session.is_emulated())?;
    }
    let provider = session.provider.connect()?;
    Ok(Drivers { provider, reach: way(session)?, again: Some(way) })
}

/// The way to the nodes, by the keys in the lab's directory.
fn way(session: &Session) -> Result<Reach, EngineError> {
    let keys = session.load_keys()?;
    session.reach(&keys, session.lab.options.boot_patience())
}
