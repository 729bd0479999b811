//! What a lab's disks stand on is what they stood on when they were made: they hold only differences to
//! it, and another byte below them is damage that nobody reports.

use std::path::Path;

use crate::drivers::assets::artifact_disk as disks;
use crate::drivers::assets::images::kept::like_kept;
use crate::drivers::assets::images::{Images, refuse_other};
use crate::drivers::state::{labs, standing, standing_on};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::machines::provision::artifact_disk;
use crate::engine::task::error::EngineError;
use crate::model::Lab;
use crate::model::platform::Image;

/// Where what a lab stands on is kept, in its own directory.
const KEPT: &str = "bases";
/// The artifact disks among it.
const ARTIFACTS: &str = "bases/artifacts";

/// Keeps what the lab's disks are going to stand on with the lab, where they stand on the cache.
///
/// # Errors
/// When the file system refuses.
pub(crate) fn keep(session: &Session, prepared: &Prepared) -> Result<(), EngineError> {
    if !prepared.layout.local {
        return Ok(());
    }
    for os in session.lab.systems() {
        session.images.keep(os, &session.store.path(&format!("{KEPT}/{os}")))?;
    }
    if prepared.platform.artifact_volume().is_some() && prepared.found.is_some() {
        let disk = artifact_disk(session, prepared)?;
        disks::keep(session.images.cache(), &disk, &session.store.path(ARTIFACTS))?;
    }
    Ok(())
}

/// Has the cache hold again what a lab keeps, where it was cleaned. `state` is where all labs are.
///
/// # Errors
/// When the file system refuses.
pub(crate) fn take_back(lab: &Lab, state: &Path, images: &Images) -> Result<(), EngineError> {
    disks::take_back(images.cache(), &state.join(&lab.name).join(ARTIFACTS))?;
    for os in lab.systems() {
        let is_gone = || images.local(os).is_none();
        for standing in standing_on(state, os).iter().take_while(|_| is_gone()) {
            let dir = state.join(&standing.lab).join(KEPT).join(os);
            images.take_back(os, &dir, &standing.sha256)?;
        }
    }
    Ok(())
}

/// The system that an image of a person's own is, as one of the labs in `state` keeps it, wherever the cache went.
pub fn kept_like(state: &Path, name: &str) -> Option<String> {
    let mut labs = labs(state).into_iter();
    labs.find_map(|lab| like_kept(&state.join(lab).join(KEPT).join(name)))
}

/// Refuses an image that is not the one that the lab's disks stand on. `state` is where all labs are.
///
/// # Errors
/// Which nodes stand on another, and the cure.
pub(crate) fn refuse_other_base(
    lab: &Lab,
    state: &Path,
    os: &str,
    image: &Image,
) -> Result<(), EngineError> {
    let own = standing(state, &lab.name, os);
    let refused = refuse_other(os, &image.digest, own.as_slice());
    refused.map_err(|error| with_cure(lab, os, error.into()))
}

/// The same for all images of the lab, which must be there: before guests run on them again.
///
/// # Errors
/// As [`refuse_other_base`]; when an image is gone.
pub(crate) fn refuse_other_bases(
    lab: &Lab,
    state: &Path,
    images: &Images,
) -> Result<(), EngineError> {
    take_back(lab, state, images)?;
    for os in lab.systems() {
        if standing(state, &lab.name, os).is_some() {
            let image = images.image(os);
            let image = image.map_err(|error| with_cure(lab, os, error.into()))?;
            refuse_other_base(lab, state, os, &image)?;
        }
    }
    Ok(())
}

/// The error with the nodes that it is about, and what to do.
pub(crate) fn with_cure(lab: &Lab, os: &str, error: EngineError) -> EngineError {
    let nodes = lab.nodes.iter().filter(|node| node.os == os);
    let nodes: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
    error
        .hint(format!(
            "{} stand on it: put the image back as it was into the cache, or `lab down` and `lab up` make \
             everything anew",
            nodes.join(", ")
        ))
        .preflight()
}
