//! Every field of the schema is read: a lab without it is another one.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use lab::model::Owner;
use lab::model::topology;
use lab::model::topology::schema::{Kind, TOPOLOGY, Table};
use serde_json::{Value as Json, json};

/// What an add-on installs.
const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// What nodes trust: as short as a certificate can look like.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";

/// A topology in which nothing is left to a default.
fn everything() -> Json {
    let network = json!({
        "cidr": "10.9.0.0/24", "mode": "routed", "uplink": "all",
        "dhcp": "10.9.0.200-10.9.0.210", "gateway": "10.9.0.254", "mtu": 1400,
        "forwarders": ["192.0.2.53"],
        "records": {
            "registry": {"a": "10.9.0.6"}, "www": {"cname": "a"}, "note": {"txt": "of a person's own"},
            "_ldap._tcp": {"srv": {"target": "b", "port": 389, "priority": 1, "weight": 2}},
        },
        "reservations": {"printer": {"mac": "52:54:00:00:00:99", "address": "10.9.0.99"}},
    });
    let kubernetes = json!({
        "version": "1.30.1", "flavour": "kubeadm", "service_cidr": "10.8.0.0/24",
        "pod_cidr": "10.7.0.0/16", "node_mask": 25, "pod_network": "overlay", "pod_security": "restricted",
        "host_routes": true, "api_port": 8443, "endpoint": "api", "ingress": {"http": 31000, "https": 32000},
        "addons": [
            "coredns", {"folder": {"own": {"a.yaml": OBJECT}}},
            {"name": "other", "parameters": {"size": 2}, "files": {
                "a.yaml": OBJECT,
                "addon.yaml": "title: O\nparameters: {size: {is: number, says: S., default: 1}}\n",
            }},
        ],
        "cluster_domain": "whole.local", "artifacts": "bin",
        "mirrors": {"docker.io": ["https://mirror.example"], "*": ["http://10.9.0.77:5000/v2"]},
        "certificates": {"expiry": "17520h", "country": "DE", "state": "Berlin", "city": "Berlin"},
        "certificate_names": ["api.whole.example", "192.0.2.7"],
        "arguments": {
            "etcd": {"snapshot-count": "5000"}, "kube-apiserver": {"v": "2"},
            "kube-controller-manager": {"v": "3"}, "kube-scheduler": {"v": "4"}, "kubelet": {"v": "5"},
        },
        "feature_gates": {"Some": true}, "kubelet": {"maxPods": 50}, "kube_proxy": {"detectLocalMode": "ClusterCIDR"},
        "registry_logins": "logins.json",
    });
    let options = json!({
        "acceleration": "tcg", "boot_timeout": 60, "clone": "boot", "autostart": false, "storage": "/srv/labs",
    });
    json!({
        "name": "whole",
        "domain": "whole.example",
        "network": network,
        "image": {"name": "mine", "like": "debian-13", "file": "mine.qcow2"}, "firewall": "on",
        "proxy": {"http": "http://proxy.example:3128", "https": "http://proxy.example:3128", "no_proxy": [".whole.example"]},
        "trusted_authorities": [AUTHORITY],
        "defaults": {
            "cpus": 4, "memory": "5GiB", "disk": "40GiB",
            "disks": {"of-all": {"size": "1GiB"}}, "cpu_model": "max", "open_ports": [80], "xml": "<memtune/>", "user_data": ["#!/bin/sh\nexit 0\n"],
            "labels": {"of": "all"}, "annotations": {"of": "all"}, "taints": ["of=all:NoExecute"],
        },
        "nodes": {
            "front": {"roles": ["load-balancer"], "count": 2, "name": "front-%02d", "first_number": 0, "addresses": ["10.9.0.50", "10.9.0.60"]},
            "one": {
                "roles": ["etcd", "control-plane", "worker"], "names": ["a", "b", "c"],
                "first_address": "10.9.0.20", "cpus": 2, "memory": "2GiB", "disk": "20GiB", "cpu_model": "host", "open_ports": ["8000-8100"], "xml": "<cputune/>",
                "disks": {
                    "data": {"size": "1GiB", "serial": "one-1", "filesystem": "ext4", "keep": true},
                    "logs": {"size": "1GiB", "mount": "/srv/logs"},
                },
                "image": "fedora", "user_data": {"timezone": "UTC"},
                "labels": {"group": "one"}, "annotations": {"group": "one"}, "taints": ["group:NoSchedule"],
                "overrides": {"b": {
                    "address": "10.9.0.40", "mac": "52:54:00:00:00:01", "cpus": 3,
                    "memory": "3GiB", "disk": "30GiB", "cpu_model": "Nehalem", "open_ports": ["53/udp"], "xml": "<blkiotune/>", "disks": {"own": {"size": "2GiB", "filesystem": "ext4"}}, "image": {"name": "other", "like": "rocky", "url": "https://a.example/b.qcow2", "sha256": "a".repeat(64)},
                    "pod_subnet": "10.7.200.0/25", "user_data": {"locale": "C"},
                    "labels": {"node": "b"}, "annotations": {"node": "b"}, "taints": ["node=b:NoSchedule"],
                }},
            },
        },
        "vips": {"api": {"address": "10.9.0.5", "role": "load-balancer", "router_id": 7}},
        "kubernetes": kubernetes,
        "ssh": {
            "user": "anna",
            "authorized_keys": [format!("ssh-ed25519 {} anna@home", "A".repeat(68))],
        },
        "options": options,
    })
}

/// The same on a network that is there, and on another kind of one.
fn joined() -> [Json; 2] {
    let lab = |network: Json| json!({"name": "whole", "network": network, "nodes": {"a": {"roles": ["etcd", "control-plane", "worker"]}}});
    let net = |key: &str| json!({"cidr": "10.9.0.0/24", (key): "br0"});
    [lab(net("bridge")), lab(net("existing"))]
}

/// The same for machines that are there, with what only they have.
fn existing() -> Json {
    json!({
        "name": "whole", "provider": "existing", "network": {"cidr": "10.9.0.0/24"},
        "ssh": {"port": 2222, "key": "key", "known_hosts": "known_hosts", "bastion": {
            "host": "gate.example.com", "user": "anna", "port": 2223, "host_key": format!("ssh-ed25519 {}", "A".repeat(68))}},
        "nodes": {"a": {"roles": ["etcd", "control-plane", "worker"], "addresses": ["10.9.0.20"],
            "overrides": {"a": {"host_key": format!("ssh-ed25519 {}", "A".repeat(68))}}}},
    })
}

fn lab(topology: &Json) -> String {
    let owner = Owner { machine: "here".into(), uid: 0 };
    let loaded = topology::load(&topology.to_string(), &owner);
    format!("{:?}", loaded.map(|loaded| loaded.lab))
}

/// Pointers to all fields that are there, and the names of the tables' fields that were met.
fn fields(table: &Table, at: &str, topology: &Json, all: &mut Vec<String>, met: &mut Met) {
    for field in table.fields {
        let own = format!("{at}/{}", field.name);
        let Some(value) = topology.pointer(&own) else { continue };
        met.insert((table.name, field.name));
        let names: Vec<String> = match (&field.kind, value) {
            (Kind::Named(_) | Kind::Keyed(..), Json::Object(map)) => {
                map.keys().map(|name| format!("{own}/{name}")).collect()
            }
            (Kind::Set(..), Json::Array(items)) => {
                (0..items.len()).map(|at| format!("{own}/{at}")).collect()
            }
            _ => vec![own.clone()],
        };
        if let Kind::Table(inner)
        | Kind::TableOr(_, inner)
        | Kind::TableOrText(_, inner)
        | Kind::Set(_, inner)
        | Kind::WordOr(_, inner)
        | Kind::Keyed(_, Kind::Table(inner))
        | Kind::Named(Kind::Table(inner)) = &field.kind
        {
            names.iter().for_each(|name| fields(inner, name, topology, all, met));
        }
        // Of a single word nobody can say whether it was read.
        if !matches!(field.kind, Kind::Choice([_])) {
            all.push(own);
        }
    }
}

type Met = BTreeSet<(&'static str, &'static str)>;

/// All fields that tables have.
fn known(table: &'static Table, all: &mut Met) {
    for field in table.fields {
        all.insert((table.name, field.name));
        if let Kind::Table(inner)
        | Kind::TableOr(_, inner)
        | Kind::TableOrText(_, inner)
        | Kind::Set(_, inner)
        | Kind::WordOr(_, inner)
        | Kind::Keyed(_, Kind::Table(inner))
        | Kind::Named(Kind::Table(inner)) = &field.kind
        {
            known(inner, all);
        }
    }
}

#[test]
fn a_lab_without_a_field_is_another_lab() {
    let (mut met, mut there) = (Met::new(), Met::new());
    for whole in [everything(), existing()].into_iter().chain(joined()) {
        let wanted = lab(&whole);
        assert!(wanted.starts_with("Ok("), "{wanted}");
        let mut all = Vec::new();
        fields(&TOPOLOGY, "", &whole, &mut all, &mut met);
        for pointer in &all {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let mut without = whole.clone();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            assert_ne!(lab(&without), wanted, "{pointer} is not read");
        }
    }
    known(&TOPOLOGY, &mut there);
    assert_eq!(there.difference(&met).collect::<Vec<_>>(), [] as [&_; 0], "nobody tries these");
}
