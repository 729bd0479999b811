//! The libvirt driver against libvirt's own `test:///default`: real documents, real validation,
//! real ids; only uploads and guests are missing.

use std::process::Command;

use lab::drivers::provider::libvirt::Libvirt;
use lab::drivers::provider::{Content, Machines, Networks, Power, Provider, Storage};
use lab::kubernetes::DEFAULT;
use lab::model::platform::Acceleration;
use lab::model::snapshot::Kind;
use lab::plan::Desired;

use crate::rig;
use crate::rig::gated::of_its_type;

/// The test driver is one per process: tests that change it take turns.
static DRIVER: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn driver() -> std::sync::MutexGuard<'static, ()> {
    DRIVER.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn desired(topology: &str, home: &std::path::Path) -> (lab::engine::Session, Desired) {
    desired_by(&rig::shipped(topology), home)
}

fn desired_by(text: &str, home: &std::path::Path) -> (lab::engine::Session, Desired) {
    let session = rig::session(text, home);
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Emulated);
    let all: Vec<_> = DEFAULT.stages.iter().collect();
    let desired = prepared.desired(&session, &all).unwrap();
    (session, desired)
}

#[test]
fn a_lab_comes_and_goes() {
    let _turn = driver();
    let home = tempfile::tempdir().unwrap();
    let (session, desired) = desired("three", home.path());
    let libvirt = Libvirt::open("test:///default").unwrap();
    let before = libvirt.inventory().unwrap();

    // Twice: every verb is fine when it is already so.
    for _ in 0..2 {
        libvirt.ensure_pool(desired.pool.as_ref().unwrap()).unwrap();
        libvirt.ensure_network(desired.network.as_ref().unwrap()).unwrap();
        let bytes = Content::Bytes(vec![1; 100]);
        let seed = lab::render::raw_volume(
            &session.templates,
            &desired.pool.as_ref().unwrap().name,
            "etcd1-seed.img",
            100,
        );
        libvirt.ensure_volume(&seed.unwrap(), &bytes).unwrap();
        for domain in &desired.domains {
            let mut domain = domain.clone();
            domain.xml = of_its_type(&domain.xml);
            libvirt.define(&domain).unwrap();
        }
    }
    let found = libvirt.inventory().unwrap();
    let network =
        found.networks.iter().find(|n| n.uuid == desired.network.as_ref().unwrap().uuid).unwrap();
    assert!(network.active);
    assert_eq!(network.cidrs, [session.lab.network.cidr]);
    assert_eq!(network.bridge.as_deref(), Some(session.lab.network.bridge.as_str()));
    for (node, wanted) in session.lab.nodes.iter().zip(&desired.domains) {
        let domain = found.domains.iter().find(|d| d.uuid == wanted.uuid).unwrap();
        assert_eq!(domain.name, node.domain);
        assert_eq!(domain.macs, std::slice::from_ref(&node.mac));
        let mark = domain.mark.as_ref().unwrap();
        assert_eq!((mark.lab, mark.node.as_ref()), (session.lab.id, Some(&node.name)));
        assert_eq!(mark.hash, wanted.hash, "libvirt rewrites documents, not their metadata");
        let shape = domain.hardware.as_ref().unwrap();
        assert_eq!(
            wanted.hardware.changed(shape),
            Vec::<String>::new(),
            "what it adds is no change"
        );
    }
    let pool = found.pools.iter().find(|p| p.uuid == desired.pool.as_ref().unwrap().uuid).unwrap();
    assert!(pool.active && pool.volumes.contains(&"etcd1-seed.img".to_owned()));

    for domain in &desired.domains {
        libvirt.start(domain.uuid).unwrap();
        libvirt.remove(domain.uuid).unwrap();
        libvirt.remove(domain.uuid).unwrap();
    }
    libvirt.remove_network(desired.network.as_ref().unwrap().uuid).unwrap();
    libvirt.remove_network(desired.network.as_ref().unwrap().uuid).unwrap();
    libvirt.remove_pool(desired.pool.as_ref().unwrap().uuid).unwrap();
    libvirt.remove_pool(desired.pool.as_ref().unwrap().uuid).unwrap();
    assert_eq!(libvirt.inventory().unwrap(), before, "something stayed or foreign things changed");
}

/// What a crash in the middle of an upload leaves: the volume, but not the mark of completion.
#[test]
fn a_half_made_volume_counts_as_none_and_is_made_again() {
    let _turn = driver();
    let home = tempfile::tempdir().unwrap();
    let (session, desired) = desired("single", home.path());
    let libvirt = Libvirt::open("test:///default").unwrap();
    libvirt.ensure_pool(desired.pool.as_ref().unwrap()).unwrap();
    let volume = lab::render::raw_volume(
        &session.templates,
        &desired.pool.as_ref().unwrap().name,
        "node-seed.img",
        100,
    );
    let volume = volume.unwrap();
    libvirt.ensure_volume(&volume, &Content::Bytes(vec![1; 100])).unwrap();
    let volumes = || {
        let found = libvirt.inventory().unwrap();
        found
            .pools
            .into_iter()
            .find(|pool| pool.uuid == desired.pool.as_ref().unwrap().uuid)
            .unwrap()
            .volumes
    };
    assert_eq!(volumes(), ["node-seed.img"]);
    // The mark goes, the volume stays.
    libvirt.remove_volume_mark(&desired.pool.as_ref().unwrap().name, "node-seed.img").unwrap();
    assert!(volumes().is_empty(), "a volume without its mark is not complete");
    libvirt.ensure_volume(&volume, &Content::Bytes(vec![2; 100])).unwrap();
    assert_eq!(volumes(), ["node-seed.img"]);
    libvirt.remove_volume(&desired.pool.as_ref().unwrap().name, "node-seed.img").unwrap();
    assert!(volumes().is_empty());
    libvirt.ensure_volume(&volume, &Content::Nothing).unwrap();
    assert_eq!(volumes(), ["node-seed.img"]);
    libvirt.remove_pool(desired.pool.as_ref().unwrap().uuid).unwrap();
}

#[test]
fn a_name_that_others_use_is_refused() {
    let _turn = driver();
    let home = tempfile::tempdir().unwrap();
    let (_, desired) = desired("single", home.path());
    let libvirt = Libvirt::open("test:///default").unwrap();
    let mut domain = desired.domains[0].clone();
    domain.name = "test".into();
    let error = libvirt.define(&domain).unwrap_err();
    assert!(error.reason.contains("was not made by this lab"), "{error}");
    let mut network = desired.network.clone().unwrap();
    network.name = "default".into();
    let error = libvirt.ensure_network(&network).unwrap_err();
    assert!(error.reason.contains("was not made by this lab"), "{error}");
    let mut pool = desired.pool.clone().unwrap();
    pool.name = "default-pool".into();
    let error = libvirt.ensure_pool(&pool).unwrap_err();
    assert!(error.reason.contains("was not made by this lab"), "{error}");
}

/// A network without an uplink forwards nothing; whether it has one is decided before guests use it.
#[test]
fn an_uplink_does_not_change_below_running_guests() {
    let _turn = driver();
    let home = tempfile::tempdir().unwrap();
    let (session, open) = desired("three", home.path());
    let text = rig::shipped("three").replace("network:\n", "network:\n  uplink: none\n");
    let (_, closed) = desired_by(&text, home.path());
    assert!(open.network.as_ref().unwrap().xml.contains("<forward mode=\"nat\"/>"));
    assert!(
        !closed.network.as_ref().unwrap().xml.contains("<forward"),
        "{}",
        closed.network.as_ref().unwrap().xml
    );
    let libvirt = Libvirt::open("test:///default").unwrap();
    for (first, second) in [(&open, &closed), (&closed, &open)] {
        libvirt.ensure_network(first.network.as_ref().unwrap()).unwrap();
        libvirt.ensure_network(first.network.as_ref().unwrap()).unwrap();
        let error = libvirt.ensure_network(second.network.as_ref().unwrap()).unwrap_err();
        assert!(
            error.reason.contains("its mode or uplink cannot change while guests use it"),
            "{error}"
        );
        assert!(error.hint.unwrap().contains("`lab down`, then `lab up`"));
        libvirt.remove_network(session.lab.network.uuid).unwrap();
    }
}

/// The example of a network with names of its own, with another one.
fn named(another: &str) -> String {
    let text = std::fs::read_to_string("examples/names.yaml").unwrap();
    text.replace("  records:\n", &format!("  records:\n{another}"))
}

/// Records and reservations come and go, what only a restart changes is refused by its name.
#[test]
fn records_change_below_running_guests() {
    let _turn = driver();
    let home = tempfile::tempdir().unwrap();
    // The driver forgets what is dnsmasq's own.
    let plain = |another: &str| named(another).replace("    \"*.apps\": { cname: apps }\n", "");
    let (session, one) = desired_by(&plain(""), home.path());
    let libvirt = Libvirt::open("test:///default").unwrap();
    let wanted = |text: &str| desired_by(text, home.path()).1.network.unwrap();
    libvirt.ensure_network(one.network.as_ref().unwrap()).unwrap();
    for another in [
        "    db: { cname: web1 }\n    _db._tcp: { srv: { target: web1, port: 5432 } }\n    own: { txt: more }\n",
        "    db: { a: 10.244.0.12 }\n    own: { txt: other }\n",
        "",
    ] {
        libvirt.ensure_network(&wanted(&plain(another))).unwrap();
        libvirt.ensure_network(&wanted(&plain(another))).unwrap();
    }
    for (old, new, what) in [
        ("mtu: 1400", "mtu: 1300", "mtu"),
        ("[9.9.9.9, ", "[9.9.9.10, ", "forwarders"),
        ("gateway: 10.244.0.254", "gateway: 10.244.0.253", "cidr or gateway"),
    ] {
        let text = plain("").replace(old, new);
        assert_ne!(text, plain(""));
        let error = libvirt.ensure_network(&wanted(&text)).unwrap_err();
        assert!(error.reason.contains(&format!("its {what} cannot change")), "{error}");
    }
    libvirt.remove_network(session.lab.network.uuid).unwrap();
}

#[test]
fn unreachable_libvirt_says_what_to_do() {
    let error = Libvirt::open("qemu+unix:///system?socket=/nowhere/sock").err().unwrap();
    assert!(error.doing.contains("/nowhere/sock"), "{error}");
    assert!(error.hint.unwrap().contains("--provider private"));
}

/// libvirt's own schema, on every document that we define.
#[test]
fn documents_are_valid_by_libvirts_schema() {
    let home = tempfile::tempdir().unwrap();
    let three =
        |line: &str| rig::shipped("three").replace("network:\n", &format!("network:\n  {line}\n"));
    let more = [three("uplink: none"), three("mode: routed"), named("")];
    for text in rig::SHIPPED.iter().map(|name| rig::shipped(name)).chain(more) {
        let (session, desired) = desired_by(&text, home.path());
        let topology = &session.lab.name;
        let node = &session.lab.nodes[0];
        let image = rig::platform(&session, "1.36.2", Acceleration::Kvm);
        let image = &image.images[&node.os];
        let overlay =
            lab::render::overlay(&session.templates, &session.lab, node, image, "/b.qcow2");
        let mut documents = vec![
            ("network", desired.network.as_ref().unwrap().xml.clone()),
            ("storagepool", desired.pool.as_ref().unwrap().xml.clone()),
            ("storagevol", overlay.unwrap().xml),
        ];
        for kind in [Kind::Memory, Kind::Disk] {
            let lab = &session.lab;
            let part = lab::render::snapshot(&session.templates, lab, node, "a.b-1", kind, 1);
            documents.push(("domainsnapshot", part.unwrap().xml));
        }
        documents.extend(desired.domains.iter().map(|domain| ("domain", domain.xml.clone())));
        for (schema, xml) in documents {
            let file = home.path().join("document.xml");
            std::fs::write(&file, &xml).unwrap();
            let output = Command::new("virt-xml-validate").arg(&file).arg(schema).output();
            let output = output.expect("virt-xml-validate is in libvirt-clients");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{topology} {schema}: {said}\n{xml}");
        }
    }
}
