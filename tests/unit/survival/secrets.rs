//! Keys and certificates whose making is cut, and the lock that keeps two runs apart.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lab::drivers::state::LockError;
use lab::engine::Events;

use super::assets::bring_assets;
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
