//! Every shipped fault on machines: broken, the checks that it names fail, and no others of the nodes; solved, all
//! hold again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::engine::lesson::{Classroom, Rehearsed, judge_with, rehearse};
use lab::engine::{CheckResult, Events, Session, Stop};
use lab::kubernetes::stage::Stage;
use lab::model::lesson::{Asked, Breakage, Dealt, Lesson, deal, fault, faults};

use crate::cluster::{Cluster, MAIN};
use crate::on_cluster;

/// Faults that do not hide each other, and where: they are there at the same time, and put right in this order.
const TOGETHER: &[&[(&str, &str)]] = &[
    &[
        ("kubelet-client-authority", "worker1"),
        ("kubelet-api-port", "worker2"),
        ("names", "worker2"),
        ("scheduler-kubeconfig", MAIN),
        ("quota", MAIN),
        ("dns-selector", MAIN),
    ],
    &[
        ("balancer-port", MAIN),
        ("runtime-network-folder", "worker1"),
        ("pod-network-file", "worker2"),
        ("controller-manager-port", MAIN),
        ("scheduler-stopped", MAIN),
        ("webhook", MAIN),
        ("pod-routes", "worker1"),
    ],
    &[
        ("floating-address", MAIN),
        ("cordoned", MAIN),
        ("dns-scaled", MAIN),
        ("proxy-stopped", "worker1"),
        ("proxy-kubeconfig", "worker2"),
    ],
    &[("proxy-address", "worker2"), ("kubelet-rights", MAIN)],
    &[("api-kubelet-authority", MAIN)],
    &[("api-certificate", MAIN)],
    &[("api-etcd-port", MAIN)],
    &[("api-flag", MAIN)],
    &[("etcd-stopped", MAIN)],
    &[("etcd-authority", MAIN)],
];

/// Faults that are seen as others are, and as late: tried in `make test-full` alone.
const LIKE_OTHERS: &[(&str, &str)] = &[
    ("kubelet-stopped", "worker1"),
    ("kubelet-program", "worker2"),
    ("kubelet-runtime-socket", "worker1"),
    ("runtime-stopped", "worker2"),
];

/// The faults whose machine is started anew while they are there.
const RESTARTED: &str = "worker1";

/// What also fails where no other load balancer takes over.
const WITHOUT_ANOTHER: &[&str] = &["api-at-vip", "api-endpoint", "vip-holder"];

/// Stages whose checks ask for what all of them make together.
const OF_ALL: &[&str] = &["verify", "addons", "nodes"];

/// Layers whose faults take others along: without the API nobody is well.
const BELOW_ALL: &[&str] = &["etcd", "control-plane"];

/// A fault as the only step of a lesson.
fn dealt(session: &Session, name: &str, on: &str) -> Dealt {
    let (fault, on) = (Some(name.to_owned()), Some(on.to_owned()));
    let broken = Breakage { fault, on, ..Breakage::default() };
    deal(&Lesson::of_breakage(broken), 0, &session.lab, 7).unwrap()
}

/// Names of the checks of nodes and their stages that fail.
fn failing(cluster: &Cluster, room: &Classroom<'_>) -> BTreeSet<String> {
    let stages = room.session.flavour().stages.iter();
    let is_there = |stage: &&Stage| !(stage.nodes)(&room.session.lab).is_empty();
    let stages = stages.filter(is_there).filter(|stage| !OF_ALL.contains(&stage.name));
    let asked: Vec<Asked> = stages.map(|stage| Asked::Stage(stage.name.into())).collect();
    let judged = judge_with(room.session, &room.reach, &asked, room.stop, &|_| {});
    let results = cluster.inside(judged).unwrap().into_iter();
    results.filter(|result| !result.holds()).map(|result| result.name).collect()
}

/// The answers to a question about a fault: those of the node that it is on, where it is asked there.
fn answers<'r>(one: &Asked, node: &str, all: &'r [CheckResult]) -> Vec<&'r CheckResult> {
    let is_meant = |result: &&CheckResult| match one {
        Asked::Check(name) if name == "unit-active" => result.name == *name && result.node == node,
        Asked::Check(name) => result.name == *name,
        Asked::Script(_, says) => result.proves == *says,
        Asked::Stage(_) => true,
    };
    all.iter().filter(is_meant).collect()
}

/// Asks until everything that faults ask is answered as it should be.
fn until(cluster: &Cluster, room: &Classroom<'_>, all: &[Dealt], wanted: bool) {
    let late = Instant::now() + Duration::from_secs(150);
    let asked: Vec<Asked> = all.iter().flat_map(|one| one.verify.clone()).collect();
    loop {
        let judged = judge_with(room.session, &room.reach, &asked, room.stop, &|_| {});
        let results = cluster.inside(judged).unwrap();
        let mut other = Vec::new();
        for dealt in all {
            let node = &dealt.broken.as_ref().unwrap().node;
            for one in &dealt.verify {
                let answers = answers(one, node, &results);
                assert!(!answers.is_empty(), "{one:?}: nobody is asked");
                if answers.into_iter().all(CheckResult::holds) != wanted {
                    other.push((dealt.fault.unwrap().name.as_str(), one));
                }
            }
        }
        if other.is_empty() {
            return;
        }
        assert!(Instant::now() < late, "not {wanted}: {other:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn everything() -> Vec<(&'static str, &'static str)> {
    TOGETHER.concat().into_iter().chain(LIKE_OTHERS.iter().copied()).collect()
}

fn in_a_room<T>(cluster: &Cluster, work: impl FnOnce(&Session, &Classroom<'_>) -> T) -> T {
    let session = cluster.session();
    let (events, _receiver) = Events::channel();
    let stop = Stop::default();
    let room = Classroom {
        session: &session,
        prepared: cluster.prepared(&session),
        reach: cluster.reach(&session),
        stop: &stop,
        events: &events,
    };
    work(&session, &room)
}

fn are_as_told(cluster: &mut Cluster, all: &[(&str, &str)]) {
    let session = cluster.session();
    let dealt: Vec<Dealt> = all.iter().map(|(name, on)| dealt(&session, name, on)).collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    in_a_room(cluster, |_, room| {
        for one in &dealt {
            cluster.inside(room.run(one.broken.as_ref().unwrap())).unwrap();
        }
    });
    if names == TOGETHER[0].iter().map(|(name, _)| *name).collect::<Vec<_>>() {
        cluster.cut(RESTARTED);
        cluster.start(RESTARTED);
    }
    in_a_room(cluster, |_, room| {
        until(cluster, room, &dealt, false);
        cluster.say(&format!("noticed: {}", names.join(", ")));
        let all: Vec<_> = names.iter().map(|name| fault(name).unwrap()).collect();
        let named: BTreeSet<String> = all.iter().flat_map(|fault| fault.fails.clone()).collect();
        if !all.iter().any(|fault| BELOW_ALL.contains(&&*fault.layer) && names.len() == 1) {
            let mut more: Vec<String> =
                failing(cluster, room).difference(&named).cloned().collect();
            more.retain(|name| !WITHOUT_ANOTHER.contains(&name.as_str()));
            assert!(more.is_empty(), "{names:?}: {more:?} fail, too");
        }
        for one in &dealt {
            assert!(cluster.inside(room.solve(&one.solve)).unwrap());
        }
        cluster.say("solved");
        until(cluster, room, &dealt, true);
    });
    cluster.say("put right");
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn whatever_is_broken_is_noticed_and_put_right() {
    let mut tried: Vec<&str> = everything().iter().map(|(name, _)| *name).collect();
    tried.sort_unstable();
    let all: Vec<&str> = faults().iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(tried, all, "faults that nobody tries");
    on_cluster(|cluster| {
        TOGETHER.iter().for_each(|all| are_as_told(cluster, all));
        in_a_room(cluster, |_, room| {
            // An API server that was away hears of everything a little later.
            let late = Instant::now() + Duration::from_secs(60);
            while !failing(cluster, room).is_empty() && Instant::now() < late {
                std::thread::sleep(Duration::from_millis(500));
            }
            assert_eq!(failing(cluster, room), BTreeSet::new());
        });
        cluster.up_unchanged();
    });
}

/// Each fault alone, by what `lab lesson test` does.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test-full` runs it"]
fn full_every_fault_is_rehearsed() {
    on_cluster(|cluster| {
        for (name, on) in everything() {
            let made = in_a_room(cluster, |session, room| {
                cluster
                    .inside(rehearse(room, &dealt(session, name, on), Duration::from_secs(150)))
                    .unwrap()
            });
            let Rehearsed::Well(failed, took) = made else { panic!("{name}: {made:?}") };
            cluster.say(&format!("{name}: {} s; failed: {}", took.as_secs(), failed.join("; ")));
        }
        cluster.up_unchanged();
    });
}
