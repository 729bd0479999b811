//! What tests share: a lab opened in a directory of its own, surroundings that do not depend on
//! this computer, golden files; and, in the modules, everything that labs run on in tests.
//!
//! Each of the test crates and benchmarks takes it in whole and uses a part of it.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

pub mod account;
pub mod dns_image;
pub mod documents;
pub mod fakes;
pub mod fuzzed;
pub mod gated;
pub mod guard;
pub mod guests;
pub mod namespaces;
pub mod outside;
pub mod publisher;
pub mod random;
pub mod screen;
pub mod scripts;
pub mod secrets;
pub mod served;
pub mod shared;
pub mod system_libvirt;
pub mod traces;

pub mod memory;
pub mod memory_guest;
mod memory_snapshots;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use lab::drivers::assets::cache::Cache;
use lab::drivers::assets::images::Images;
use lab::drivers::host::Dirs;
use lab::drivers::provider::private::PrivateLibvirt;
use lab::drivers::state::{Store, addon_folder};
use lab::engine::{Prepared, ProviderKind, Session};
use lab::kubernetes::hard_way::etcd::founder_entry;
use lab::model::platform::{Acceleration, Artifacts, Image, Layout, Platform};
use lab::model::topology;
use lab::model::topology::folders::folders;
use lab::model::{Lab, Owner, Role, Version};
use lab::pki::{Bundle, SshKeys, super_admin};
use lab::render::{TOPOLOGIES, Templates};

use secrets::Secrets;

pub const SHIPPED: &[&str] =
    &["bare-metal", "book", "kubeadm", "machines", "single", "three", "thw"];

pub fn owner() -> Owner {
    Owner { machine: "test-machine".into(), uid: 1000 }
}

pub fn shipped(name: &str) -> String {
    let file = TOPOLOGIES.get_file(format!("{name}.yaml")).unwrap();
    file.contents_utf8().unwrap().to_owned()
}

/// A directory that goes with its owner; in memory where that can be had, since everything is synced
/// to disk a thousand times over.
pub fn home() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Writes a program. Another process does: what this one writes to is open in everything that any of its
/// threads starts meanwhile, and "text file busy" to whoever runs it then.
pub fn program(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-euc", "cat >\"$1\"; chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// The lab of a topology's text: read once, since that takes longer than most of what is tried with it.
pub fn lab(text: &str) -> Lab {
    static READ: Mutex<BTreeMap<String, Lab>> = Mutex::new(BTreeMap::new());
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let read = || topology::load(text, &owner()).unwrap().lab;
    all.entry(text.to_owned()).or_insert_with(read).clone()
}

/// The shipped templates: read once, for the same reason.
fn templates() -> Templates {
    static READ: OnceLock<Templates> = OnceLock::new();
    READ.get_or_init(|| lab::kubernetes::templates(&BTreeMap::new()).unwrap()).clone()
}

/// A lab from topology text, with all its directories below `home`.
pub fn session(text: &str, home: &Path) -> Session {
    let lab = lab(text);
    let templates = templates().with_api_at(lab.kubernetes.api_port);
    let dirs = Dirs {
        state: home.join("state"),
        cache: home.join("cache"),
        config: home.join("config"),
        runtime: home.join("run"),
        ssh: home.join(".ssh"),
        artifacts: None,
        archives: None,
    };
    let images = Images::new(Cache::new(&dirs.cache), &BTreeMap::new()).with_own(&lab.images, home);
    let store = Store::new(&dirs.state, &lab.name);
    let provider = ProviderKind::Private(PrivateLibvirt::new(store.root(), &dirs.runtime, lab.id));
    Session {
        lab,
        source: text.into(),
        leaving: Vec::new(),
        gate: OnceLock::new(),
        base: home.to_owned(),
        locked: home.join("lab.lock"),
        owner: owner(),
        store,
        provider,
        templates,
        images,
        dirs,
        timeouts: OnceLock::new(),
    }
}

/// A topology of `examples/`, with the folders that it names.
pub fn worked(name: &str) -> String {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let text = fs::read_to_string(here.join(format!("{name}.yaml"))).unwrap();
    folders(&text, &|path| addon_folder::read(&here, path)).unwrap()
}

/// Texts of all shipped topologies, and of those that have what they lack: add-ons of their own, a firewall,
/// a way outside that is not a plain one.
pub fn many() -> Vec<(&'static str, String)> {
    let shipped = SHIPPED.iter().map(|name| (*name, self::shipped(name)));
    shipped
        .chain(["addons", "bridged", "company", "shut"].map(|name| (name, worked(name))))
        .collect()
}

/// Images as they could be in archives, whatever the release.
fn addon_images(lab: &Lab) -> BTreeMap<String, BTreeMap<String, String>> {
    let named = |name: &String| match name.as_str() {
        "coredns" => "registry.k8s.io/coredns/coredns:v1.12.1".to_owned(),
        other => format!("registry.example/{other}:1"),
    };
    let all = lab.kubernetes.addons.iter().map(|used| &used.addon);
    let images = |addon: &lab::model::addon::Addon| {
        addon.images.keys().map(|name| (name.clone(), named(name))).collect()
    };
    all.map(|addon| (addon.name.clone(), images(addon))).collect()
}

/// Surroundings with an image that carries its kernel, and a full set of binaries.
pub fn platform(session: &Session, version: &str, acceleration: Acceleration) -> Platform {
    let image = |os: &str| Image {
        os: session.images.os(os).unwrap(),
        digest: "abcdef0123456789".repeat(4),
        virtual_size: 3 << 30,
        direct_boot: true,
    };
    let binaries = lab::kubernetes::DEFAULT.binaries.iter().map(|name| (*name).to_owned());
    Platform {
        acceleration,
        version: Version::parse(version).unwrap(),
        images: session.lab.nodes.iter().map(|node| (node.os.clone(), image(&node.os))).collect(),
        artifacts: Artifacts {
            digest: "0123456789abcdef".repeat(4),
            binaries: binaries.collect(),
            images: BTreeSet::new(),
            image_names: BTreeSet::new(),
        },
        addon_images: addon_images(&session.lab),
        logins: None,
    }
}

/// A plan's ingredients with markers in place of secrets.
pub fn prepared(session: &Session, version: &str, acceleration: Acceleration) -> Prepared {
    let bundle = Bundle::placeholder(&session.lab);
    let mut platform = platform(session, version, acceleration);
    if !session.flavour().is_a_cluster() {
        platform.artifacts = Artifacts::default();
    }
    Prepared {
        platform,
        layout: Layout { pools: "/pools".into(), consoles: "/consoles".into(), local: false },
        found: None,
        artifact_disk: None,
        super_admin: super_admin(&bundle, time::OffsetDateTime::UNIX_EPOCH).unwrap(),
        bundle,
        due: Vec::new(),
        keys: SshKeys::placeholder(&session.lab),
        acceleration: "test".into(),
        etcd_founders: session.lab.with_role(Role::Etcd).map(founder_entry).collect(),
    }
}

/// The same with these keys and certificates, and files where images and the artifact disk would be.
pub fn prepared_for_real(session: &Session, secrets: &Secrets) -> Prepared {
    let mut prepared = prepared(session, "1.36.2", Acceleration::Emulated);
    let Secrets { bundle, keys } = secrets.clone();
    prepared.super_admin = super_admin(&bundle, time::OffsetDateTime::now_utc()).unwrap();
    (prepared.bundle, prepared.keys) = (bundle, keys);
    let disk = session.dirs.cache.join("artifacts.img");
    fs::create_dir_all(&session.dirs.cache).unwrap();
    fs::write(&disk, "binaries").unwrap();
    prepared.artifact_disk = Some(disk);
    for os in session.lab.systems() {
        fs::create_dir_all(session.images.dir(os)).unwrap();
        let (kernel, initrd) = session.images.boot(os);
        for file in [kernel, initrd, session.images.disk(os)] {
            fs::write(file, "content").unwrap();
        }
    }
    prepared
}

/// Compares `text` with a golden file, or writes it when asked to.
pub fn golden(path: &str, text: &str, wrong: &mut Vec<String>) {
    let path = PathBuf::from("tests/golden").join(path);
    if std::env::var_os("LAB_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    } else if fs::read_to_string(&path).unwrap_or_default() != text {
        let actual =
            PathBuf::from("target/golden").join(path.strip_prefix("tests/golden").unwrap());
        fs::create_dir_all(actual.parent().unwrap()).unwrap();
        fs::write(&actual, text).unwrap();
        wrong.push(format!("diff {} {}", path.display(), actual.display()));
    }
}
