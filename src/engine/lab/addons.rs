//! Where the images of add-ons come from.

use std::collections::BTreeMap;

use crate::engine::lab::open::Session;
use crate::model::Version;
use crate::model::addon::Images;
use crate::model::mirror::may_have;
use crate::model::platform::Artifacts;

/// Images of the add-ons that the lab wants, by add-on: each from one of the archives at hand, else the registry's,
/// where guests can reach a registry. An add-on that lacks one is not there.
pub(super) fn addon_images(
    session: &Session,
    artifacts: &Artifacts,
    version: Version,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let outside = session.provider.reaches_outside(&session.lab);
    let image = |images: &Images| {
        let archived = artifacts.image_names.iter().find(|name| images.is_one(name));
        let reached = |image: &String| outside || may_have(&session.lab.kubernetes.mirrors, image);
        archived.cloned().or_else(|| images.of(version).filter(reached))
    };
    let all = session.lab.kubernetes.addons.iter().map(|used| &used.addon);
    let found = all.filter_map(|addon| {
        let images = addon.images.iter();
        let images = images.map(|(name, images)| Some((name.clone(), image(images)?)));
        Some((addon.name.clone(), images.collect::<Option<_>>()?))
    });
    found.collect()
}
