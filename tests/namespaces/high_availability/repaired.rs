//! Etcd whose majority is lost for good, and etcd as it was: real members, and an API server that goes on.

use std::future::Future;

use lab::engine::Events;
use lab::engine::repair::{self, Cure};

use super::{ETCDCTL, PATIENCE, Rig, plain, text};

pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

fn kubectl(rig: &Rig, arguments: &str) -> bool {
    let command = format!(
        "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=20s {arguments}"
    );
    let start = std::time::Instant::now();
    loop {
        let done = rig.spaces.get("controller1").shell(&command);
        let said = text(&done.stderr);
        // Who says that it is not there was heard.
        if done.status.success() || said.contains("NotFound") {
            return done.status.success();
        }
        assert!(start.elapsed() < PATIENCE, "{command}: {said}");
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}

fn cure(rig: &Rig) -> Cure {
    let (session, reach) = (rig.session(), rig.reach());
    let survey = run(repair::survey(&session, &reach)).unwrap();
    survey.cure(&session).unwrap()
}

/// Three members, all of which vote.
fn is_whole(rig: &Rig) {
    let node = rig.spaces.get("etcd1");
    let list = text(&node.shell(&format!("{ETCDCTL} member list")).stdout);
    let votes = list.lines().filter(|line| line.contains(", started, ") && line.ends_with("false"));
    assert_eq!(votes.count(), 3, "{list}");
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn etcd_is_repaired_and_brought_back() {
    let mut rig = Rig::of(&plain("repaired", 1));
    rig.up();
    rig.say("up");
    assert_eq!(cure(&rig), Cure::Nothing);
    assert!(kubectl(&rig, "create configmap early --from-literal=a=b"));
    let saved = run(repair::save(&rig.session(), &rig.reach())).unwrap();
    assert!(kubectl(&rig, "create configmap late --from-literal=a=b"));
    rig.say(&format!("all that etcd knows: {} bytes", saved.len()));

    for node in ["etcd2", "etcd3"] {
        rig.spaces.get(node).shell("systemctl stop etcd; rm -rf /var/lib/etcd/member");
    }
    let found = cure(&rig);
    assert_eq!(found, Cure::Alone("etcd1".into()));
    let (events, _reader) = Events::channel();
    run(repair::repair(&rig.session(), &rig.reach(), &found, &events)).unwrap();
    rig.say("one member is the cluster");
    assert!(kubectl(&rig, "get configmap early") && kubectl(&rig, "get configmap late"));
    rig.up();
    is_whole(&rig);
    assert_eq!(cure(&rig), Cure::Nothing);
    assert!(kubectl(&rig, "get configmap early") && kubectl(&rig, "get configmap late"));
    rig.say("two members of three were lost; nothing else was");

    run(repair::load(&rig.session(), &rig.reach(), &saved, &events)).unwrap();
    rig.up();
    is_whole(&rig);
    assert!(kubectl(&rig, "get configmap early") && !kubectl(&rig, "get configmap late"));
    assert!(kubectl(&rig, "create configmap later --from-literal=a=b"));
    rig.say("etcd knows what was saved");
}
