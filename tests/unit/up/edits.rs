//! Editing the topology of a cluster that serves, on drivers in memory: what would lose data is refused,
//! what serves changes one node at a time, and nobody is next where one did not come back.

use lab::engine::{Event, Outcome};

use super::finished;
use crate::rig;
use crate::rig::fakes::{Rig, Up};

/// A lab that is up.
fn serving(text: &str) -> Rig {
    let rig = Rig::of(text);
    rig.done(Up::PLAIN);
    rig.clear();
    rig
}

fn refused_for_quorum(rig: &Rig, why: &str) {
    let message = rig.up(Up::AGREED).0.unwrap_err();
    assert!(message.starts_with("error[L1007]") && message.contains(why), "{message}");
    assert_eq!(rig.hypervisor.calls(), [] as [&str; 0]);
}

#[test]
fn all_members_of_etcd_never_leave_at_once() {
    // Other names for all of them.
    let mut rig = serving(&rig::shipped("book"));
    let names = "  etcd:\n    count: 3\n    first_address: 10.240.0.11";
    let others = "  store:\n    roles: [etcd]\n    count: 3\n    first_address: 10.240.0.14";
    rig.edit(names, others);
    refused_for_quorum(&rig, "no member would stay");

    // The role moves to other nodes.
    let mut rig = serving(&rig::shipped("single"));
    let more = "nodes:\n  store: {roles: [etcd], count: 1, first_address: 10.240.0.20}\n";
    rig.edit("nodes:\n", more);
    rig.edit("roles: [etcd, control-plane, worker]", "roles: [control-plane, worker]");
    refused_for_quorum(&rig, "no member would stay");
    // In two steps it is fine: first all of them, then the old one goes.
    rig.edit("roles: [control-plane, worker]", "roles: [etcd, control-plane, worker]");
    rig.done(Up::AGREED);
    rig.edit("roles: [etcd, control-plane, worker]", "roles: [control-plane, worker]");
    let (_, events) = rig.done(Up::AGREED);
    assert!(finished(&events).iter().any(|task| task.starts_with("etcd member ")), "{events:?}");
}

#[test]
fn a_member_that_moves_leaves_and_joins_as_another() {
    let mut rig = serving(&rig::shipped("book"));
    let place = "count: 3\n    first_address: 10.240.0.11";
    let moved = format!("{place}\n    overrides: {{etcd3: {{address: 10.240.0.61}}}}");
    rig.edit(place, &moved);
    let (_, events) = rig.done(Up::AGREED);
    assert!(finished(&events).contains(&"etcd member etcd3 leaves".to_owned()), "{events:?}");
}

/// With a node goes what the API kept of it: roles, labels, taints.
#[test]
fn what_is_told_of_a_worker_is_told_again_when_it_was_made_anew() {
    let mut rig = serving(&rig::shipped("three"));
    rig.edit("first_address: 10.240.0.31", "first_address: 10.240.0.36");
    let (_, events) = rig.done(Up::AGREED);
    assert!(finished(&events).contains(&"nodes controller1".to_owned()), "{events:?}");
}

#[test]
fn founders_are_those_of_the_topology_until_one_of_them_begins() {
    let mut rig = Rig::new("three");
    // The guest does not let anybody in.
    rig.guests["etcd1"].fail_at(1);
    let (outcome, _) = rig.up(Up::PLAIN);
    assert!(matches!(outcome, Ok(Outcome::Failed(_))), "{outcome:?}");
    assert!(rig.store().record().unwrap().unwrap().etcd.is_empty());
    rig.edit("first_address: 10.240.0.11", "first_address: 10.240.0.16");
    rig.done(Up::AGREED);
    let founders = rig.store().record().unwrap().unwrap().etcd;
    assert_eq!(founders, ["etcd1=https://10.240.0.16:2380"]);
}

#[test]
fn where_one_did_not_come_back_nobody_is_next() {
    let mut failed = 0;
    for call in 1..=4 {
        let mut rig = serving(&rig::shipped("book"));
        // Every member starts again with more memory.
        rig.edit("memory: 1GiB", "memory: 2GiB");
        rig.guests["etcd2"].fail_at(call);
        let (outcome, events) = rig.up(Up::AGREED);
        let broke = matches!(outcome, Ok(Outcome::Failed(_)));
        failed += usize::from(broke);
        let at = events.iter().position(|event| matches!(event, Event::Failed(_)));
        let later = at.map_or(&[][..], |at| &events[at..]);
        let begins = |event: &&Event| matches!(event, Event::Started { node: Some(node), task } if node.starts_with("etcd") && task == "domain");
        assert_eq!(later.iter().filter(begins).count(), 0, "{later:#?}");
        let (outcome, _) = rig.up(Up::AGREED);
        assert!(matches!(outcome, Ok(Outcome::Done(_) | Outcome::Unchanged)), "{outcome:?}");
    }
    assert!(failed >= 2, "only {failed} calls were on the way");
}

#[test]
fn controllers_that_are_made_anew_serve_before_the_next_one_goes() {
    let mut rig = serving(&rig::shipped("book"));
    let disk = "memory: 2GiB\n    disk: 4GiB";
    rig.edit(disk, "memory: 2GiB\n    disk: 3GiB");
    let (_, events) = rig.done(Up::AGREED);
    let done = finished(&events);
    let at = |task: &str| {
        done.iter().position(|one| one == task).unwrap_or_else(|| panic!("{task}: {done:#?}"))
    };
    let (first, second) = match at("domain controller1") < at("domain controller2") {
        true => ("controller1", "controller2"),
        false => ("controller2", "controller1"),
    };
    assert!(at(&format!("control-plane {first}")) < at(&format!("domain {second}")), "{done:#?}");
    assert!(at(&format!("settle {first}")) < at(&format!("domain {second}")), "{done:#?}");
}

#[test]
fn pods_move_away_also_where_every_controller_loses_them() {
    let combined = "    roles: [control-plane]\n    count: 2";
    let also_workers = "    roles: [control-plane, worker]\n    count: 2";
    let mut rig = serving(&rig::shipped("book").replace(combined, also_workers));
    rig.edit("roles: [control-plane, worker]", "roles: [control-plane]");
    let (_, events) = rig.done(Up::AGREED);
    let done = finished(&events);
    for controller in ["controller1", "controller2"] {
        assert!(done.contains(&format!("drain {controller}")), "{done:#?}");
    }
}

#[test]
fn a_floating_address_that_nobody_wants_is_announced_no_more() {
    let mut rig = serving(&rig::shipped("book"));
    let vip = "  lb:\n    address: 10.240.0.40\n    role: load-balancer\n";
    rig.edit(vip, "");
    rig.done(Up::AGREED);
    for node in ["lb1", "lb2"] {
        let calls = rig.calls_of(node).join("\n");
        assert!(calls.contains("keepalived.service"), "{calls}");
    }
}

/// Load balancers of their own come, and controllers cease to be some: while HAProxy is still on their
/// nodes, API servers do not want its address.
#[test]
fn load_balancers_move_to_nodes_of_their_own() {
    let mut rig = serving(&rig::shipped("bare-metal"));
    assert!(rig.text.contains(", load-balancer]"), "{}", rig.text);
    let fewer = rig.text.replacen(", load-balancer]", "]", 1);
    let front = "  front: {roles: [load-balancer], count: 2, first_address: 10.241.0.31}\n";
    rig.becomes(fewer.replace("nodes:\n", &format!("nodes:\n{front}")));
    let unit = |rig: &Rig| {
        rig.guests["metal1"].files()["/etc/systemd/system/kube-apiserver.service"].clone()
    };
    let before = unit(&rig);
    let (_, events) = rig.done(Up::AGREED);
    let done = finished(&events);
    assert!(before.contains("--bind-address=10.241.0.11") && unit(&rig) == before);
    let at = |task: &str| {
        done.iter()
            .position(|one| one.starts_with(task))
            .unwrap_or_else(|| panic!("{task}: {done:#?}"))
    };
    assert!(at("load-balancer front") < at("retire load-balancer"), "{done:#?}");
}

#[test]
fn the_api_is_at_the_port_of_the_topology_and_stays_there() {
    let mut rig =
        Rig::of(&rig::shipped("book").replace("kubernetes:\n", "kubernetes:\n  api_port: 8443\n"));
    assert!(rig.text.contains("8443"));
    rig.done(Up::PLAIN);
    for (node, guest) in &rig.guests {
        let files = guest.files();
        let wrong = files.iter().find(|(_, text)| text.contains(":6443") || text.contains("=6443"));
        assert_eq!(wrong, None, "{node}");
    }
    let has = |node: &str, path: &str, text: &str| {
        let files = rig.guests[node].files();
        assert!(files[path].contains(text), "{node} {path}: {}", files[path]);
    };
    has("controller1", "/etc/systemd/system/kube-apiserver.service", "--secure-port=8443");
    has("controller1", "/etc/kubernetes/admin.conf", ":8443\n");
    has("worker1", "/var/lib/kubelet/kubeconfig", ":8443\n");
    has("lb1", "/etc/haproxy/haproxy.cfg", ":8443 check");
    rig.is_as_wanted();
    rig.edit("api_port: 8443", "api_port: 9443");
    rig.clear();
    let message = rig.up(Up::AGREED).0.unwrap_err();
    assert!(message.contains("move the API from port 8443 to 9443"), "{message}");
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_cluster_does_not_become_one_of_another_flavour() {
    let mut rig = Rig::of(&(rig::shipped("single") + "kubernetes:\n  flavour: hard-way\n"));
    rig.done(Up::PLAIN);
    rig.edit("flavour: hard-way", "flavour: kubeadm");
    rig.clear();
    let message = rig.up(Up::AGREED).0.unwrap_err();
    let wanted = "set Kubernetes up by `kubeadm`: this lab's nodes have it by `hard-way`";
    assert!(message.contains(wanted), "{message}");
    assert_eq!(rig.calls(), 0);
}

#[test]
fn a_node_of_kubeadm_keeps_its_roles() {
    let mut rig = Rig::of(&rig::shipped("kubeadm"));
    rig.done(Up::PLAIN);
    rig.is_as_wanted();
    rig.edit("roles: [etcd, control-plane]", "roles: [etcd, control-plane, worker]");
    rig.clear();
    let message = rig.up(Up::AGREED).0.unwrap_err();
    let wanted = "give controller1 other roles: by `kubeadm` a node keeps them while it is there";
    assert!(message.contains(wanted), "{message}");
    assert_eq!(rig.calls(), 0);
}
