//! What people do to a cluster that serves, under a writer that loses nothing: files changed by hand,
//! certificates renewed, nodes more and fewer, members of etcd killed.

use std::time::{Duration, Instant};

use lab::engine::{Events, Outcome, rotate};
use lab::pki::{Identity, Issuer, Phase, Root};

use super::repaired::run;
use super::{API, ETCDCTL, FRONT, PATIENCE, Rig, TOPOLOGY, text};

/// A rerun finds everything as it was left; then somebody edits a file, opens another, stops a service.
pub fn what_was_changed_by_hand_is_put_right(rig: &mut Rig) {
    let (outcome, _) = rig.attempt();
    assert!(matches!(outcome, Ok(Outcome::Unchanged)), "{outcome:?}");
    for (node, deed) in [
        ("lb1", "sed -i 's/maxconn/# maxconn/; $ a # by hand' /etc/haproxy/haproxy.cfg"),
        ("controller2", "chmod 644 /etc/kubernetes/admin.conf"),
        ("etcd3", "systemctl stop etcd"),
    ] {
        let done = rig.spaces.get(node).shell(deed);
        assert!(done.status.success(), "{node}: {}", text(&done.stderr));
    }
    let (outcome, done) = rig.attempt();
    let Ok(Outcome::Done(changes)) = outcome else { panic!("{outcome:?}") };
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let wanted = [
        "> run stage etcd on etcd3  (changed by hand: etcd.service is inactive)",
        "> run stage control-plane on controller2  (changed by hand: /etc/kubernetes/admin.conf is 644 root:root instead of 600 root:root)",
        "> run stage load-balancer on lb1  (changed by hand: /etc/haproxy/haproxy.cfg was changed)",
    ];
    assert_eq!(shown, wanted);
    let (outcome, _) = rig.attempt();
    assert!(matches!(outcome, Ok(Outcome::Unchanged)), "{outcome:?}");
    rig.say(&format!("what was changed by hand is put right: {done:?}"));
}

/// The serial number of the certificate that clients see.
fn served(rig: &Rig) -> String {
    let ask = format!(
        "openssl s_client -connect {FRONT}:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    text(&rig.spaces.client(&ask).stdout)
}

/// All leaves are made anew, under a writer who does not notice.
pub fn certificates_are_renewed(rig: &mut Rig) {
    let (before, writer) = (served(rig), rig.writer());
    let lab = rig.session().lab;
    let marked = rig.secrets.bundle.renew(&lab, &[]).unwrap().len();
    let start = Instant::now();
    let done = rig.up();
    let took = start.elapsed().as_secs_f64();
    let (written, pause) = rig.nothing_lost(writer);
    let after = served(rig);
    assert!(before.starts_with("serial=") && after.starts_with("serial=") && before != after);
    rig.say(&format!(
        "{marked} certificates renewed, {written} writes meanwhile, longest pause {pause} s: {done:?}"
    ));
    // However busy the computer is: between the first restart and the last one the API was there.
    assert!(pause < took, "the API was away for {pause} s of {took} s");
}

/// All that nodes trust, and so all leaves, are made anew, under a writer who does not notice.
pub fn everything_is_rotated(rig: &mut Rig) {
    let (before, writer) = (served(rig), rig.writer());
    let authority = rig.secrets.bundle.authority(Issuer::Kubernetes).unwrap().pair.certificate;
    let old = rig.secrets.bundle.pair(Identity::Admin).unwrap().clone();
    let start = Instant::now();
    for phase in [Phase::Trusted, Phase::Signing, Phase::Ending] {
        for root in Root::ALL {
            rig.secrets.bundle.advance(root, time::OffsetDateTime::now_utc()).unwrap();
            assert_eq!(rig.secrets.bundle.standing(root).phase, Some(phase));
        }
        let done = rig.up();
        // Secrets that nobody can read keep an API server from being ready. Tokens need kubelets, which are not here.
        let (session, reach) = (rig.session(), rig.reach());
        let settled = run(async {
            let (events, _reader) = Events::channel();
            rotate::settle(&session, &reach, Root::EncryptionKey, &events).await
        });
        settled.unwrap_or_else(|error| panic!("{error:?}"));
        // What people have is brought to them in between.
        rig.credentials();
        rig.say(&format!("{}: {done:?}", phase.told()));
    }
    let took = start.elapsed().as_secs_f64();
    let (written, pause) = rig.nothing_lost(writer);
    let after = served(rig);
    assert!(before.starts_with("serial=") && after.starts_with("serial=") && before != after);
    assert!(!rig.secrets.bundle.ca(Issuer::Kubernetes).unwrap().contains(authority.trim_end()));
    let file = |name: &str, text: &str| {
        let path = rig.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (file("old.crt", &old.certificate), file("old.key", &old.key));
    let asked = rig.spaces.client(&format!(
        "curl -s -o /dev/null -w '%{{http_code}}' --max-time 20 --cacert {}/ca.crt --cert {certificate} --key {key} \
         https://{FRONT}:6443/api",
        rig.home.path().display()
    ));
    assert_eq!(text(&asked.stdout), "401", "the old administrator is let in");
    rig.say(&format!("all is rotated, {written} writes meanwhile, longest pause {pause} s"));
    // However busy the computer is: between the first restart and the last one the API was there.
    assert!(pause < took / 3.0, "the API was away for {pause} s of {took} s");
}

pub fn it_grows_and_shrinks(rig: &mut Rig) {
    let writer = rig.writer();
    // Two members, a controller and a load balancer more.
    rig.text = TOPOLOGY
        .replace("  etcd:\n    count: 3", "  etcd:\n    count: 5")
        .replace(
            "    count: 2\n    first_address: 10.250.0.21",
            "    count: 3\n    first_address: 10.250.0.21",
        )
        .replace(
            "    count: 2\n    first_address: 10.250.0.41",
            "    count: 3\n    first_address: 10.250.0.41",
        );
    let done = rig.up();
    rig.say(&format!("grown: {done:?}"));
    let members = rig.members();
    assert_eq!(
        members
            .lines()
            .filter(|line| line.ends_with("started, etcd5") || line.contains(", started, "))
            .count(),
        5,
        "{members}"
    );
    assert!(!members.contains(", true"), "a learner stayed one: {members}");
    let unit =
        rig.spaces.get("controller1").shell("cat /etc/systemd/system/kube-apiserver.service");
    assert!(String::from_utf8_lossy(&unit.stdout).contains("https://10.250.0.15:2379"));
    rig.only_holder(FRONT);

    rig.text = TOPOLOGY.into();
    let done = rig.up();
    rig.say(&format!("shrunk: {done:?}"));
    for gone in ["etcd4", "etcd5", "controller3", "lb3"] {
        rig.spaces.remove(gone);
    }
    let members = rig.members();
    assert_eq!(members.lines().count(), 3, "{members}");
    let (writes, gap) = rig.nothing_lost(writer);
    rig.say(&format!(
        "growing and shrinking: {writes} writes acknowledged, none lost, longest pause {gap:.1} s"
    ));
    for address in [API, FRONT] {
        rig.only_holder(address);
        rig.seconds_to_answer(address);
    }
}

pub fn etcd_loses_nothing(rig: &Rig) {
    let writer = rig.writer();
    let kills = super::addresses::rounds().clamp(8, 20);
    for kill in 0..kills {
        let member = rig.spaces.get(&format!("etcd{}", kill % 3 + 1));
        member.signal("KILL", "etcd");
        let deadline = Instant::now() + PATIENCE;
        while !member.shell(&format!("{ETCDCTL} endpoint health")).status.success() {
            assert!(Instant::now() < deadline, "a killed member does not come back");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let (writes, gap) = rig.nothing_lost(writer);
    rig.say(&format!("{kills} kills of etcd members: {writes} writes acknowledged, none lost, longest pause {gap:.1} s"));
    assert!(writes > 20, "only {writes} writes");
}
