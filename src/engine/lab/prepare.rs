//! Gathers what plans need: images, binaries, certificates, keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use time::OffsetDateTime;

use crate::drivers::assets::binaries::{self, Found};
use crate::drivers::assets::error::Fault;
use crate::drivers::state::standing_on;
use crate::engine::lab::addons::addon_images;
use crate::engine::lab::bases::{refuse_other_base, take_back, with_cure};
use crate::engine::lab::locked;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::locked::Locked;
use crate::model::mirror::may_have;
use crate::model::platform::{Artifacts, Image, Platform};
use crate::model::{Version, code, size};
use crate::pki::{Bundle, SshKeys, super_admin};

/// Gathers what plans need, with placeholders for what is not there yet. Changes nothing.
///
/// # Errors
/// When something that is there cannot be used.
pub fn preview(session: &Session) -> Result<Prepared, EngineError> {
    refuse_elsewhere(session)?;
    let version = wanted_version(session);
    let found = found_here(session)?;
    let mut images = BTreeMap::new();
    for os in session.lab.systems() {
        let image = session.images.image(os).or_else(|error| match error.fault {
            Fault::OtherBase => Err(error),
            _ => session.images.expected(os),
        });
        let image = image?;
        if image.is_known() {
            refuse_other_base(&session.lab, &session.dirs.state, os, &image)?;
        }
        images.insert(os.to_owned(), image);
    }
    images.extend(of_machines(session)?);
    locked::refuse_others(session, &used(session, found.as_ref(), &images))?;
    let mut bundle = session.of_flavour(session.store.bundle_to_complete()?);
    let due = bundle.due(&session.lab, OffsetDateTime::now_utc());
    // What will be made anew is not what the nodes have.
    bundle.entries.retain(|name, _| !due.iter().any(|due| due.name == *name));
    let placeholder = session.of_flavour(Bundle::default()).placeholders(&session.lab);
    for (name, entry) in placeholder.entries {
        bundle.entries.entry(name).or_insert(entry);
    }
    if bundle.encryption_keys.is_empty() {
        bundle.encryption_keys = placeholder.encryption_keys;
    }
    let keys = SshKeys::placeholder(&session.lab);
    let prepared = prepared(session, found, version, images, bundle, keys)?;
    Ok(Prepared { due, ..prepared.with_logins(session)? })
}

/// What is known without looking at any asset, for those who take away: names count alone.
///
/// # Errors
/// When the catalogue lacks a system.
pub(crate) fn unprepared(session: &Session) -> Result<Prepared, EngineError> {
    let bundle = session.of_flavour(Bundle::default()).placeholders(&session.lab);
    let mut images = of_machines(session)?;
    for os in session.lab.systems() {
        images.insert(os.to_owned(), session.images.expected(os)?);
    }
    let keys = SshKeys::placeholder(&session.lab);
    prepared(session, None, wanted_version(session), images, bundle, keys)
}

/// Gathers what plans need and makes what is missing on this computer: downloads images and
/// binaries, makes certificates and keys. Nothing of the provider is touched.
///
/// # Errors
/// When a download, a check or a key fails.
pub fn prepare(session: &Session, say: &Events) -> Result<Prepared, EngineError> {
    refuse_elsewhere(session)?;
    let found = found(session, say)?;
    // What the topology asks for was spoken of when it was read.
    if let Some(text) = found.as_ref().and_then(|found| found.version.unknown())
        && session.lab.kubernetes.version.is_none()
    {
        say.warn(text);
    }
    let mut images = downloaded(session, say)?;
    images.extend(of_machines(session)?);
    if let Some(found) = &found {
        let names = (session.flavour().images)(found.version);
        let outside = session.provider.reaches_outside(&session.lab);
        let is_reached = |name: &str| outside || may_have(&session.lab.kubernetes.mirrors, name);
        refuse_without_images(&names, &found.artifacts, &is_reached)?;
    }
    session.store.create()?;
    locked::hold(session, &used(session, found.as_ref(), &images), say)?;
    let mut bundle = session.of_flavour(session.store.bundle_to_complete()?);
    let now = OffsetDateTime::now_utc();
    let due = bundle.due(&session.lab, now);
    let made = bundle.ensure(&session.lab, now)?;
    if !made.is_empty() {
        session.store.save_bundle(&bundle, &made)?;
    }
    let keys = session.ensure_keys()?;
    let version = wanted_version(session);
    let prepared = prepared(session, found, version, images, bundle, keys)?;
    Ok(Prepared { due, ..prepared.with_logins(session)? })
}

/// Brings what a lab needs from outside to this computer, and makes nothing else: images and binaries.
///
/// # Errors
/// When a download or a check fails.
pub fn fetch(session: &Session, say: &Events) -> Result<Locked, EngineError> {
    refuse_elsewhere(session)?;
    let found = found(session, say)?;
    let images = downloaded(session, say)?;
    let used = used(session, found.as_ref(), &images);
    locked::refuse_others(session, &used)?;
    Ok(used)
}

/// Images of the guests' systems, downloaded where they are missing.
fn downloaded(session: &Session, say: &Events) -> Result<BTreeMap<String, Image>, EngineError> {
    take_back(&session.lab, &session.dirs.state, &session.images)?;
    let mut images = BTreeMap::new();
    for os in session.lab.systems() {
        let is_missing = session.images.local(os).is_none();
        if is_missing {
            say.note(format!("getting the image {os}"));
        }
        let standing = standing_on(&session.dirs.state, os);
        let image = session.images.ensure(os, &standing, &tenths(say, os)).map_err(|error| {
            let error = EngineError::from(error).preflight();
            match is_missing {
                true if error.code == &code::CHANGED_BASE => with_cure(&session.lab, os, error),
                true if session.lab.images.contains_key(os) => error,
                true => error.hint(format!(
                    "without internet: `lab images build {os}`, where it can be built"
                )),
                false => error,
            }
        })?;
        refuse_other_base(&session.lab, &session.dirs.state, os, &image)?;
        // Nobody knows what one of a person's own brings along.
        let is_bare = !image.direct_boot && image.os.like.is_none();
        if is_bare && !session.provider.reaches_outside(&session.lab) {
            return Err(unfit(format!(
                "use the image {os}: its packages come from the internet, and the lab's guests have no way there"
            ))
            .hint("use an image built here (`lab images build debian-12`); `lab doctor` tells what a way out needs"));
        }
        images.insert(os.to_owned(), image);
    }
    Ok(images)
}

/// A cluster whose own images are nowhere would be waited for in vain.
fn refuse_without_images(
    names: &[String],
    artifacts: &Artifacts,
    is_reached: &dyn Fn(&str) -> bool,
) -> Result<(), EngineError> {
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| !is_reached(name) && !artifacts.image_names.contains(*name))
        .map(String::as_str)
        .collect();
    let Some(first) = missing.first() else { return Ok(()) };
    Err(unfit(format!(
        "run the cluster's own pods: the lab's guests have no way to a registry, and no archive here has {first}"
    ))
    .hint(format!("LAB_IMAGES=DIR names a folder with archives of {}", missing.join(", "))))
}

/// What machines that are there run: of their systems the catalogue's word is enough.
fn of_machines(session: &Session) -> Result<BTreeMap<String, Image>, EngineError> {
    let systems: BTreeSet<&String> = session.lab.machines().map(|node| &node.os).collect();
    let systems = systems.into_iter();
    systems.map(|os| Ok((os.clone(), session.images.expected(os)?))).collect()
}

fn wanted_version(session: &Session) -> Version {
    session.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT)
}

/// The release that a lab on this computer would run.
///
/// # Errors
/// When binaries that are there cannot be used.
pub(crate) fn version_here(session: &Session) -> Result<Version, EngineError> {
    Ok(found_here(session)?.map_or_else(|| wanted_version(session), |found| found.version))
}

/// Binaries as they are here; none where the lab needs none, or they are to be downloaded.
fn found_here(session: &Session) -> Result<Option<Found>, EngineError> {
    if !session.flavour().is_a_cluster() {
        return Ok(None);
    }
    let release = binaries::release_dir(wanted_version(session), session.images.cache());
    match session.chosen_artifacts() {
        Some(dir) => scan_artifacts(session, &dir).map(Some),
        // As `prepare` finds it: archives of images are on the same disk.
        None => Ok(scan_artifacts(session, &release).ok()),
    }
}

/// The same, downloaded where they are missing.
fn found(session: &Session, say: &Events) -> Result<Option<Found>, EngineError> {
    let (required, version) = (session.flavour().binaries, wanted_version(session));
    if !session.flavour().is_a_cluster() {
        return Ok(None);
    }
    if let Some(dir) = session.chosen_artifacts() {
        return scan_artifacts(session, &dir).map(Some);
    }
    let dir = binaries::release_dir(version, session.images.cache());
    if required.iter().any(|name| !dir.join(name).exists()) {
        say.note(format!("downloading Kubernetes {version}"));
    }
    let fetched =
        binaries::fetch_release(required, version, session.images.cache(), &tenths(say, "binary"));
    let dir = fetched.map_err(|error| EngineError::from(error).preflight().hint(
        "without internet, name a folder of binaries: LAB_ARTIFACTS=DIR, or `artifacts` in the topology",
    ))?;
    scan_artifacts(session, &dir).map(Some)
}

/// What is here of what the lab needs, and may be locked.
fn used(session: &Session, found: Option<&Found>, images: &BTreeMap<String, Image>) -> Locked {
    let addons = found.map(|found| addon_images(session, &found.artifacts, found.version));
    locked::here(session, found, images, &addons.unwrap_or_default())
}

/// The same, looked for anew. Nothing is downloaded.
///
/// # Errors
/// When something that is there cannot be used.
pub fn assets_here(session: &Session) -> Result<Locked, EngineError> {
    let found = found_here(session)?;
    let images = session.lab.systems().into_iter();
    let images = images.filter_map(|os| Some((os.to_owned(), session.images.image(os).ok()?)));
    Ok(used(session, found.as_ref(), &images.collect()))
}

fn scan_artifacts(session: &Session, dir: &Path) -> Result<Found, EngineError> {
    let images = session.chosen_archives();
    let found =
        binaries::scan(session.flavour().binaries, dir, images.as_deref(), session.images.cache());
    let found = found.map_err(|error| EngineError::from(error).preflight())?;
    match session.lab.kubernetes.version {
        Some(wanted) if wanted != found.version => Err(unfit(format!(
            "use the artifacts in {}: they are Kubernetes {}, the topology asks for {wanted}",
            dir.display(),
            found.version
        ))
        .hint("remove `version` from the topology, or name another folder")),
        _ if found.version.is_too_old() => Err(unfit(format!(
            "use the artifacts in {}: Kubernetes {} is not supported",
            dir.display(),
            found.version
        ))),
        _ => Ok(found),
    }
}

fn prepared(
    session: &Session,
    found: Option<Found>,
    version: Version,
    images: BTreeMap<String, Image>,
    bundle: Bundle,
    keys: SshKeys,
) -> Result<Prepared, EngineError> {
    let timeouts = session.timeouts();
    let version = found.as_ref().map_or(version, |found| found.version);
    let artifacts = match &found {
        Some(found) => found.artifacts.clone(),
        None if session.flavour().is_a_cluster() => binaries::expected(session.flavour().binaries),
        None => Artifacts::default(),
    };
    let super_admin = super_admin(&bundle, OffsetDateTime::now_utc())?;
    let addon_images = addon_images(session, &artifacts, version);
    let acceleration = timeouts.acceleration;
    let platform =
        Platform { acceleration, version, images, artifacts, addon_images, logins: None };
    Ok(Prepared {
        platform,
        layout: session.provider.layout(&session.lab),
        found,
        artifact_disk: None,
        bundle,
        due: Vec::new(),
        super_admin,
        keys,
        acceleration: timeouts.words.clone(),
        etcd_founders: session.etcd_founders()?,
    })
}

/// Says how far a download is, at every tenth of it.
fn tenths<'e>(say: &'e Events, what: &'e str) -> impl Fn(u64, Option<u64>) + Sync + 'e {
    let last = AtomicU64::new(0);
    move |done, total| {
        let Some(total) = total.filter(|total| *total > 0) else { return };
        let tenth = done * 10 / total;
        if last.swap(tenth, Ordering::Relaxed) != tenth {
            say.note(format!("  {what}: {} of {}", size::human(done), size::human(total)));
        }
    }
}

fn unfit(why: impl Into<String>) -> EngineError {
    EngineError::of(&code::UNFIT, why).preflight()
}

/// A private libvirt has its files in the lab's directory and its network in a namespace: whatever is elsewhere would
/// outlive it, or is not seen.
fn refuse_elsewhere(session: &Session) -> Result<(), EngineError> {
    let ProviderKind::Private(_) = session.provider else { return Ok(()) };
    let refused = |text: String, help: &str| {
        Err(EngineError::of(&code::FIELD_AND_PROVIDER, text).hint(help).preflight())
    };
    if let Some(storage) = &session.lab.options.storage {
        return refused(
            format!(
                "keep disks in {storage}: `options.storage` is for the computer's libvirt, and a private one keeps them in the lab's directory"
            ),
            "remove `storage`; XDG_STATE_HOME says where labs have their directories",
        );
    }
    match session.lab.network.is_own() {
        true => Ok(()),
        false => refused(
            "join a network of this computer: a private libvirt has one of its own, and sees no other".into(),
            "`--provider system`, or remove `bridge` and `existing`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_cluster_are_at_hand_or_a_registry_is_reached() {
        let names = ["a/one:1".to_owned(), "a/two:1".to_owned()];
        let mut artifacts = Artifacts::default();
        artifacts.image_names.insert("a/one:1".into());
        assert!(refuse_without_images(&names, &artifacts, &|_| true).is_ok());
        assert!(refuse_without_images(&names[..1], &artifacts, &|_| false).is_ok());
        let refused = refuse_without_images(&names, &artifacts, &|_| false).err();
        let text = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("no archive here has a/two:1"), "{text}");
        assert!(refuse_without_images(&[], &artifacts, &|_| false).is_ok());
    }
}
