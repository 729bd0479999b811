//! What comes from outside, and files that are people's own: cut at every change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lab::drivers::assets::artifact_disk;
use lab::drivers::assets::binaries::{fetch_all, release_dir, scan};
use lab::drivers::assets::cache::Cache;
use lab::drivers::assets::download::{Fetcher, hash};
use lab::drivers::assets::error::AssetError;
use lab::drivers::assets::goldens::Goldens;
use lab::drivers::assets::images::Images;
use lab::drivers::host::{hosts_file, kubeconfig_file};
use lab::drivers::state::failpoint::Failpoints;
use lab::drivers::state::{Record, Standing};
use lab::engine::Events;
use lab::kubernetes::DEFAULT;
use lab::model::snapshot::Documents;

use crate::rig;
use crate::rig::dns_image;
use crate::rig::fakes::Rig;
use crate::rig::publisher::Publisher;

/// An image that carries its kernel, and a folder of binaries.
pub(crate) fn bring_assets(rig: &Rig) -> PathBuf {
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
    for name in DEFAULT.binaries {
        fs::write(bin.join(name), format!("\x7fELF {name}\0v1.36.2\0")).unwrap();
    }
    bin
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
fn catalogue(publisher: &Publisher) -> BTreeMap<String, String> {
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
    let with = |publisher: &Publisher| {
        let mut session = rig.session();
        session.dirs.artifacts = Some(bin.clone());
        let cache =
            Cache::new(&session.dirs.cache).fetching_by(Fetcher::with_plain_http_on_loopback());
        session.images = Images::new(cache, &catalogue(publisher));
        session
    };
    let publishes = |bytes: &[u8]| Publisher::start(&[("disk.img", bytes.to_vec())]);
    let session = with(&publishes(&first));
    let (events, _reader) = Events::channel();
    lab::engine::prepare(&session, &events).unwrap();
    // What the topology's own file says of it is another matter.
    fs::remove_file(&session.locked).unwrap();
    let mut record = Record::new("single", session.lab.id, "private", "");
    record.digests = [("debian-12".to_owned(), digest.clone())].into();
    session.store.save_record(&record).unwrap();
    let refused = |error: &lab::engine::EngineError| {
        assert_eq!(error.code.id, "L0902", "{error}");
        let hint = error.hint.as_deref().unwrap_or_default();
        assert!(hint.starts_with("node stand") && hint.contains("lab down"), "{hint}");
    };
    // The image that is here is another one: nothing is begun on it, and nothing planned.
    refused(&lab::engine::prepare(&session, &events).unwrap_err());
    refused(&lab::engine::preview(&session).unwrap_err());
    // The cache was cleaned, and the publisher has another one by now.
    fs::remove_dir_all(session.images.dir("debian-12")).unwrap();
    let moved_on = with(&publishes(&other));
    refused(&lab::engine::prepare(&moved_on, &events).unwrap_err());
    assert!(
        moved_on.images.local("debian-12").is_none() && !moved_on.images.disk("debian-12").exists()
    );
    // It has the same: it is the lab's again, also for another lab of the same person.
    let standing = lab::drivers::state::standing_on(&session.dirs.state, "debian-12");
    assert_eq!(standing, [Standing { lab: "single".into(), sha256: digest.clone() }]);
    let image = session.images.ensure("debian-12", &standing, &|_, _| {}).unwrap();
    assert_eq!(image.digest, digest);
    lab::engine::preview(&session).unwrap_or_else(|error| panic!("{error}"));
    // What is kept with the lab costs nothing at all, whatever the publisher has.
    let kept = session.store.path("bases/debian-12");
    session.images.keep("debian-12", &kept).unwrap();
    fs::remove_dir_all(&session.dirs.cache).unwrap();
    // These guests would have no way to packages, which is another matter.
    assert_eq!(lab::engine::prepare(&moved_on, &events).unwrap_err().code.id, "L0808");
    assert_eq!(moved_on.images.image("debian-12").unwrap().digest, digest);
    // A kept one that is damaged is none.
    fs::remove_dir_all(&session.dirs.cache).unwrap();
    fs::remove_file(kept.join("disk.qcow2")).unwrap();
    fs::write(kept.join("disk.qcow2"), &other).unwrap();
    refused(&lab::engine::prepare(&moved_on, &events).unwrap_err());
}

/// What a lab keeps of an image is whole or none, and so is what the cache gets back.
#[test]
fn kept_images_are_cut_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let disk = qcow2(dir.path(), "8M");
    let publisher = Publisher::start(&[("disk.img", disk)]);
    let (cache, kept) = (dir.path().join("cache"), dir.path().join("kept"));
    let points = Failpoints::counting();
    let images = Images::new(
        Cache::new(&cache)
            .fetching_by(Fetcher::with_plain_http_on_loopback())
            .behind(points.clone()),
        &catalogue(&publisher),
    );
    images.pull("debian-12", &|_, _| {}).unwrap();
    let digest = images.image("debian-12").unwrap().digest;
    let forget = |what: &Path| {
        let _ = fs::remove_dir_all(what);
    };
    let text = |error: AssetError| error.to_string();
    let is_kept = || kept.join("local.json").exists();
    let keep = || images.keep("debian-12", &kept).map_err(text);
    let judge = |place: &str, whole: bool| {
        assert!(is_kept() || !whole, "{place}");
        assert!(!is_kept() || kept.join("disk.qcow2").exists(), "{place}");
    };
    assert!(cut_work(&points, || forget(&kept), keep, judge) > 3);
    let back = || images.take_back("debian-12", &kept, &digest).map(drop).map_err(text);
    let judge = |place: &str, whole: bool| {
        let here = images.image("debian-12").map(|image| image.digest);
        assert!(here.is_ok() || !whole, "{place}: {here:?}");
        assert!(images.local("debian-12").is_none() || here.unwrap() == digest, "{place}");
    };
    assert!(cut_work(&points, || forget(&cache.join("images")), back, judge) > 3);
    assert!(!images.take_back("debian-12", &kept, &digest).unwrap(), "it is there");

    // The disk with the binaries likewise; where it is there, nothing is written.
    let points = Failpoints::counting();
    let binaries = Cache::new(&cache).behind(points.clone());
    let (disk, disks) = (cache.join("artifacts/0123.img"), dir.path().join("disks"));
    fs::create_dir_all(disk.parent().unwrap()).unwrap();
    fs::write(&disk, "an ext4").unwrap();
    let keep = || artifact_disk::keep(&binaries, &disk, &disks).map_err(text);
    let judge =
        |place: &str, whole: bool| assert!(disks.join("0123.img").exists() == whole, "{place}");
    assert!(cut_work(&points, || forget(&disks), keep, judge) > 0);
    artifact_disk::take_back(&binaries, &disks).unwrap();
    assert_eq!(files_below(disk.parent().unwrap()).len(), 1, "a lock was taken for nothing");
    let back = || artifact_disk::take_back(&binaries, &disks).map_err(text);
    let judge = |place: &str, whole: bool| assert!(disk.exists() == whole, "{place}");
    assert!(cut_work(&points, || drop(fs::remove_file(&disk)), back, judge) > 0);
    assert_eq!(fs::read_to_string(&disk).unwrap(), "an ext4");
}

/// Images, binaries, the disk with them, golden guests: what counts is whole, wherever a run was cut.
#[test]
fn assets_are_cut_everywhere() {
    let rig = Rig::new("single");
    let mut files = vec![("disk.img", qcow2(rig.home.path(), "8M"))];
    files.extend(
        DEFAULT
            .binaries
            .iter()
            .map(|name| (*name, format!("\x7fELF {name}\0v1.36.2\0").into_bytes())),
    );
    let publisher = Publisher::start(&files);
    let overrides = catalogue(&publisher);
    let session = rig.session();
    let prepared = rig::prepared_for_real(&session, &rig.secrets);
    let mould =
        lab::engine::golden_key(&session, &prepared, &session.lab.nodes[0], "memory").unwrap();
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
        let folder =
            fetch_all(DEFAULT.binaries, version, &cache, from, &|_, _| {}).map_err(text)?;
        let found = scan(DEFAULT.binaries, &folder, None, &cache).map_err(text)?;
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
    let ours = ["A".to_owned()];
    let merge =
        || kubeconfig_file::merge(&points, &config, "lab-one", &ours, &entry("x")).map_err(text);
    let has = || kubeconfig_file::has(&config, "lab-one", &ours);
    let others = || kubeconfig_file::has(&config, "work", &ours);
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

/// Labs that come and go at once each find what the others wrote; whose the file was it stays.
#[test]
fn a_hosts_file_is_written_by_one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let somebody = match nix::unistd::geteuid().is_root() {
        true => 12_345,
        false => nix::unistd::geteuid().as_raw(),
    };
    std::os::unix::fs::chown(&hosts, Some(somebody), None).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&hosts, "user.label", b"of somebody", flags).unwrap();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let hosts = &hosts;
            scope.spawn(move || {
                let (label, line) =
                    (format!("lab{number}"), format!("10.0.0.{number} a{number}\n"));
                hosts_file::set_block(&Failpoints::default(), hosts, &label, Some(&line)).unwrap();
            });
        }
    });
    let text = fs::read_to_string(&hosts).unwrap();
    assert_eq!(text.matches("# BEGIN lab").count(), 20, "{text}");
    assert_eq!(fs::metadata(&hosts).unwrap().uid(), somebody);
    let mut label = [0; 64];
    let length = rustix::fs::getxattr(&hosts, "user.label", &mut label).unwrap();
    assert_eq!(&label[..length], b"of somebody", "an attribute is lost");
}

/// What `plan` shows is what `up` does: archives of images that go onto the disk are counted by both.
#[test]
fn archives_beside_a_release_are_in_the_plan() {
    let rig = Rig::new("three");
    let bin = bring_assets(&rig);
    let mut session = rig.session();
    let release = release_dir(lab::model::version::DEFAULT, session.images.cache());
    fs::create_dir_all(release.parent().unwrap()).unwrap();
    fs::rename(bin, &release).unwrap();
    let without = lab::engine::preview(&session).unwrap().platform.artifacts;
    let archives = rig.home.path().join("archives");
    fs::create_dir_all(&archives).unwrap();
    dns_image::write(&archives);
    session.dirs.archives = Some(archives);
    let with = lab::engine::preview(&session).unwrap().platform.artifacts;
    assert!(without.images.is_empty() && with.images.len() == 1, "{without:?} {with:?}");
    let (events, _reader) = Events::channel();
    let made = lab::engine::prepare(&session, &events).unwrap().platform.artifacts;
    assert_eq!((made.digest, made.images), (with.digest, with.images));
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
