//! What a lab's disks stand on is what they stood on when they were made: they hold only differences to
//! it, and another byte below them is damage that nobody reports.

use std::path::Path;

use crate::drivers::assets::images::{Images, refuse_other};
use crate::drivers::state::standing;
use crate::engine::task::error::EngineError;
use crate::model::Lab;
use crate::model::platform::Image;

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
