//! A run that is cut anywhere: every change passes a gate, which is shut before the n-th of them, for
//! every n. One rerun later everything is as after a run that was never cut, byte for byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "rig/fakes.rs"]
mod fakes;
#[path = "rig/gated.rs"]
mod gated;
#[path = "rig/random.rs"]
mod random;
mod rig;
#[path = "rig/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use fakes::Rig;
use lab::engine::snapshot::{self, RestoreOptions, SnapshotRequest};
use lab::engine::{Events, Keep, Outcome, Stop, down_with};
use lab::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory, Mark};
use lab::model::snapshot::Kind;
use lab::pki::{Bundle, SshKeys};
use random::Random;

/// One command of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Up,
    Save(&'static str),
    SaveDisks(&'static str),
    Restore(&'static str),
    Delete(&'static str),
    PutAway,
    Down,
    /// `up` with one worker less, and another disk for the one that stays.
    Edit,
}

struct World {
    rig: Rig,
    _servers: Option<served::Served>,
    bundle: Bundle,
    keys: SshKeys,
}

impl World {
    fn new(topology: &str, secrets: &(Bundle, SshKeys)) -> Self {
        let (bundle, keys) = secrets.clone();
        Self { rig: Rig::new(topology), _servers: None, bundle, keys }
    }

    /// The same with golden guests to copy nodes from.
    fn with_goldens(topology: &str, secrets: &(Bundle, SshKeys)) -> Self {
        let world = Self::new(topology, secrets);
        world.rig.bring_goldens();
        world
    }

    /// The same on libvirt's own test driver.
    fn on_test_driver(topology: &str, secrets: &(Bundle, SshKeys)) -> Self {
        let mut world = Self::new(topology, secrets);
        let driver = gated::TestDriver::new(world.rig.home.path(), world.rig.gate.clone());
        world.rig.other = Some(driver);
        world
    }

    /// The same with real SSH between the engine and the guests.
    fn over_ssh(topology: &str, secrets: &(Bundle, SshKeys)) -> Self {
        let mut world = Self::new(topology, secrets);
        let servers = served::Served::start(&world.rig.guests, &world.keys);
        world.rig.way = Some(servers.reach());
        Self { _servers: Some(servers), ..world }
    }

    /// Carries a step out; the error when it was refused or cut.
    fn run(&self, step: Step) -> Result<(), String> {
        if step == Step::Edit {
            let fewer = self.rig.text.replace("  worker:\n    count: 2", "  worker:\n    count: 1");
            let edited = fewer.replace("disk: 20GiB", "disk: 30GiB");
            assert!(fewer != self.rig.text && edited != fewer);
            *self.rig.edited.lock().unwrap() = Some(edited);
        }
        if matches!(step, Step::Up | Step::Edit) {
            return match self.rig.up_agreed(&self.bundle, &self.keys).0? {
                Outcome::Done(_) | Outcome::Unchanged => Ok(()),
                other => Err(format!("{other:?}")),
            };
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.other(step)).map_err(|error| error.to_string())
    }

    async fn other(&self, step: Step) -> Result<(), lab::engine::EngineError> {
        let (session, drivers) = (self.rig.session(), self.rig.drivers());
        let (events, _reader) = Events::channel();
        let stop = Stop::default();
        let wish = |name: &str, kind| SnapshotRequest { name: name.into(), kind };
        match step {
            Step::Up | Step::Edit => Ok(()),
            Step::Save(name) => {
                let wish = wish(name, Kind::Memory);
                snapshot::create(&session, &drivers, &wish, &stop, &events).await.map(drop)
            }
            Step::SaveDisks(name) => {
                let wish = wish(name, Kind::Disk);
                snapshot::create(&session, &drivers, &wish, &stop, &events).await.map(drop)
            }
            Step::Restore(name) => {
                let options = RestoreOptions { yes: true, node: None };
                snapshot::restore(session, &drivers, name, &options, &stop, &events).await.map(drop)
            }
            Step::Delete(name) => {
                snapshot::delete(&session, &drivers, name, &events).await.map(drop)
            }
            Step::PutAway | Step::Down => {
                let keep = if step == Step::Down { Keep::Nothing } else { Keep::Snapshots };
                let (lab, place, store) = (&session.lab, &session.provider, &session.store);
                down_with(lab, place, store, &drivers.provider, keep, &events).await
            }
        }
    }

    /// Everything there is: the hypervisor's objects, the guests' files, the lab's directory.
    fn state(&self) -> String {
        let mut text = self.rig.state();
        let root = self.rig.session().store.root().to_owned();
        for (path, content) in tree(&root) {
            text.push_str(&format!("\n{path}\n{content}"));
        }
        text
    }
}

/// Files below `dir` by path, without what holds the time: run logs, the lock, and of manifests when
/// they were made.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let content = match path.is_dir() {
            _ if name == "runs" || name.starts_with("lock") => continue,
            true => {
                all.extend(tree(&path));
                "a directory".into()
            }
            false => fs::read_to_string(&path).unwrap(),
        };
        let timeless = |line: &&str| {
            let of_time = ["\"created", "\"pause_seconds", "<creationTime>"];
            !of_time.iter().any(|key| line.trim().starts_with(key))
        };
        // The home is another in every run.
        let path = path.display().to_string();
        let short = path.split_once("/state/").map_or(path.as_str(), |(_, rest)| rest).to_owned();
        let content: String = content.lines().filter(timeless).collect::<Vec<_>>().join("\n");
        all.insert(short, content.replace(&dir_of_home(dir), "HOME"));
    }
    all
}

fn dir_of_home(dir: &Path) -> String {
    let text = dir.display().to_string();
    text.split_once("/state/").map_or(text.clone(), |(home, _)| home.to_owned())
}

/// Cuts `last`, after `first`, at every change it makes. How many there were.
fn cut_everywhere(topology: &str, first: &[Step], last: Step) -> usize {
    cut_everywhere_in(World::new, topology, first, last)
}

fn cut_everywhere_in(
    make: impl Fn(&str, &(Bundle, SshKeys)) -> World,
    topology: &str,
    first: &[Step],
    last: Step,
) -> usize {
    let secrets = Rig::new(topology).secrets();
    let clean = make(topology, &secrets);
    first.iter().for_each(|step| clean.run(*step).unwrap());
    clean.rig.gate.shut_at(None);
    clean.run(last).unwrap();
    let (points, wanted) = (clean.rig.gate.passed(), clean.state());
    let wanted = wanted.replace(&clean.rig.home.path().display().to_string(), "HOME");
    for at in 1..=points.len() {
        let world = make(topology, &secrets);
        first.iter().for_each(|step| world.run(*step).unwrap());
        world.rig.gate.shut_at(Some(at));
        let place = &points[at - 1];
        // A cut after the last change that matters may go unnoticed.
        let cut = world.run(last);
        world.rig.gate.shut_at(None);
        let again = world.run(last);
        assert!(again.is_ok(), "{last:?} cut at {at} ({place}): {cut:?}, then {again:?}");
        let found = world.state().replace(&world.rig.home.path().display().to_string(), "HOME");
        if found != wanted {
            let lines: Vec<&str> = wanted.lines().collect();
            let other: Vec<&str> = found.lines().filter(|line| !lines.contains(line)).collect();
            let missing: Vec<&str> =
                lines.iter().filter(|line| !found.contains(**line)).copied().collect();
            panic!("{last:?} cut at {at} ({place}): too much: {other:#?}, missing: {missing:#?}");
        }
    }
    eprintln!("{topology}: {last:?} after {first:?}: {} points", points.len());
    points.len()
}

#[test]
fn up_is_cut_everywhere() {
    let points = cut_everywhere("three", &[], Step::Up);
    assert!(points > 60, "{points}");
    let copied = cut_everywhere_in(World::with_goldens, "three", &[], Step::Up);
    assert!(copied > points + 12, "{copied} after {points}");
}

/// What was going to be removed, or made anew, still is.
#[test]
fn edits_are_cut_everywhere() {
    let two_workers = |secrets: &(Bundle, SshKeys)| {
        let mut world = World::new("three", secrets);
        let text = &mut world.rig.text;
        *text = text.replace("  worker:\n    count: 1", "  worker:\n    count: 2");
        let lab = world.rig.session().lab;
        world.rig.add_guests(&lab);
        world
    };
    let secrets = two_workers(&Rig::new("three").secrets()).rig.secrets();
    let make = |_: &str, _: &(Bundle, SshKeys)| two_workers(&secrets);
    let points = cut_everywhere_in(make, "three", &[Step::Up], Step::Edit);
    assert!(points > 40, "{points}");
}

#[test]
fn snapshots_are_cut_everywhere() {
    let mut points = cut_everywhere("three", &[Step::Up], Step::Save("one"));
    points += cut_everywhere("single", &[Step::Up], Step::SaveDisks("one"));
    assert!(points > 100, "{points}");
}

#[test]
fn restores_are_cut_everywhere() {
    let saved = [Step::Up, Step::Save("one")];
    let mut points = cut_everywhere("three", &saved, Step::Restore("one"));
    let away = [Step::Up, Step::Save("one"), Step::PutAway];
    points += cut_everywhere("three", &away, Step::Restore("one"));
    points += cut_everywhere("single", &[Step::Up, Step::SaveDisks("a")], Step::Restore("a"));
    assert!(points > 20, "{points}");
}

#[test]
fn deletions_and_down_are_cut_everywhere() {
    let saved = [Step::Up, Step::Save("one")];
    let mut points = cut_everywhere("three", &saved, Step::Down);
    points += cut_everywhere("three", &saved, Step::PutAway);
    points += delete_everywhere();
    assert!(points > 100, "{points}");
}

/// The same steps over real connections, which end in the middle of them.
#[test]
fn everything_is_cut_over_ssh() {
    let points = cut_everywhere_in(World::over_ssh, "single", &[], Step::Up);
    assert!(points > 60, "{points}");
}

/// The same calls on libvirt itself, whose ids, documents and refusals are not ours.
#[test]
fn everything_is_cut_on_libvirts_test_driver() {
    let on = World::on_test_driver;
    let mut points = cut_everywhere_in(on, "single", &[], Step::Up);
    points += cut_everywhere_in(on, "three", &[Step::Up], Step::Save("one"));
    let saved = [Step::Up, Step::Save("one")];
    points += cut_everywhere_in(on, "three", &saved, Step::Restore("one"));
    points += cut_everywhere_in(on, "three", &saved, Step::Down);
    let away = [Step::Up, Step::Save("one"), Step::PutAway];
    points += cut_everywhere_in(on, "single", &saved, Step::PutAway);
    points += cut_everywhere_in(on, "single", &away, Step::Restore("one"));
    assert!(points > 200, "{points}");
}

/// A deletion that was cut is finished by whatever comes next; deleting again finds nothing.
fn delete_everywhere() -> usize {
    let secrets = Rig::new("three").secrets();
    let first = [Step::Up, Step::Save("one")];
    let clean = World::new("three", &secrets);
    first.iter().for_each(|step| clean.run(*step).unwrap());
    clean.rig.gate.shut_at(None);
    clean.run(Step::Delete("one")).unwrap();
    let points = clean.rig.gate.passed();
    clean.run(Step::Up).unwrap();
    let wanted = clean.state().replace(&clean.rig.home.path().display().to_string(), "HOME");
    for at in 1..=points.len() {
        let world = World::new("three", &secrets);
        first.iter().for_each(|step| world.run(*step).unwrap());
        world.rig.gate.shut_at(Some(at));
        let _ = world.run(Step::Delete("one"));
        world.rig.gate.shut_at(None);
        let again = world.run(Step::Delete("one"));
        let gone = again.as_ref().is_err_and(|error| error.contains("there is none"));
        assert!(again.is_ok() || gone, "cut at {at} ({}): {again:?}", points[at - 1]);
        world.run(Step::Up).unwrap();
        let found = world.state().replace(&world.rig.home.path().display().to_string(), "HOME");
        assert_eq!(found, wanted, "cut at {at} ({})", points[at - 1]);
    }
    points.len()
}

/// Objects of others: some look like the lab's own in everything but what counts.
fn decoys(lab: &lab::model::Lab) -> Inventory {
    let mut all = Inventory::default();
    let mark = |at: u128| Mark {
        lab: if at.is_multiple_of(2) { uuid::Uuid::from_u128(at) } else { lab.id },
        node: Some(lab.nodes[0].name.clone()),
        hash: "hash".into(),
        disk: "disk".into(),
    };
    for at in 1..=20u128 {
        all.domains.push(FoundDomain {
            name: format!("decoy-{at}"),
            uuid: uuid::Uuid::from_u128(at),
            mark: Some(mark(at)),
            active: at.is_multiple_of(3),
            paused: at.is_multiple_of(6),
            snapshots: vec!["lab-one".into(), "mine".into()],
            macs: vec![format!("52:54:00:ff:00:{at:02x}")],
            hardware: None,
        });
    }
    for at in 21..=35u128 {
        all.networks.push(FoundNetwork {
            name: format!("decoy-{at}"),
            uuid: uuid::Uuid::from_u128(at),
            mark: at.is_multiple_of(2).then(|| mark(at)),
            active: true,
            cidrs: vec![format!("172.{at}.0.0/24").parse().unwrap()],
            bridge: Some(format!("decoy{at}")),
        });
    }
    for at in 36..=50u128 {
        all.pools.push(FoundPool {
            name: format!("decoy-{at}"),
            uuid: uuid::Uuid::from_u128(at),
            active: at.is_multiple_of(2),
            volumes: vec![format!("{}.qcow2", lab.nodes[0].name)],
        });
    }
    all
}

fn of_others(inventory: &Inventory) -> String {
    let mut other = inventory.clone();
    other.domains.retain(|domain| domain.name.starts_with("decoy"));
    other.networks.retain(|network| network.name.starts_with("decoy"));
    other.pools.retain(|pool| pool.name.starts_with("decoy"));
    format!("{other:#?}")
}

#[test]
fn a_thousand_random_commands_and_cuts_leave_what_others_have() {
    const STEPS: &[Step] = &[
        Step::Up,
        Step::Up,
        Step::Save("one"),
        Step::Save("two"),
        Step::SaveDisks("three"),
        Step::Restore("one"),
        Step::Restore("three"),
        Step::Delete("one"),
        Step::Delete("two"),
        Step::PutAway,
        Step::Down,
    ];
    let secrets = Rig::new("single").secrets();
    let seed: u64 = std::env::var("LAB_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut next = move |limit: usize| random.below(limit);
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for sequence in 0..1000 {
        let world = World::new("single", &secrets);
        let planted = decoys(&world.rig.session().lab);
        let before = of_others(&planted);
        world.rig.hypervisor.plant(|all| *all = planted);
        let mut told = Vec::new();
        for _ in 0..4 + next(5) {
            let step = STEPS[next(STEPS.len())];
            let cut = (next(3) == 0).then(|| 1 + next(40));
            world.rig.gate.shut_at(cut);
            let result = world.run(step);
            let verdict = if result.is_ok() { "done" } else { "refused or cut" };
            *done.entry(format!("{step:?} {verdict}")).or_default() += 1;
            told.push((step, cut, result));
        }
        world.rig.gate.shut_at(None);
        let inventory =
            lab::drivers::provider::Provider::inventory(&*world.rig.hypervisor).unwrap();
        assert_eq!(of_others(&inventory), before, "sequence {sequence} of seed {seed}: {told:?}");
        world.run(Step::Down).unwrap_or_else(|error| panic!("{sequence}: {told:?}: {error}"));
        let inventory =
            lab::drivers::provider::Provider::inventory(&*world.rig.hypervisor).unwrap();
        assert_eq!(format!("{inventory:#?}"), before, "left over: {sequence}: {told:?}");
        assert!(!world.rig.session().store.root().exists(), "{sequence}: {told:?}");
    }
    eprintln!("{done:#?}");
    for step in STEPS {
        assert!(done.contains_key(&format!("{step:?} done")), "{step:?} never got through");
    }
}

#[test]
fn keys_and_certificates_are_cut_everywhere() {
    let rig = Rig::new("three");
    let make = || {
        let session = rig.session();
        let now = time::OffsetDateTime::now_utc();
        let mut bundle = session.store.bundle()?;
        let made = bundle.ensure(&session.lab, now).unwrap();
        if !made.is_empty() {
            session.store.save_bundle(&bundle, &made)?;
        }
        let mut keys = session.load_keys().unwrap();
        if !keys.ensure(&session.lab).unwrap().is_empty() {
            session.store.save_ssh_keys(&keys, &SshKeys::public(&keys.user).unwrap())?;
        }
        Ok::<_, lab::drivers::state::store::StoreError>(())
    };
    rig.session().store.create().unwrap();
    make().unwrap();
    let points = rig.gate.passed().len();
    assert!(points > 100, "{points}");
    for at in 1..=points {
        let root = rig.session().store.root().to_owned();
        fs::remove_dir_all(&root).unwrap();
        rig.session().store.create().unwrap();
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
    let start = std::time::Instant::now();
    let refused = store.lock("lab down").unwrap_err();
    assert!(start.elapsed().as_secs_f64() < 1.0);
    let lab::drivers::state::store::LockError::Held(Some(holder)) = refused else { panic!() };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "lab up"));
    drop(held);
    store.lock("lab down").unwrap();
}
