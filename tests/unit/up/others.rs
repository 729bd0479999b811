//! What others have on the same computer, or did to the lab's own: refused, left alone, or put right.

use lab::model::inventory::{FoundDomain, FoundNetwork};

use super::shown;
use crate::rig;
use crate::rig::fakes::{Rig, Up};
use crate::rig::secrets::Secrets;

#[test]
fn objects_of_others_are_refused_before_anything_is_touched() {
    let rig = Rig::new("three");
    let lab = rig.lab();
    rig.hypervisor.plant(|all| {
        all.domains.push(FoundDomain {
            name: "three-etcd1".into(),
            uuid: uuid::Uuid::from_u128(7),
            mark: None,
            active: true,
            paused: false,
            autostart: false,
            snapshots: Vec::new(),
            macs: vec![lab.nodes[1].mac.clone()],
            hardware: None,
        });
        all.networks.push(FoundNetwork {
            name: "default".into(),
            uuid: uuid::Uuid::from_u128(8),
            mark: None,
            active: true,
            cidrs: vec!["10.240.0.0/16".parse().unwrap()],
            bridge: None,
        });
    });
    let (outcome, _) = rig.up(Up::PLAIN);
    let message = outcome.unwrap_err();
    for part in
        ["error[L0802]", "three-etcd1", "52:54:00", "overlaps the libvirt network 'default'"]
    {
        assert!(message.contains(part), "'{part}' is missing in: {message}");
    }
    assert_eq!(rig.calls(), 0);
}

#[test]
fn networks_the_computer_already_reaches_are_named_with_a_free_one() {
    use lab::model::inventory::HostNetwork;
    use lab::plan::conflicts;
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("three"), home.path());
    let prepared = rig::prepared_for_real(&session, &Secrets::of(&session));
    let desired = prepared.desired(&session, &[]).unwrap();
    let used =
        |net: &str, device: &str| HostNetwork { net: net.parse().unwrap(), device: device.into() };
    let inventory = lab::model::inventory::Inventory::default();
    let host = [
        used("192.168.1.0/24", "eth0"),
        used("10.240.0.0/16", "tun0"),
        used("10.240.0.7/32", "tun0"),
    ];
    let found = conflicts(&session.lab, &desired, &inventory, &host);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("10.240.0.0/16 via tun0"), "{found:?}");
    assert!(found[0].help.contains("10.241.0.0/24 is free"), "{found:?}");
    let ours = [used("10.240.0.0/24", &session.lab.network.bridge)];
    assert!(
        conflicts(&session.lab, &desired, &inventory, &ours).is_empty(),
        "the lab's own bridge"
    );
    assert!(!lab::drivers::host::used_networks().iter().any(|used| used.net.prefix_len() == 0));
}

/// A network that is there already is joined where it is fit for the nodes and stays when others go.
#[test]
fn a_network_that_cannot_be_joined_is_refused() {
    use lab::model::inventory::{Inventory, Mark};
    use lab::plan::conflicts;
    let home = tempfile::tempdir().unwrap();
    let range = "dhcp: 10.240.0.200-10.240.0.250";
    let text = rig::shipped("three").replace(range, "existing: default");
    let session = rig::session(&text, home.path());
    let prepared = rig::prepared_for_real(&session, &Secrets::of(&session));
    let desired = prepared.desired(&session, &[]).unwrap();
    assert!(desired.network.is_none() && desired.domains[0].xml.contains("network=\"default\""));
    let network = |cidr: &str| FoundNetwork {
        name: "default".into(),
        uuid: uuid::Uuid::from_u128(8),
        mark: None,
        active: true,
        cidrs: vec![cidr.parse().unwrap()],
        bridge: None,
    };
    let mark = Mark {
        lab: uuid::Uuid::from_u128(9),
        node: None,
        hash: String::new(),
        disk: String::new(),
        size: None,
        kept: Vec::new(),
    };
    let fit = || network("10.240.0.0/24");
    let of = |networks: Vec<FoundNetwork>| {
        let inventory = Inventory { networks, ..Inventory::default() };
        let found = conflicts(&session.lab, &desired, &inventory, &[]);
        found.into_iter().map(|conflict| conflict.message).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(of(vec![fit()]), "");
    assert_eq!(of(vec![network("10.240.0.0/16")]), "");
    let bridge = FoundNetwork { bridge: Some("br0".into()), mark: Some(mark.clone()), ..fit() };
    let own = FoundNetwork { uuid: session.lab.network.uuid, name: "three".into(), ..fit() };
    for (networks, why) in [
        (vec![], "libvirt has no network 'default'"),
        (
            vec![network("192.168.122.0/24")],
            "the network 'default' has 192.168.122.0/24, and not 10.240.0.0/24",
        ),
        (
            vec![FoundNetwork { mark: Some(mark), ..fit() }],
            "the network 'default' is of another lab",
        ),
        (vec![FoundNetwork { active: false, ..fit() }], "the network 'default' is not running"),
        (vec![fit(), own], "the lab has a network of its own"),
    ] {
        assert!(of(networks.clone()).starts_with(why), "{why}: {}", of(networks));
    }
    let on_bridge = rig::session(&text.replace("existing: default", "bridge: br0"), home.path());
    let found = |networks: Vec<FoundNetwork>| {
        let inventory = Inventory { networks, ..Inventory::default() };
        conflicts(&on_bridge.lab, &desired, &inventory, &[]).len()
    };
    assert_eq!((found(vec![network("192.168.122.0/24")]), found(vec![bridge])), (0, 1));
}

#[test]
fn a_copy_of_a_nodes_domain_is_somebody_elses() {
    let rig = Rig::new("three");
    rig.done(Up::PLAIN);
    rig.hypervisor.plant(|all| {
        let mut copy = all.domains.iter().find(|d| d.name == "three-worker1").unwrap().clone();
        copy.name = "copy-of-worker1".into();
        copy.uuid = uuid::Uuid::from_u128(99);
        copy.macs = vec!["52:54:00:99:99:99".into()];
        all.domains.push(copy);
    });
    let before = rig.state();
    rig.clear();
    rig.is_as_wanted();
    assert_eq!(rig.state(), before);
}

#[test]
fn a_domain_that_somebody_changed_is_told_and_put_right() {
    let rig = Rig::new("three");
    rig.done(Up::PLAIN);
    let wanted = rig.state();
    let worker = rig.lab().node("worker1").unwrap().clone();
    rig.hypervisor.plant(|all| {
        let domain = all.domains.iter_mut().find(|domain| domain.uuid == worker.uuid).unwrap();
        let shape = domain.hardware.as_mut().unwrap();
        shape.memory_kib = 512 << 10;
        shape.cards.insert("52:54:00:00:00:99".into(), "default".into());
    });
    let (changes, _) = rig.done(Up::PLAIN);
    let shown = shown(&changes);
    assert_eq!(
        shown,
        [
            "! redefine and restart domain three-worker1  (changed with other tools: 512 MiB of memory instead of 2048 MiB, other network cards; the disk stays)"
        ]
    );
    assert_eq!(rig.state(), wanted);
    rig.is_as_wanted();
}
