//! Keys and certificates whose making is cut, and the lock that keeps two runs apart.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lab::drivers::state::LockError;
use lab::engine::{Events, Stop, UpOptions};

use super::assets::bring_assets;
use super::tree;
use crate::rig::fakes::Rig;

#[test]
fn keys_and_certificates_are_cut_everywhere() {
    let rig = Rig::new("three");
    let bin = bring_assets(&rig);
    let make = || {
        let mut session = rig.session();
        session.dirs.artifacts = Some(bin.clone());
        let (events, _reader) = Events::channel();
        lab::engine::prepare(&session, &events).map(drop)
    };
    make().unwrap();
    let points = rig.gate.passed().len();
    assert!(points > 100, "{points}");
    for at in 1..=points {
        let root = rig.session().store.root().to_owned();
        fs::remove_dir_all(&root).unwrap();
        let _ = fs::remove_file(rig.session().locked);
        fs::remove_dir_all(rig.home.path().join("cache/artifacts")).unwrap();
        rig.gate.shut_at(Some(at));
        assert!(make().is_err());
        rig.gate.shut_at(None);
        make().unwrap_or_else(|error| panic!("cut at {at}: {error}"));
        let session = rig.session();
        let mut bundle = session.store.bundle().unwrap();
        let missing = bundle.ensure(&session.lab, time::OffsetDateTime::now_utc()).unwrap();
        assert!(missing.is_empty(), "cut at {at}: {missing:?} are made once more");
        for (name, entry) in &bundle.entries {
            assert!(matches(&entry.pair), "cut at {at}: key and certificate of {name} differ");
        }
        let leftovers = temporary(&root);
        assert!(leftovers.is_empty(), "cut at {at}: {leftovers:?}");
    }
}

/// Everything before the private provider is started, and its start itself, cut: nothing of it is there, and it
/// is written down where it would be. That it starts after a kill is shown on guests.
#[test]
fn a_private_provider_that_is_not_started_yet_leaves_nothing() {
    const START: &str = "start the private provider";
    let rig = Rig::new("three");
    let bin = bring_assets(&rig);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cut_at = |at: usize| {
        let mut session = rig.session();
        session.dirs.artifacts = Some(bin.clone());
        let (options, stop) =
            (UpOptions { overcommit: true, ..UpOptions::default() }, Stop::default());
        let (events, _reader) = Events::channel();
        rig.gate.shut_at(Some(at));
        let ended = runtime.block_on(lab::engine::up(Arc::new(session), options, stop, events));
        rig.gate.shut_at(None);
        let cut = ended.unwrap_err().to_string();
        assert!(cut.contains("the power is out"), "cut at {at}: {cut}");
        cut.contains(START)
    };
    // Keys and binaries are there, so that every run comes by the same places.
    let mut session = rig.session();
    session.dirs.artifacts = Some(bin.clone());
    lab::engine::prepare(&session, &Events::channel().0).unwrap();
    let started = (1..100).find(|at| cut_at(*at)).unwrap();
    let session = rig.session();
    let lab::engine::ProviderKind::Private(libvirt) = &session.provider else { panic!() };
    let there = (libvirt.is_running(), libvirt.dir.exists(), libvirt.run.exists());
    assert_eq!(there, (false, false, false), "{started}: {:?}", tree(&libvirt.dir));
    let record = session.store.record().unwrap().unwrap();
    assert_eq!(record.run.as_ref(), Some(&libvirt.run));
}

/// Until all of a backup is back, nothing takes what is there for the lab's keys, and restoring again ends well.
#[test]
fn a_backup_that_is_brought_back_is_cut_everywhere() {
    let rig = Rig::new("three");
    let (session, archive) = (rig.session(), rig.home.path().join("keys.tar"));
    let (store, id) = (&session.store, session.lab.id);
    rig.secrets.keep(store, &session.lab);
    let kept = store.back_up(id, &archive).unwrap();
    let wanted = tree(store.root());
    let lose_all = || fs::remove_dir_all(store.root()).unwrap();
    lose_all();
    rig.gate.shut_at(None);
    assert_eq!(store.bring_back(id, &archive).unwrap(), kept);
    let points = rig.gate.passed();
    assert!(points.len() > kept && tree(store.root()) == wanted, "{points:?}");
    for at in 1..=points.len() {
        let place = &points[at - 1];
        lose_all();
        rig.gate.shut_at(Some(at));
        let cut = store.bring_back(id, &archive);
        rig.gate.shut_at(None);
        let there = tree(store.root());
        let half = there != wanted && there.values().any(|content| content != "a directory");
        assert!(!half || store.bundle().is_err(), "cut at {at} ({place}): half is taken for all");
        store.bring_back(id, &archive).unwrap();
        assert_eq!(tree(store.root()), wanted, "cut at {at} ({place}): {cut:?}");
    }
}

/// True when the certificate is that of the key.
fn matches(pair: &lab::pki::Pair) -> bool {
    let key = rcgen::KeyPair::from_pem(&pair.key).unwrap();
    // The key pair of service accounts has no certificate.
    if pair.certificate.contains("PUBLIC KEY") {
        return pair.certificate == key.public_key_pem();
    }
    let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let public = certificate.public_key().subject_public_key.data.to_vec();
    rcgen::PublicKeyData::der_bytes(&key) == public
}

fn temporary(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        match entry.path().is_dir() {
            true => all.extend(temporary(&entry.path())),
            false => {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') {
                    all.push(name);
                }
            }
        }
    }
    all
}

#[test]
fn a_second_run_is_refused_at_once_and_the_lock_dies_with_its_holder() {
    let rig = Rig::new("single");
    let store = Arc::new(rig.session().store);
    let held = store.lock("lab up").unwrap();
    // Whoever waited for the lock would never be back: it is held until after that.
    let refused = store.lock("lab down").unwrap_err();
    let LockError::Held(Some(holder)) = refused else { panic!() };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "lab up"));
    drop(held);
    store.lock("lab down").unwrap();
}
