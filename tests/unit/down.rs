//! `down` on a provider that keeps everything in memory.

use std::fs::{self, File};

use lab::engine::{Events, ProviderKind, Teardown};
use lab::model::inventory::Inventory;
use lab::plan::{Keep, Object};

use crate::rig::fakes::{Rig, Up};

/// Its lock is held, its process is nobody here: it lives on another computer with the same home, or outside of
/// this container, and its guests with it.
#[test]
fn a_provider_that_lives_elsewhere_keeps_its_disks() {
    let rig = Rig::new("single");
    let session = rig.session();
    session.store.create().unwrap();
    let ProviderKind::Private(libvirt) = &session.provider else { panic!() };
    fs::create_dir_all(libvirt.dir.join("pools")).unwrap();
    fs::write(libvirt.dir.join("pools/etcd1.qcow2"), "a disk").unwrap();
    let alive = libvirt.dir.join("alive");
    fs::write(&alive, "4194303").unwrap();
    let held = nix::fcntl::Flock::lock(
        File::open(&alive).unwrap(),
        nix::fcntl::FlockArg::LockExclusiveNonblock,
    );
    let _held = held.unwrap();
    let (events, _reader) = Events::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let teardown = Teardown::look(&session.lab, &session.provider, &session.store);
    let teardown = runtime.block_on(teardown).unwrap();
    let error = runtime.block_on(teardown.run(Keep::Nothing, &events)).unwrap_err();
    assert!(error.to_string().contains("is held, and nobody answers"), "{error}");
    assert!(error.hint.unwrap().contains("it lives where you are not"));
    assert!(libvirt.dir.join("pools/etcd1.qcow2").exists() && session.store.root().exists());
}

/// Another run may end between the look that a person is told of and the lab's lock.
#[test]
fn what_was_made_after_the_first_look_goes_too() {
    let rig = Rig::new("single");
    let (session, drivers) = (rig.session(), rig.drivers());
    session.store.create().unwrap();
    let place = ProviderKind::System { uri: "test:///default".into() };
    let (events, _reader) = Events::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let look =
        || Teardown::look_at(&session.lab, &place, &session.store, Some(drivers.provider.clone()));
    let teardown = runtime.block_on(look()).unwrap();
    let seen = teardown.plan(Keep::Nothing).unwrap();
    assert!(seen.iter().all(|change| change.object != Object::Domain), "{seen:?}");
    rig.done(Up::AGREED);
    let removed = runtime.block_on(teardown.run(Keep::Nothing, &events)).unwrap();
    assert!(removed.iter().any(|change| change.object == Object::Domain), "{removed:?}");
    let Inventory { domains, networks, pools, .. } = drivers.provider.inventory().unwrap();
    assert!(domains.is_empty() && networks.is_empty() && pools.is_empty());
}
