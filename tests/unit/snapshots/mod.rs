//! Snapshots on drivers that keep everything in memory: all or nothing at every failure, in the right
//! order, and every refusal before anything is touched.

mod disks;

use lab::drivers::provider::{Power, Provider};
use lab::drivers::state::snapshot_store::SnapshotStore;
use lab::engine::snapshot::{self, RestoreOptions, SnapshotRequest};
use lab::engine::{EngineError, Events, Outcome, Stop};
use lab::model::snapshot::{Intent, Kind, Manifest};

use crate::rig::fakes::{Rig, Up};
use crate::survival::bring_assets;

struct World {
    rig: Rig,
    runtime: tokio::runtime::Runtime,
}

impl World {
    /// A lab that is up.
    fn up(topology: &str) -> Self {
        let rig = Rig::new(topology);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = Self { rig, runtime };
        world.again();
        world.rig.clear();
        world
    }

    fn again(&self) {
        let (outcome, _) = self.rig.up(Up::AGREED);
        assert!(matches!(outcome, Ok(Outcome::Done(_) | Outcome::Unchanged)), "{outcome:?}");
    }

    fn save(&self, name: &str, kind: Kind) -> Result<Option<Manifest>, EngineError> {
        self.save_stopping(name, kind, &Stop::default())
    }

    fn save_stopping(
        &self,
        name: &str,
        kind: Kind,
        stop: &Stop,
    ) -> Result<Option<Manifest>, EngineError> {
        let (events, _reader) = Events::channel();
        let (session, drivers) = (self.rig.session(), self.rig.drivers());
        let wish = SnapshotRequest { name: name.into(), kind };
        self.runtime.block_on(snapshot::create(&session, &drivers, &wish, stop, &events))
    }

    /// Restores; the error, and the warnings that were given.
    fn restore(&self, name: &str, options: &RestoreOptions) -> (Result<(), EngineError>, String) {
        let (events, mut reader) = Events::channel();
        let (session, drivers) = (self.rig.session(), self.rig.drivers());
        let stop = Stop::default();
        let restored = snapshot::restore(session, &drivers, name, options, &stop, &events);
        let restored = self.runtime.block_on(restored).map(drop);
        drop(events);
        let mut seen = String::new();
        while let Some(event) = self.runtime.block_on(reader.recv()) {
            seen.push_str(&format!("{event:?}\n"));
        }
        (restored, seen)
    }

    fn delete(&self, name: &str) -> Result<(), EngineError> {
        let (events, _reader) = Events::channel();
        let (session, drivers) = (self.rig.session(), self.rig.drivers());
        self.runtime.block_on(snapshot::delete(&session, &drivers, name, &events)).map(drop)
    }

    fn stop_all(&self) {
        let hypervisor = &self.rig.hypervisor;
        for domain in hypervisor.inventory().unwrap().domains {
            hypervisor.stop(domain.uuid).unwrap();
        }
        self.rig.clear();
    }

    fn shelf<T>(&self, look: impl FnOnce(&SnapshotStore<'_>) -> T) -> T {
        let session = self.rig.session();
        look(&SnapshotStore::new(&session.store))
    }

    fn names(&self) -> Vec<String> {
        self.shelf(|shelf| shelf.names().unwrap())
    }
}

const YES: RestoreOptions = RestoreOptions { yes: true, node: None };

fn no() -> RestoreOptions {
    RestoreOptions::default()
}

#[test]
fn all_guests_stand_still_before_the_first_is_saved_and_until_the_last_is() {
    let world = World::up("book");
    let manifest = world.save("one", Kind::Memory).unwrap().unwrap();
    let calls = world.rig.hypervisor.calls();
    let kinds: Vec<&str> = calls.iter().map(|call| call.split(' ').next().unwrap()).collect();
    let expected = [vec!["suspend"; 9], vec!["save"; 9], vec!["start"; 9]].concat();
    assert_eq!(kinds, expected, "{calls:?}");
    assert_eq!(manifest.nodes.len(), 9);
    assert_eq!(manifest.stages.last().map(String::as_str), Some("verify"), "{manifest:?}");
    assert!(manifest.first_certificate.is_some());
}

#[test]
fn a_failure_at_any_call_leaves_no_part_and_all_guests_running() {
    let world = World::up("three");
    let before = world.rig.state();
    for call in 1..=9 {
        world.rig.hypervisor.fail_at(call);
        let error = world.save("one", Kind::Memory).unwrap_err();
        assert_eq!(error.code.id, "L0901", "{error}");
        assert!(error.to_string().contains("planted failure"), "{call}: {error}");
        assert_eq!(world.rig.state(), before, "after a failure at call {call}");
        assert!(world.names().is_empty(), "after a failure at call {call}");
    }
    world.rig.clear();
    assert!(world.save("one", Kind::Memory).unwrap().is_some());
}

#[test]
fn asked_to_stop_it_takes_everything_back() {
    let world = World::up("three");
    let before = world.rig.state();
    let stop = Stop::default();
    stop.request();
    assert!(world.save_stopping("one", Kind::Memory, &stop).unwrap().is_none());
    assert_eq!(world.rig.state(), before);
    assert!(world.names().is_empty());
}

#[test]
fn a_snapshot_needs_a_lab_in_one_state() {
    let world = World::up("three");
    let refused = |name: &str, kind, why: &str| {
        let error = world.save(name, kind).unwrap_err();
        assert_eq!(error.code.id, "L1101", "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(world.rig.hypervisor.calls().is_empty(), "{error}");
    };
    refused("no good", Kind::Memory, "name");
    refused("../out", Kind::Memory, "name");
    let uuid = world.rig.lab().nodes[0].uuid;
    world.rig.hypervisor.stop(uuid).unwrap();
    world.rig.clear();
    refused("one", Kind::Memory, "etcd1 is stopped while others run");
    world.rig.hypervisor.start(uuid).unwrap();
    world.rig.hypervisor.suspend(uuid).unwrap();
    world.rig.clear();
    refused("one", Kind::Memory, "etcd1 is standing still");
    world.stop_all();
    refused("one", Kind::Memory, "no guest runs");
    let manifest = world.save("one", Kind::Disk).unwrap().unwrap();
    assert_eq!((manifest.kind, manifest.pause_seconds), (Kind::Disk, 0.0));
    let calls = world.rig.hypervisor.calls();
    assert!(calls.iter().all(|call| call.starts_with("save ")), "{calls:?}");
    world.rig.clear();
    refused("one", Kind::Disk, "there is one of that name");
}

#[test]
fn the_same_moment_comes_back() {
    let world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    let wanted = world.rig.state();
    world.rig.guests["etcd1"].replace_files([("/lost".into(), "all".into())].into());
    let (restored, _) = world.restore("one", &no());
    restored.unwrap();
    assert_eq!(world.rig.state(), wanted);
    // All were reverted before the first went on.
    let calls = world.rig.hypervisor.calls();
    let last = calls.iter().rposition(|call| call.starts_with("revert ")).unwrap();
    let went_on = |calls: &[String]| calls.iter().filter(|c| c.starts_with("start ")).count();
    assert_eq!((went_on(&calls[..last]), went_on(&calls[last..])), (3, 3), "{calls:?}");
    world.again();
}

/// What people have of the lab goes back with it, past a rotation.
#[test]
fn kubeconfigs_go_back_with_the_lab() {
    let world = World::up("three");
    let session = world.rig.session();
    let path = world.rig.home.path().join("config");
    lab::engine::remember_kubeconfig(&session.store, &path).unwrap();
    let name = lab::engine::context(&session.lab);
    let text = lab::engine::administrator_kubeconfig(&session, None).unwrap();
    let points = session.store.failpoints();
    lab::drivers::host::kubeconfig_file::merge(points, &path, &name, &[], &text).unwrap();
    let then = std::fs::read_to_string(&path).unwrap();
    world.save("one", Kind::Memory).unwrap();
    for _ in 0..4 {
        lab::engine::rotate::advance(&session, &[lab::pki::Root::Ca]).unwrap();
        let mut bundle = session.store.bundle().unwrap();
        let made = bundle.ensure(&session.lab, time::OffsetDateTime::now_utc()).unwrap();
        session.store.save_bundle(&bundle, &made).unwrap();
    }
    assert_ne!(std::fs::read_to_string(&path).unwrap(), then);
    let (restored, seen) = world.restore("one", &no());
    restored.unwrap_or_else(|error| panic!("{error}\n{seen}"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), then, "{seen}");
}

#[test]
fn markers_come_back_with_the_disks_and_up_goes_on_from_there() {
    let world = World::up("three");
    // As `up --until etcd` leaves it: nothing after etcd has a marker.
    for guest in world.rig.guests.values() {
        let mut files = guest.files();
        files.retain(|path, _| match path.strip_prefix("/var/lib/lab/stages/") {
            Some(stage) => ["os", "runtime", "etcd"].contains(&stage),
            None => true,
        });
        guest.replace_files(files);
    }
    let manifest = world.save("after-etcd", Kind::Memory).unwrap().unwrap();
    assert_eq!(manifest.stages.last().map(String::as_str), Some("etcd"), "{manifest:?}");
    world.again();
    let finished = world.rig.state();
    world.restore("after-etcd", &no()).0.unwrap();
    world.rig.clear();
    world.again();
    assert_eq!(world.rig.state(), finished);
    let calls = world.rig.calls_of("etcd1").join("\n");
    assert!(!calls.contains("/etc/etcd"), "etcd was set up again: {calls}");
    assert!(world.rig.calls_of("controller1").len() > 3, "the control plane was not");
}

#[test]
fn one_member_of_etcd_alone_is_refused_and_a_worker_is_not() {
    let world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    world.rig.clear();
    let only = |node: &str| RestoreOptions { yes: false, node: Some(node.into()) };
    let (refused, _) = world.restore("one", &only("etcd1"));
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("etcd1 is a member of etcd"), "{refused}");
    assert!(refused.to_string().contains("acknowledged"), "{refused}");
    let (unknown, _) = world.restore("one", &only("nobody"));
    assert!(unknown.unwrap_err().to_string().contains("it has no node nobody"));
    assert!(world.rig.hypervisor.calls().is_empty());
    world.restore("one", &only("worker1")).0.unwrap();
    let calls = world.rig.hypervisor.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("revert ")).count(), 1, "{calls:?}");
}

#[test]
fn a_failed_revert_stops_all_guests_and_only_a_restore_goes_on() {
    let world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    let wanted = world.rig.state();
    for call in 1..=3 {
        world.rig.hypervisor.fail_at(call);
        let (failed, _) = world.restore("one", &no());
        assert!(failed.unwrap_err().to_string().contains("planted failure"));
        let domains = world.rig.hypervisor.inventory().unwrap().domains;
        assert!(domains.iter().all(|domain| !domain.active), "{domains:?}");
        let (outcome, _) = world.rig.up(Up::AGREED);
        let refused = outcome.unwrap_err();
        assert!(refused.starts_with("error[L0707]"), "{refused}");
        assert!(refused.contains("restoring the snapshot 'one' was cut"), "{refused}");
        let refused = world.save("two", Kind::Memory).unwrap_err();
        assert!(refused.to_string().contains("'one' was cut"), "{refused}");
        world.restore("one", &no()).0.unwrap();
        assert_eq!(world.rig.state(), wanted, "after a failure at call {call}");
    }
}

#[test]
fn nodes_that_came_later_go_only_with_consent() {
    let mut world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    world.rig.edit("worker:\n    count: 1", "worker:\n    count: 2");
    world.again();
    world.rig.clear();
    let (refused, _) = world.restore("one", &no());
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("worker2 came after it"), "{refused}");
    assert!(world.rig.hypervisor.calls().is_empty());
    world.restore("one", &YES).0.unwrap();
    let domains = world.rig.hypervisor.inventory().unwrap().domains;
    assert_eq!(domains.len(), 3, "{domains:?}");
}

#[test]
fn certificates_are_told_before_and_ended_ones_need_consent() {
    let world = World::up("single");
    let mut manifest = world.save("one", Kind::Memory).unwrap().unwrap();
    let end_in = |manifest: &mut Manifest, days: i64| {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        manifest.first_certificate = Some(("apiserver-node".into(), now + days * 86_400 - 60));
        world.shelf(|shelf| shelf.save_manifest(manifest).unwrap());
    };
    end_in(&mut manifest, 11);
    let (restored, seen) = world.restore("one", &no());
    restored.unwrap();
    assert!(seen.contains("its certificate apiserver-node ends in 10 days"), "{seen}");
    end_in(&mut manifest, -3);
    world.rig.clear();
    let (refused, _) = world.restore("one", &no());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("its certificate apiserver-node ended 4 days ago"), "{refused}");
    assert!(world.rig.hypervisor.calls().is_empty());
    let (restored, seen) = world.restore("one", &YES);
    restored.unwrap();
    assert!(seen.contains("its certificates have ended: `lab up` renews them"), "{seen}");
    // Whoever trusts nobody is not asked how the others fare.
    let asked: Vec<String> = world.rig.guests.values().flat_map(|guest| guest.calls()).collect();
    assert!(asked.iter().any(|call| call.contains("Random numbers first")), "{asked:?}");
    assert_eq!(asked.len(), 1, "{asked:?}");
    world.again();
}

/// Cut, or given up, while the cluster was waited for: the guests are where they should be, and `up` goes on.
#[test]
fn after_a_restore_that_did_not_end_well_up_goes_on() {
    let world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    world.restore("one", &YES).0.unwrap();
    world.shelf(|shelf| shelf.begin("one", &Intent::Reverted).unwrap());
    world.rig.clear();
    world.again();
    assert_eq!(world.shelf(|shelf| shelf.intent("one").unwrap()), None);
    for (name, guest) in &world.rig.guests {
        let calls = guest.calls();
        assert!(
            calls.iter().any(|call| call.contains("Random numbers first")),
            "{name}: {calls:?}"
        );
    }
    // What is half restored is another matter.
    world.shelf(|shelf| shelf.begin("one", &Intent::Restore { nodes: Vec::new() }).unwrap());
    let refused = world.rig.up(Up::AGREED).0.unwrap_err();
    assert!(refused.contains("was cut"), "{refused}");
}

/// Disks hold only differences: brought back upon another image, or none, they are damage that nobody reports.
#[test]
fn a_restore_upon_another_base_image_is_refused() {
    let world = World::up("three");
    world.save("one", Kind::Memory).unwrap();
    let session = world.rig.session();
    bring_assets(&world.rig);
    let stands_on = |digest: &str| {
        let mut record = session.store.record().unwrap().unwrap();
        record.provider = "private".into();
        record.digests = [("debian-12".to_owned(), digest.to_owned())].into();
        session.store.save_record(&record).unwrap();
    };
    stands_on(&"0".repeat(64));
    world.rig.clear();
    let refused = world.restore("one", &YES).0.unwrap_err();
    assert!(refused.preflight && refused.code.id == "L0902", "{refused}");
    assert!(refused.hint.unwrap().starts_with("etcd1, controller1, worker1 stand on it"));
    std::fs::remove_dir_all(session.images.dir("debian-12")).unwrap();
    assert!(world.restore("one", &YES).0.unwrap_err().preflight);
    assert!(world.rig.hypervisor.calls().is_empty());
    bring_assets(&world.rig);
    stands_on(&"abcdef0123456789".repeat(4));
    world.restore("one", &YES).0.unwrap();
}

#[test]
fn unknown_names_are_told_with_those_that_are_near() {
    let world = World::up("single");
    let (none, _) = world.restore("cleen", &no());
    let none = none.unwrap_err();
    assert!(none.hint.clone().unwrap().contains("lab snapshot create"), "{none:?}");
    world.save("clean", Kind::Memory).unwrap();
    let near = world.delete("cleen").unwrap_err();
    assert_eq!(near.hint.as_deref(), Some("did you mean `clean`?"), "{near:?}");
}
