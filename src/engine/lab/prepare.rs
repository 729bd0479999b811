//! Gathers what plans need: images, binaries, certificates, keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use time::OffsetDateTime;

use crate::drivers::assets::binaries::{self, Found};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::platform::{Artifacts, Image, Platform};
use crate::model::{Version, code, size};
use crate::pki::{Bundle, SshKeys, super_admin};

/// Gathers what plans need, with placeholders for what is not there yet. Changes nothing.
///
/// # Errors
/// When something that is there cannot be used.
pub fn preview(session: &Session) -> Result<Prepared, EngineError> {
    let chosen = session.chosen_artifacts();
    let version = session.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT);
    let release = binaries::release_dir(version, &session.dirs.cache);
    let found = match chosen {
        Some(dir) => Some(scan_artifacts(session, &dir)?),
        None => binaries::scan(&release, None, &session.dirs.cache).ok(),
    };
    let mut images = BTreeMap::new();
    for os in session.lab.systems() {
        let image = session.images.image(os).or_else(|_| session.images.expected(os));
        images.insert(os.to_owned(), image.map_err(unavailable)?);
    }
    let mut bundle = session.store.bundle()?;
    let due = bundle.due(&session.lab, OffsetDateTime::now_utc());
    // What will be made anew is not what the nodes have.
    bundle.entries.retain(|name, _| !due.iter().any(|due| due.name == *name));
    let placeholder = Bundle::placeholder(&session.lab);
    for (name, entry) in placeholder.entries {
        bundle.entries.entry(name).or_insert(entry);
    }
    if bundle.encryption_key.0.is_empty() {
        bundle.encryption_key = placeholder.encryption_key;
    }
    let keys = SshKeys::placeholder(&session.lab);
    Ok(Prepared { due, ..prepared(session, found, version, images, bundle, keys)? })
}

/// Gathers what plans need and makes what is missing on this computer: downloads images and
/// binaries, makes certificates and keys. Nothing of the provider is touched.
///
/// # Errors
/// When a download, a check or a key fails.
pub fn prepare(session: &Session, say: &Events) -> Result<Prepared, EngineError> {
    let version = session.lab.kubernetes.version.unwrap_or(crate::model::version::DEFAULT);
    let found = match session.chosen_artifacts() {
        Some(dir) => scan_artifacts(session, &dir)?,
        None => {
            let dir = binaries::release_dir(version, &session.dirs.cache);
            if binaries::REQUIRED.iter().any(|name| !dir.join(name).exists()) {
                say.note(format!("downloading Kubernetes {version}"));
            }
            let fetched =
                binaries::fetch_release(version, &session.dirs.cache, &tenths(say, "binary"));
            let dir = fetched.map_err(|error| unavailable(error).preflight().hint(
                "without internet, name a folder of binaries: LAB_ARTIFACTS=DIR, or `artifacts` in the topology",
            ))?;
            scan_artifacts(session, &dir)?
        }
    };
    // What the topology asks for was spoken of when it was read.
    if let Some(text) = found.version.unknown()
        && session.lab.kubernetes.version.is_none()
    {
        say.warn(text);
    }
    let mut images = BTreeMap::new();
    for os in session.lab.systems() {
        if session.images.local(os).is_none() {
            say.note(format!("downloading the image {os}"));
            session.images.pull(os, &tenths(say, os)).map_err(|error| {
                unavailable(error).preflight().hint(format!(
                    "without internet: `lab images build {os}`, where it can be built"
                ))
            })?;
        }
        let image = session.images.image(os).map_err(|e| unavailable(e).preflight())?;
        if !image.direct_boot && !session.provider.reaches_outside(&session.lab) {
            return Err(unavailable(format!(
                "use the image {os}: its packages come from the internet, and the lab's guests have no way there"
            ))
            .hint("use an image built here (`lab images build debian-12`); `lab doctor` tells what a way out needs")
            .preflight());
        }
        images.insert(os.to_owned(), image);
    }
    session.store.create()?;
    let mut bundle = session.store.bundle()?;
    let now = OffsetDateTime::now_utc();
    let due = bundle.due(&session.lab, now);
    let made = bundle.ensure(&session.lab, now)?;
    if !made.is_empty() {
        session.store.save_bundle(&bundle, &made)?;
    }
    let keys = session.ensure_keys()?;
    let version = found.version;
    Ok(Prepared { due, ..prepared(session, Some(found), version, images, bundle, keys)? })
}

fn scan_artifacts(session: &Session, dir: &Path) -> Result<Found, EngineError> {
    let images = session.chosen_archives();
    let found = binaries::scan(dir, images.as_deref(), &session.dirs.cache);
    let found = found.map_err(|e| unavailable(e).preflight())?;
    match session.lab.kubernetes.version {
        Some(wanted) if wanted != found.version => Err(unavailable(format!(
            "use the artifacts in {}: they are Kubernetes {}, the topology asks for {wanted}",
            dir.display(),
            found.version
        ))
        .hint("remove `version` from the topology, or name another folder")
        .preflight()),
        _ if found.version.is_too_old() => Err(unavailable(format!(
            "use the artifacts in {}: Kubernetes {} is not supported",
            dir.display(),
            found.version
        ))
        .preflight()),
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
    let pace = session.pace();
    let version = found.as_ref().map_or(version, |found| found.version);
    let artifacts = found.as_ref().map_or_else(binaries::expected, |found| found.artifacts.clone());
    let super_admin = super_admin(&bundle, OffsetDateTime::now_utc())?;
    let dns_image = dns_image(session, &artifacts, version);
    let acceleration = pace.acceleration;
    let platform = Platform { acceleration, version, images, artifacts, dns_image };
    Ok(Prepared {
        platform,
        layout: session.provider.layout(),
        found,
        artifact_disk: None,
        bundle,
        due: Vec::new(),
        super_admin,
        keys,
        acceleration: pace.words.clone(),
        etcd_founders: session.etcd_founders()?,
    })
}

/// The image of cluster DNS: one of the archives at hand, else the registry's, where guests can
/// reach a registry.
fn dns_image(session: &Session, artifacts: &Artifacts, version: Version) -> Option<String> {
    let is_coredns = |name: &&String| {
        let repository = name.rsplit_once(':').map_or(name.as_str(), |(name, _)| name);
        repository.rsplit('/').next() == Some("coredns")
    };
    let archived = artifacts.image_names.iter().find(is_coredns).cloned();
    archived.or_else(|| {
        let outside = session.provider.reaches_outside(&session.lab);
        outside.then(|| format!("registry.k8s.io/{}", version.coredns()))
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

fn unavailable(error: impl Into<String>) -> EngineError {
    EngineError::of(&code::NO_IMAGE, error)
}
