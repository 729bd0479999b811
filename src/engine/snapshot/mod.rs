//! Snapshots of the whole lab: made, restored and deleted as one. What is begun is written down
//! before its first effect, so that a run which was cut is finished or taken back by the next.

mod clock;
pub(crate) mod create;
mod delete;
mod list;
mod parts;
mod restore;

use std::sync::Arc;

use crate::drivers::provider::Hypervisor;
use crate::drivers::state::snapshots::Shelf;
use crate::engine::lab::drivers::Drivers;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::code;
use crate::model::snapshot::{Intent, Manifest};
use crate::model::topology::check::nearest;

pub use create::{Wish, create};
pub use delete::delete;
pub use list::{Listed, list};
pub use restore::{RestoreOptions, Restored, restore};

/// Finishes what an earlier run began with snapshots and was cut in: half a snapshot is taken back,
/// half a deletion completed. Half a restore only a restore can end.
///
/// # Errors
/// When a restore was cut, or the hypervisor refuses.
pub(super) async fn settle(
    session: &Session,
    hypervisor: &Arc<dyn Hypervisor>,
    events: &Events,
) -> Result<(), EngineError> {
    if let Some(name) = cut_restore(session)? {
        return Err(EngineError::of(&code::HALF_RESTORED, format!(
            "go on: restoring the snapshot '{name}' was cut, so the nodes are at different moments"
        ))
        .hint(format!("`lab snapshot restore {name}` once more, or `lab down`"))
        .preflight());
    }
    let shelf = Shelf::new(&session.store);
    for name in shelf.names()? {
        match (shelf.intent(&name)?, shelf.manifest(&name)?) {
            (Some(Intent::Create), Some(_)) => shelf.finish(&name)?,
            (Some(Intent::Create | Intent::Delete), _) => {
                events.note(format!("taking back the snapshot '{name}', which was cut"));
                parts::take_back(session, hypervisor, &name).await?;
            }
            // Cut between the last file of a deletion and the directory.
            (None, None) => shelf.remove(&name)?,
            _ => {}
        }
    }
    Ok(shelf.tidy()?)
}

/// The snapshot whose restore was cut, if there is one.
///
/// # Errors
/// When the lab's directory cannot be read.
pub(super) fn cut_restore(session: &Session) -> Result<Option<String>, EngineError> {
    let shelf = Shelf::new(&session.store);
    for name in shelf.names()? {
        if matches!(shelf.intent(&name)?, Some(Intent::Restore { .. })) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The manifest of a snapshot that exists.
fn manifest(session: &Session, name: &str) -> Result<Manifest, EngineError> {
    let shelf = Shelf::new(&session.store);
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
/// When its engine cannot be started, or there are no keys.
pub fn drivers(session: &Session) -> Result<Drivers, EngineError> {
    if let crate::engine::Place::Private(engine) = &session.place {
        engine.ensure(session.is_emulated())?;
    }
    let hypervisor = session.place.connect()?;
    Ok(Drivers { hypervisor, reach: way(session)? })
}

/// The way to the nodes, by the keys in the lab's directory.
fn way(session: &Session) -> Result<Reach, EngineError> {
    let keys = session.load_keys()?;
    session.reach(&keys, session.lab.options.boot_patience())
}
