//! A lab that nobody touched until all its certificates had ended: real etcd and API servers, which trust nobody
//! any more, and the next `up`.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::{ETCDCTL, Rig, plain, text};
use lab::model::certificates::Certificates;
use lab::pki::Bundle;

/// A cluster that came up with leaves that end in so much time; `None` when they ended before it was up.
fn up_with_leaves_of(lifetime: Duration) -> Option<(Rig, Instant)> {
    let mut rig = Rig::of(&plain("ended", 2));
    let now = OffsetDateTime::now_utc();
    let made = now + lifetime - time::Duration::hours(Certificates::default().life_hours() as i64);
    let lab = rig.session().lab;
    rig.secrets.keys.ensure(&lab).unwrap();
    rig.secrets.bundle = Bundle::default();
    rig.secrets.bundle.ensure(&lab, made).unwrap();
    let end = Instant::now() + lifetime;
    rig.renews_nothing = true;
    let (outcome, _) = rig.attempt();
    rig.renews_nothing = false;
    let is_up = matches!(outcome, Ok(lab::engine::Outcome::Done(_)));
    (is_up && Instant::now() < end).then_some((rig, end))
}

fn is_healthy(rig: &Rig, node: &str) -> bool {
    let ask = format!("timeout 20 sh -c \"{ETCDCTL} endpoint health\"");
    rig.spaces.get(node).shell(&ask).status.success()
}

fn answers(rig: &Rig, node: &str) -> bool {
    let ask =
        "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s get --raw=/readyz";
    rig.spaces.get(node).shell(ask).status.success()
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_lab_whose_certificates_have_ended_comes_up_again() {
    // On a computer that is busy, the first of them may be over before it is up.
    let (mut rig, end) =
        [45, 120, 360].into_iter().find_map(|s| up_with_leaves_of(Duration::from_secs(s))).unwrap();
    rig.say("up, with leaves that end soon");
    let admin = "kubectl --kubeconfig=/etc/kubernetes/admin.conf";
    let kept = rig
        .spaces
        .get("controller1")
        .shell(&format!("{admin} create configmap kept --from-literal=a=b"));
    assert!(kept.status.success(), "{}", text(&kept.stderr));
    std::thread::sleep(end.saturating_duration_since(Instant::now()) + Duration::from_secs(2));
    // Who is connected stays so; after a reboot nobody is.
    for node in ["etcd1", "etcd2", "etcd3"] {
        rig.spaces.get(node).signal("KILL", "etcd");
    }
    for node in ["etcd1", "etcd2", "etcd3"] {
        assert!(!is_healthy(&rig, node), "{node} trusts what has ended");
    }
    assert!(!answers(&rig, "controller1"));
    rig.say("the certificates have ended: nobody trusts anybody");
    let done = rig.up();
    rig.say(&format!("up again: {done:?}"));
    for node in ["etcd1", "etcd2", "etcd3"] {
        assert!(is_healthy(&rig, node), "{node}");
    }
    for node in ["controller1", "controller2"] {
        assert!(answers(&rig, node), "{node}");
        let kept = rig.spaces.get(node).shell(&format!("{admin} get configmap kept"));
        assert!(kept.status.success(), "{node}: {}", text(&kept.stderr));
    }
}
