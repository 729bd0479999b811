//! A run that is cut anywhere: every change passes a gate, which is shut before the n-th of them, for
//! every n. One rerun later everything is as after a run that was never cut, byte for byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "rig/fakes.rs"]
mod fakes;
#[path = "rig/gated.rs"]
mod gated;
#[path = "rig/publisher.rs"]
mod publisher;
#[path = "rig/random.rs"]
mod random;
mod rig;
#[path = "rig/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fakes::Rig;
use lab::drivers::assets::artifact_disk;
use lab::drivers::assets::binaries::{REQUIRED, fetch_all, scan};
use lab::drivers::assets::cache::Cache;
use lab::drivers::assets::download::{Fetcher, hash};
use lab::drivers::assets::error::AssetError;
use lab::drivers::assets::goldens::Goldens;
use lab::drivers::assets::images::Images;
use lab::drivers::host::{hosts_file, kubeconfig_file};
use lab::drivers::state::failpoint::Failpoints;
use lab::drivers::state::{LockError, Record, Store};
use lab::engine::snapshot::{self, RestoreOptions, Wish};
use lab::engine::{Events, Keep, Outcome, Stop, down_with};
use lab::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory, Mark};
use lab::model::snapshot::{Documents, Kind};
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
        let wish = |name: &str, kind| Wish { name: name.into(), kind };
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
                let (lab, place, store) = (&session.lab, &session.place, &session.store);
                down_with(lab, place, store, &drivers.hypervisor, keep, &events).await
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
            shape: None,
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
            lab::drivers::provider::Hypervisor::inventory(&*world.rig.hypervisor).unwrap();
        assert_eq!(of_others(&inventory), before, "sequence {sequence} of seed {seed}: {told:?}");
        world.run(Step::Down).unwrap_or_else(|error| panic!("{sequence}: {told:?}: {error}"));
        let inventory =
            lab::drivers::provider::Hypervisor::inventory(&*world.rig.hypervisor).unwrap();
        assert_eq!(format!("{inventory:#?}"), before, "left over: {sequence}: {told:?}");
        let store = world.rig.session().store;
        assert!(!store.root().exists() && store.leftovers().is_empty(), "{sequence}: {told:?}");
    }
    eprintln!("{done:#?}");
    for step in STEPS {
        assert!(done.contains_key(&format!("{step:?} done")), "{step:?} never got through");
    }
}

/// An image that carries its kernel, and a folder of binaries.
fn bring_assets(rig: &Rig) -> PathBuf {
    let session = rig::session(&rig.text, rig.home.path());
    for os in session.lab.systems() {
        let (kernel, initrd) = session.images.boot(os);
        fs::create_dir_all(session.images.dir(os)).unwrap();
        for file in [kernel, initrd, session.images.disk(os)] {
            fs::write(file, "content").unwrap();
        }
        let meta = fs::metadata(session.images.disk(os)).unwrap();
        let local = serde_json::json!({
            "sha256": "abcdef0123456789".repeat(4), "size": meta.len(), "mtime": meta.mtime(),
            "virtual_size": 3u64 << 30, "direct_boot": true, "source": "build",
        });
        fs::write(session.images.dir(os).join("local.json"), local.to_string()).unwrap();
    }
    let bin = rig.home.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in REQUIRED {
        fs::write(bin.join(name), format!("\x7fELF {name}\0v1.36.2\0")).unwrap();
    }
    bin
}

#[test]
fn keys_and_certificates_are_cut_everywhere() {
    let rig = Rig::new("three");
    let bin = bring_assets(&rig);
    let make = || {
        let mut session = rig.session();
        session.dirs.artifacts = Some(bin.clone());
        let (events, _reader) = Events::channel();
        session.prepare(&events).map(drop)
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

fn sha256(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    fs::write(&file, bytes).unwrap();
    hash(&file, "sha256").unwrap()
}

/// Names of all files in `dir`, sorted.
fn files_below(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        match entry.path().is_dir() {
            true => all.extend(files_below(&entry.path())),
            false => all.push(entry.path().display().to_string()),
        }
    }
    all.sort();
    all
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
    let LockError::Held(Some(holder)) = refused else { panic!() };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "lab up"));
    drop(held);
    store.lock("lab down").unwrap();
}

/// Cuts `work` at every change it makes; `judge` looks after each cut, and after the run that follows.
fn cut_work(
    points: &Failpoints,
    prepare: impl Fn(),
    work: impl Fn() -> Result<(), String>,
    judge: impl Fn(&str, bool),
) -> usize {
    prepare();
    points.shut_at(None);
    work().unwrap();
    judge("uncut", true);
    let all = points.passed();
    for (at, place) in all.iter().enumerate() {
        prepare();
        points.shut_at(Some(at + 1));
        assert!(work().is_err(), "cut at {place}");
        points.shut_at(None);
        judge(place, false);
        work().unwrap_or_else(|error| panic!("cut at {place}, then {error}"));
        judge(place, true);
    }
    all.len()
}

fn qcow2(dir: &Path, size: &str) -> Vec<u8> {
    let disk = dir.join("published.qcow2");
    let made = std::process::Command::new("qemu-img")
        .args(["create", "-f", "qcow2", disk.to_str().unwrap(), size])
        .output();
    assert!(made.unwrap().status.success());
    fs::read(&disk).unwrap()
}

/// A catalogue whose Debian is the publisher's `disk.img`.
fn catalogue(publisher: &publisher::Publisher) -> BTreeMap<String, String> {
    let text = fs::read_to_string("cloud-init/debian-12/image.json").unwrap();
    let mut entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    let from = publisher.download("disk.img");
    (entry["url"], entry["checksums"]) = (from.url.into(), from.checksums.into());
    entry["algorithm"] = "sha256".into();
    BTreeMap::from([("cloud-init/debian-12/image.json".to_owned(), entry.to_string())])
}

/// A cache may be cleaned at any time. That costs a download, and never puts another image below disks.
#[test]
fn a_base_never_changes_below_disks() {
    let rig = Rig::new("single");
    let bin = bring_assets(&rig);
    let other = qcow2(rig.home.path(), "8M");
    let first = qcow2(rig.home.path(), "9M");
    let digest = sha256(&first);
    let with = |publisher: &publisher::Publisher| {
        let mut session = rig.session();
        session.dirs.artifacts = Some(bin.clone());
        let cache =
            Cache::new(&session.dirs.cache).fetching_by(Fetcher::with_plain_http_on_loopback());
        session.images = Images::new(cache, &catalogue(publisher));
        session
    };
    let publishes = |bytes: &[u8]| publisher::Publisher::start(&[("disk.img", bytes.to_vec())]);
    let session = with(&publishes(&first));
    let (events, _reader) = Events::channel();
    session.prepare(&events).unwrap();
    let mut record = Record::new("single", session.lab.id, "private", "");
    record.digests = [("debian-12".to_owned(), digest.clone())].into();
    session.store.save_record(&record).unwrap();
    let refused = |error: &lab::engine::EngineError| {
        assert_eq!(error.code.id, "L0902", "{error}");
        let hint = error.hint.as_deref().unwrap_or_default();
        assert!(hint.starts_with("node stand") && hint.contains("lab down"), "{hint}");
    };
    // The image that is here is another one: nothing is begun on it, and nothing planned.
    refused(&session.prepare(&events).unwrap_err());
    refused(&session.preview().unwrap_err());
    // The cache was cleaned, and the publisher has another one by now.
    fs::remove_dir_all(session.images.dir("debian-12")).unwrap();
    let moved_on = with(&publishes(&other));
    refused(&moved_on.prepare(&events).unwrap_err());
    assert!(
        moved_on.images.local("debian-12").is_none() && !moved_on.images.disk("debian-12").exists()
    );
    // It has the same: it is the lab's again, also for another lab of the same person.
    let standing = lab::drivers::state::standing_on(&session.dirs.state, "debian-12");
    assert_eq!(standing, [("single".to_owned(), digest.clone())]);
    let image = session.images.ensure("debian-12", &standing, &|_, _| {}).unwrap();
    assert_eq!(image.digest, digest);
    session.preview().unwrap_or_else(|error| panic!("{error}"));
}

/// Images, binaries, the disk with them, golden guests: what counts is whole, wherever a run was cut.
#[test]
fn assets_are_cut_everywhere() {
    let rig = Rig::new("single");
    let mut files = vec![("disk.img", qcow2(rig.home.path(), "8M"))];
    files.extend(
        REQUIRED.iter().map(|name| (*name, format!("\x7fELF {name}\0v1.36.2\0").into_bytes())),
    );
    let publisher = publisher::Publisher::start(&files);
    let overrides = catalogue(&publisher);
    let session = rig.session();
    let prepared = rig::prepared_for_real(&session);
    let mould = lab::engine::mould(&session, &prepared, &session.lab.nodes[0], "memory").unwrap();
    let points = Failpoints::counting();
    let home = rig.home.path().join("assets");
    let cache = Cache::new(&home)
        .fetching_by(Fetcher::with_plain_http_on_loopback())
        .behind(points.clone());
    let images = Images::new(cache.clone(), &overrides);
    let goldens = Goldens::new(&cache);
    let version = lab::model::Version::parse("1.36.2").unwrap();
    let documents = Documents { domain: "<domain/>".into(), snapshot: "<snapshot/>".into() };
    let work = || {
        let text = |error: AssetError| error.to_string();
        images.ensure("debian-12", &[], &|_, _| {}).map_err(text)?;
        let from = |name: &str| publisher.download(name);
        let folder = fetch_all(version, &cache, from, &|_, _| {}).map_err(text)?;
        let found = scan(&folder, None, &cache).map_err(text)?;
        artifact_disk::make(&found, &cache).map_err(text)?;
        if goldens.find(&mould).is_none() {
            let disk = rig.home.path().join("golden.qcow2");
            fs::write(&disk, "a disk").unwrap();
            goldens.keep(&mould, &disk, &documents).map_err(text)?;
        }
        Ok(())
    };
    let prepare = || drop(fs::remove_dir_all(&home));
    let clean = std::cell::RefCell::new(Vec::new());
    let judge = |place: &str, whole: bool| {
        if images.image("debian-12").is_ok() {
            assert_eq!(fs::read(images.disk("debian-12")).unwrap(), files[0].1, "{place}");
        }
        if let Some(golden) = goldens.find(&mould) {
            assert_eq!(fs::read(golden.disk).unwrap(), b"a disk", "{place}");
        }
        for (name, bytes) in &files[1..] {
            let found = fs::read(home.join("kubernetes/v1.36.2").join(name));
            assert!(found.is_err() || found.unwrap() == *bytes, "{place}: {name}");
        }
        if whole {
            images.image("debian-12").unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(goldens.find(&mould).is_some(), "{place}");
            let names: Vec<String> =
                files_below(&home).into_iter().filter(|name| !name.ends_with(".lock")).collect();
            let mut clean = clean.borrow_mut();
            if clean.is_empty() {
                clean.clone_from(&names);
            }
            assert_eq!(names, *clean, "{place}");
        }
    };
    let count = cut_work(&points, prepare, work, judge);
    assert!(count > 40, "{count}");
}

/// Files that are people's own: each cut leaves the old text or the new one.
#[test]
fn hosts_file_and_kubeconfigs_are_cut_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let points = Failpoints::counting();
    let hosts = dir.path().join("hosts");
    let old = "127.0.0.1 localhost\n";
    let with = format!("{old}# BEGIN lab one\n10.0.0.1 a\n# END lab one\n");
    let set = |lines: Option<&str>| {
        let set = hosts_file::set_block(&points, &hosts, "one", lines);
        set.map(drop).map_err(|error| error.to_string())
    };
    for (before, after, lines) in [(old, &*with, Some("10.0.0.1 a\n")), (&*with, old, None)] {
        let judge = |place: &str, whole: bool| {
            let found = fs::read_to_string(&hosts).unwrap();
            assert!(found == after || (!whole && found == before), "{place}: {found}");
        };
        // The last change, its owner, is no part of its text: a rerun that finds the text is content.
        let count = cut_work(&points, || fs::write(&hosts, before).unwrap(), || set(lines), judge);
        assert!(count > 3, "{count}");
    }
    let config = dir.path().join("config");
    let entry = |name: &str| {
        format!(
            "clusters: [{{name: {name}, cluster: {{certificate-authority-data: QQ==}}}}]\n\
             users: [{{name: {name}, user: {{}}}}]\ncontexts: [{{name: {name}, context: {{}}}}]\n"
        )
    };
    let text = |error: std::io::Error| error.to_string();
    let merge = || kubeconfig_file::merge(&points, &config, "lab-one", &entry("x")).map_err(text);
    let has = || kubeconfig_file::has(&config, "lab-one", "QQ==");
    let others = || kubeconfig_file::has(&config, "work", "QQ==");
    let plain = || fs::write(&config, entry("work")).unwrap();
    let judge = |place: &str, whole: bool| assert!(others() && (has() || !whole), "{place}");
    assert!(cut_work(&points, plain, merge, judge) > 3);
    let merged = || {
        plain();
        merge().unwrap();
    };
    let remove = || kubeconfig_file::remove(&points, &config, "lab-one").map_err(text);
    let judge = |place: &str, whole: bool| assert!(others() && !(has() && whole), "{place}");
    assert!(cut_work(&points, merged, remove, judge) > 3);
}

/// A lab's directory with files as an `up` leaves them.
fn some_lab(store: &Store) {
    for file in ["lab.json", "topology.yaml", "pki/ca.key", "ssh/id_ed25519", "snapshots/a/files/x"]
    {
        store.write(file, file).unwrap();
    }
}

/// While a removal is under way, or was cut, nobody finds a half lab behind its lock.
#[test]
fn no_run_begins_inside_a_removal() {
    let home = rig::home();
    let points = Failpoints::counting();
    let store = || Store::new(home.path(), "one").behind(points.clone());
    let fresh = || {
        let held = store().lock("lab down").unwrap();
        some_lab(&store());
        held
    };
    drop(fresh());
    points.shut_at(None);
    store().remove().unwrap();
    let changes = points.passed().len();
    assert!(changes > 8, "{changes}");
    for at in 1..=changes {
        let held = fresh();
        points.shut_at(Some(at));
        store().remove().unwrap_err();
        points.shut_at(None);
        let other = Store::new(home.path(), "one");
        match other.lock("lab up") {
            Err(LockError::Held(_)) => {
                assert!(other.path("pki/ca.key").exists(), "{at}: half a lab behind its lock");
            }
            Err(LockError::Failed(error)) => panic!("{at}: {error}"),
            Ok(_lock) => {
                let names = other.names("").unwrap();
                assert_eq!(names, ["lock", "lock.json"], "{at}: a lock on half a lab");
            }
        }
        drop(held);
        // What the cut removal left goes with the next run, of this lab alone.
        let neighbour = home.path().join(format!(".gone-one-two-{}", uuid::Uuid::nil()));
        fs::create_dir_all(&neighbour).unwrap();
        drop(other.lock("lab up").unwrap());
        assert!(other.leftovers().is_empty(), "{at}");
        assert!(neighbour.exists(), "{at}: another lab's leftovers were taken");
        other.remove().unwrap();
        fs::remove_dir(neighbour).unwrap();
        assert!(!home.path().join("one").exists());
    }
}

/// The file that is locked is the one that has the name: runs and removals at once never meet.
#[test]
fn a_lock_counts_only_while_its_file_has_its_name() {
    let home = rig::home();
    let (rounds, inside) = (150, std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let store = Store::new(home.path(), "one");
                let mut done = 0;
                while done < rounds {
                    let lock = match store.lock("lab up") {
                        Ok(lock) => lock,
                        Err(LockError::Held(_)) => {
                            std::thread::yield_now();
                            continue;
                        }
                        Err(LockError::Failed(error)) => panic!("{error}"),
                    };
                    let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(others, 0, "two runs in one lab");
                    let names = store.names("").unwrap();
                    assert_eq!(names, ["lock", "lock.json"]);
                    some_lab(&store);
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    store.remove().unwrap();
                    drop(lock);
                    done += 1;
                }
            });
        }
    });
}

#[test]
fn what_killed_writes_left_goes_with_the_next_lock() {
    let home = rig::home();
    let store = Store::new(home.path(), "one");
    some_lab(&store);
    let left = ["pki/.new-abc", ".new-def", "snapshots/a/files/.new-ghi"];
    for file in left {
        fs::write(store.path(file), "a key").unwrap();
    }
    fs::create_dir_all(store.path("engine")).unwrap();
    fs::write(store.path("engine/.new-not-ours"), "").unwrap();
    let lock = store.lock("lab up").unwrap();
    for file in left {
        assert!(!store.path(file).exists(), "{file}");
    }
    assert!(store.path("engine/.new-not-ours").exists() && store.path("pki/ca.key").exists());
    drop(lock);
}
