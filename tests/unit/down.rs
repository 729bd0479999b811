//! `down` on a provider that keeps everything in memory.

use lab::engine::{Events, ProviderKind, Teardown};
use lab::model::inventory::Inventory;
use lab::plan::{Keep, Object};

use crate::rig::fakes::{Rig, Up};

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
