//! High availability with the real parts in namespaces: floating addresses move and have one holder,
//! an API server that hangs is left out, etcd loses nothing that it acknowledged, and the cluster
//! grows and shrinks under its clients.
//!
//! `make test` runs these; they need root and the Kubernetes binaries.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "rig/namespaces.rs"]
mod namespaces;
#[path = "rig/mod.rs"]
mod rig;

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::drivers::guest::Guest;
use lab::drivers::provider::memory::MemoryHypervisor;
use lab::engine::{
    Drivers, EngineError, Event, Events, Outcome, Reach, Session, Stop, UpOptions, up_with,
};
use lab::kubernetes::checks::Check;
use lab::kubernetes::{DEFAULT, recovery};
use lab::model::platform::Acceleration;
use lab::model::{Node, Version};
use lab::pki::{Bundle, Identity, Issuer, SshKeys};
use namespaces::Namespaces;

const TOPOLOGY: &str = "name: ha
network:
  cidr: 10.250.0.0/24
nodes:
  etcd:
    count: 3
    first_address: 10.250.0.11
  controller:
    roles: [control-plane]
    count: 2
    first_address: 10.250.0.21
  worker:
    count: 1
    first_address: 10.250.0.31
  lb:
    roles: [load-balancer]
    count: 2
    first_address: 10.250.0.41
vips:
  api: {address: 10.250.0.20, role: control-plane}
  front: {address: 10.250.0.40, role: load-balancer}
";

const API: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 20);
const FRONT: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 40);

struct Rig {
    home: tempfile::TempDir,
    spaces: Namespaces,
    hypervisor: Arc<MemoryHypervisor>,
    text: String,
    bundle: Bundle,
    keys: SshKeys,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        let home = tempfile::Builder::new().prefix("lab-ha").tempdir_in("/tmp").unwrap();
        let session = rig::session(TOPOLOGY, home.path());
        let spaces = Namespaces::new(&session.lab, &home.path().join("nodes"));
        let rig = Self {
            spaces,
            hypervisor: Arc::default(),
            text: TOPOLOGY.into(),
            bundle: Bundle::default(),
            keys: SshKeys::default(),
            start: Instant::now(),
            home,
        };
        rig.say("nodes are there");
        rig
    }

    fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }

    fn session(&self) -> Session {
        rig::session(&self.text, self.home.path())
    }

    /// The real engine, on the real stages that need no kubelet; what it did.
    fn up(&mut self) -> Vec<String> {
        let (outcome, done) = self.attempt();
        assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}\n{done:?}");
        done
    }

    fn attempt(&mut self) -> (Result<Outcome, EngineError>, Vec<String>) {
        let session = Arc::new(self.session());
        session.store.create().unwrap();
        self.spaces.add(&session.lab);
        self.bundle.ensure(&session.lab, time::OffsetDateTime::now_utc()).unwrap();
        self.keys.ensure(&session.lab).unwrap();
        let mut prepared = rig::prepared_for_real(&session);
        prepared.platform.acceleration = Acceleration::Kvm;
        prepared.platform.version = Version::parse("1.20.2").unwrap();
        prepared.super_admin =
            lab::pki::super_admin(&self.bundle, time::OffsetDateTime::now_utc()).unwrap();
        prepared.bundle = self.bundle.clone();
        prepared.keys = self.keys.clone();
        if let Some(record) = session.store.record().unwrap().filter(|r| !r.etcd.is_empty()) {
            prepared.etcd_founders = record.etcd;
        }
        let nodes: std::collections::BTreeMap<String, Arc<dyn Guest>> = self
            .spaces
            .names()
            .into_iter()
            .map(|name| (name.clone(), self.spaces.get(&name) as Arc<dyn Guest>))
            .collect();
        let reach: Reach = Arc::new(move |node: &Node| Arc::clone(&nodes[&node.name]));
        let drivers = Drivers { hypervisor: self.hypervisor.clone(), reach };
        let stages = ["etcd", "control-plane", "load-balancer"];
        let options = UpOptions {
            stages: Some(stages.iter().map(|name| DEFAULT.stage(name).unwrap()).collect()),
            yes: true,
            ..UpOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (events, mut receiver) = Events::channel();
            let outcome =
                up_with(session, prepared, drivers, options, Stop::default(), events).await;
            let mut done = Vec::new();
            while let Some(event) = receiver.recv().await {
                match event {
                    Event::Finished { node, task, seconds } => {
                        done.push(format!("{} {task} {seconds:.1}", node.unwrap_or_default()));
                    }
                    Event::Failed(failure) => eprintln!("{failure:?}"),
                    _ => {}
                }
            }
            (outcome, done)
        })
    }

    /// Files of the administrator for clients on the lab's network.
    fn credentials(&self) -> String {
        let file = |name: &str, text: &str| {
            let path = self.home.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let admin = self.bundle.pair(Identity::Admin).unwrap();
        format!(
            "--cacert {} --cert {} --key {}",
            file("ca.crt", self.bundle.ca(Issuer::Kubernetes).unwrap()),
            file("admin.crt", &admin.certificate),
            file("admin.key", &admin.key)
        )
    }

    /// Seconds until the API answers at an address, asked every few milliseconds.
    fn seconds_to_answer(&self, address: Ipv4Addr, limit: f64) -> f64 {
        let start = Instant::now();
        let ask = format!(
            "curl -fs -o /dev/null --connect-timeout 0.3 --max-time 2 {} https://{address}:6443/readyz",
            self.credentials()
        );
        while !self.spaces.client(&ask).status.success() {
            let passed = start.elapsed().as_secs_f64();
            assert!(passed < limit, "the API did not answer at {address} for {passed:.0} s");
            std::thread::sleep(Duration::from_millis(20));
        }
        start.elapsed().as_secs_f64()
    }

    /// Waits until exactly one node has the address; who it is.
    fn only_holder(&self, address: Ipv4Addr, limit: u64) -> String {
        let deadline = Instant::now() + Duration::from_secs(limit);
        loop {
            let holders = self.spaces.holders(address);
            if let [only] = holders.as_slice() {
                return only.clone();
            }
            assert!(Instant::now() < deadline, "{address} is held by {holders:?} after {limit} s");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn writer(&self) -> Writer {
        let log = self.home.path().join("acknowledged");
        let gaps = self.home.path().join("gaps");
        fs::write(&log, "").unwrap();
        let script = format!(
            "last=$(date +%s%N)
             while :; do
               n=$(date +%s%N)
               if curl -fs -o /dev/null --connect-timeout 1 --max-time 5 {} -H 'Content-Type: application/json' \
                 -d \"{{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":\\\"ConfigMap\\\",\\\"metadata\\\":{{\\\"name\\\":\\\"w$n\\\"}}}}\" \
                 https://{FRONT}:6443/api/v1/namespaces/default/configmaps; then
                 echo w$n >> {}; now=$(date +%s%N); echo $(((now - last) / 1000000)) >> {}; last=$now
               else sleep 0.05; fi
             done",
            self.credentials(),
            log.display(),
            gaps.display(),
        );
        let _ = fs::remove_file(&gaps);
        let child = self.spaces.client_command(&script).spawn().unwrap();
        Writer { child, log, gaps }
    }

    /// Every acknowledged write must be there; how many there were, and the longest pause, seconds.
    fn nothing_lost(&self, writer: Writer) -> (usize, f64) {
        let (log, gaps) = writer.stop();
        let acknowledged: BTreeSet<String> =
            fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect();
        let list = self.spaces.client(&format!(
            "curl -fsS --max-time 20 {} https://{FRONT}:6443/api/v1/namespaces/default/configmaps",
            self.credentials()
        ));
        let list: serde_json::Value = serde_json::from_slice(&list.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&list.stderr)));
        let found: BTreeSet<String> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{} acknowledged writes are lost: {lost:?}", lost.len());
        let gaps = fs::read_to_string(gaps).unwrap();
        let longest = gaps.lines().filter_map(|line| line.parse::<f64>().ok()).fold(0.0, f64::max);
        (acknowledged.len(), longest / 1000.0)
    }

    fn members(&self) -> String {
        let node = self.spaces.get("etcd1");
        let found = node.shell(&format!("{ETCDCTL} member list"));
        String::from_utf8_lossy(&found.stdout).into_owned()
    }
}

const ETCDCTL: &str = "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/pki/ca.crt \
--cert=/etc/etcd/pki/healthcheck-client.crt --key=/etc/etcd/pki/healthcheck-client.key";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Writer {
    child: Child,
    log: std::path::PathBuf,
    gaps: std::path::PathBuf,
}

impl Writer {
    fn stop(mut self) -> (std::path::PathBuf, std::path::PathBuf) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        (self.log.clone(), self.gaps.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_api_survives_whatever_happens_to_a_node() {
    let mut rig = Rig::new();
    let done = rig.up();
    rig.say(&format!("the cluster is up: {done:?}"));
    for address in [API, FRONT] {
        rig.only_holder(address, 15);
        rig.seconds_to_answer(address, 15.0);
    }
    what_was_changed_by_hand_is_put_right(&mut rig);
    what_a_restore_asks_is_answered(&rig);
    the_dns_add_on_is_taken_by_the_api(&rig);
    a_controller_that_binds_second_goes_on(&rig);
    a_hanging_api_server_is_left_out(&rig);
    it_grows_and_shrinks(&mut rig);
    certificates_are_renewed(&mut rig);
    etcd_loses_nothing(&rig);
    floating_addresses_move(&rig);
}

/// A rerun finds everything as it was left; then somebody edits a file, opens another, stops a service.
fn what_was_changed_by_hand_is_put_right(rig: &mut Rig) {
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

/// All leaves are made anew, under a writer who does not notice.
fn certificates_are_renewed(rig: &mut Rig) {
    let served = |rig: &Rig| {
        let ask = format!(
            "openssl s_client -connect {FRONT}:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
        );
        text(&rig.spaces.client(&ask).stdout)
    };
    let (before, writer) = (served(rig), rig.writer());
    let lab = rig.session().lab;
    let marked = rig.bundle.renew(&lab, &[]).unwrap().len();
    let done = rig.up();
    let (written, pause) = rig.nothing_lost(writer);
    let after = served(rig);
    assert!(before.starts_with("serial=") && after.starts_with("serial=") && before != after);
    rig.say(&format!(
        "{marked} certificates renewed, {written} writes meanwhile, longest pause {pause} s: {done:?}"
    ));
    assert!(pause < 15.0, "the API was away for {pause} s");
}

/// The questions that end a restore, put to several members, controllers and load balancers; and a
/// member that does not answer is noticed.
fn what_a_restore_asks_is_answered(rig: &Rig) {
    let session = rig.session();
    let checks = recovery::checks(&session.lab, &|stage| stage != "worker", &[]);
    let names: std::collections::BTreeSet<&str> = checks.iter().map(|check| check.name).collect();
    let wanted = ["api-at-vip", "api-ready", "balancer-health", "etcd-hashes", "vip-holder"];
    assert!(names.iter().copied().eq(wanted), "{names:?}");
    let ask = |check: &Check, node: &str| {
        let script = format!("set -eu\nLAB_NOW=0\nLAB_SINCE=0\nLAB_RUN=0\n{}", check.script);
        let answer = rig.spaces.get(node).shell(&script);
        (answer.status.success(), text(&answer.stdout) + &text(&answer.stderr))
    };
    for check in &checks {
        let answers: Vec<_> = check.nodes.iter().map(|node| ask(check, node)).collect();
        let good = answers.iter().filter(|(good, _)| *good).count();
        assert_eq!(good, 1, "{}: {answers:?}", check.name);
    }
    let hashes = checks.iter().find(|check| check.name == "etcd-hashes").unwrap();
    let (_, said) = ask(hashes, &hashes.nodes[0]);
    assert!(said.contains("equal at revision"), "{said}");
    let last = session.lab.with_role(lab::model::Role::Etcd).last().unwrap();
    rig.spaces.get(&last.name).signal("STOP", "etcd");
    // As asked, but with less patience.
    let script = hashes.script.replace("--max-time 20", "--max-time 2").replace("1 2 3 4 5", "1");
    let (good, said) = ask(&Check { script, ..hashes.clone() }, &hashes.nodes[0]);
    rig.spaces.get(&last.name).signal("CONT", "etcd");
    assert!(!good, "{} did not answer: {said}", last.name);
    rig.say("what a restore asks is answered");
}

/// No kubelet is here to run it: what is proven is that every document of the manifest is valid.
fn the_dns_add_on_is_taken_by_the_api(rig: &Rig) {
    let session = rig.session();
    let prepared = rig::prepared_for_real(&session);
    let controller = session.lab.node("controller1").unwrap();
    let steps = prepared.steps(&session, DEFAULT.stage("addons").unwrap(), controller).unwrap();
    let manifest = steps
        .iter()
        .find_map(|step| match step {
            lab::kubernetes::Step::File(file) if file.path.ends_with("coredns.yaml") => Some(file),
            _ => None,
        })
        .unwrap();
    let node = rig.spaces.get("controller1");
    let kubectl = "kubectl --kubeconfig=/etc/kubernetes/admin.conf -n kube-system";
    let applied = node.shell(&format!("{kubectl} apply -f - <<'END'\n{}\nEND", manifest.content));
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    assert_eq!(text(&applied.stdout).lines().count(), 6, "{}", text(&applied.stdout));
    let seen = node.shell(&format!(
        "{kubectl} get service kube-dns -o 'jsonpath={{.spec.clusterIP}} '; \
         {kubectl} get configmap coredns -o 'jsonpath={{.data.Corefile}}'"
    ));
    let seen = text(&seen.stdout);
    assert!(
        seen.starts_with("10.32.0.10 ") && seen.contains("kubernetes cluster.local in-addr.arpa"),
        "{seen}"
    );
}

/// Controllers come up together, and each binds the lab's groups: who asks whether a binding is there
/// and finds that another has made it meanwhile must not fail. `kubectl create` of what is there
/// fails with the very words that `kubectl apply` has for it then.
fn a_controller_that_binds_second_goes_on(rig: &Rig) {
    let session = rig.session();
    let prepared = rig::prepared_for_real(&session);
    let controller = session.lab.node("controller2").unwrap();
    let steps =
        prepared.steps(&session, DEFAULT.stage("control-plane").unwrap(), controller).unwrap();
    let script = steps.into_iter().find_map(|step| match step {
        lab::kubernetes::Step::Run { script, .. } if script.contains("bindings.yaml") => {
            Some(script)
        }
        _ => None,
    });
    // The super-admin's credential is gone by now; the administrator may do the same.
    let script = script.unwrap().replace("/run/lab/super-admin.conf", "/etc/kubernetes/admin.conf");
    let late = "kubectl() {
                    if test -e /run/lab/late; then command kubectl \"$@\"; return; fi
                    touch /run/lab/late
                    config=$1; shift 2; command kubectl \"$config\" create \"$@\"
                }";
    let node = rig.spaces.get("controller2");
    let answer = node.shell(&format!("set -eu\n{late}\n{script}"));
    let said = text(&answer.stderr);
    assert!(said.contains("already exists"), "nobody was late: {said}");
    assert!(answer.status.success(), "{said}");
    rig.say("a controller that binds second goes on");
}

/// A stopped process keeps its port open and answers nobody.
fn a_hanging_api_server_is_left_out(rig: &Rig) {
    let holder = rig.only_holder(API, 10);
    let node = rig.spaces.get(&holder);
    node.signal("STOP", "kube-apiserver");
    let start = Instant::now();
    let moved = loop {
        if rig.only_holder(API, 15) != holder {
            break start.elapsed().as_secs_f64();
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{holder} keeps {API} with a hung API");
        std::thread::sleep(Duration::from_millis(50));
    };
    // HAProxy's own word, and then every question through it is answered.
    let down = loop {
        let stat = rig.spaces.get("lb1").shell(
            "python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect(\"/run/haproxy/admin.sock\"); \
             s.sendall(b\"show stat\\n\"); print(s.makefile().read())'",
        );
        let stat = String::from_utf8_lossy(&stat.stdout).into_owned();
        assert!(stat.contains("api,controller1"), "{stat}");
        let line = stat.lines().find(|line| line.starts_with(&format!("api,{holder},"))).unwrap();
        if line.contains(",DOWN,") {
            break start.elapsed().as_secs_f64();
        }
        assert!(start.elapsed() < Duration::from_secs(12), "{line}");
        std::thread::sleep(Duration::from_millis(50));
    };
    for _ in 0..20 {
        assert!(rig.seconds_to_answer(FRONT, 5.0) < 2.0, "a hung API server still gets questions");
    }
    node.signal("CONT", "kube-apiserver");
    rig.say(&format!(
        "a hung API server: {API} moved after {moved:.1} s, HAProxy left it out after {down:.1} s"
    ));
    rig.seconds_to_answer(API, 15.0);
}

/// What a round does to the node that has the address.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// Its service manager starts keepalived again.
    Kill,
    /// Its watchdog ends keepalived; until then both nodes have the address.
    Freeze,
    /// Thawed before the watchdog speaks: two masters must agree.
    FreezeAndThaw,
    /// What keepalived watches hangs: HAProxy, or the API server.
    HangWatched,
}

const BLOWS: [Blow; 4] = [Blow::Kill, Blow::Freeze, Blow::FreezeAndThaw, Blow::HangWatched];

/// Fifty rounds of kill, freeze and thaw, on both floating addresses.
fn floating_addresses_move(rig: &Rig) {
    const ROUNDS: usize = 50;
    // The two addresses have nothing to do with each other: side by side.
    let half = |address, watched| {
        let round = move |round: usize| {
            let blow = BLOWS[round % BLOWS.len()];
            let holder = rig.only_holder(address, 20);
            let (gap, settled) = strike(rig, address, watched, &holder, blow);
            rig.say(&format!("round {round}: {blow:?} on {holder}: {address} was silent for {gap:.2} s, settled after {settled:.1} s"));
            gap
        };
        (0..ROUNDS / 2).map(round).collect::<Vec<f64>>()
    };
    let mut takeovers = std::thread::scope(|scope| {
        let front = scope.spawn(|| half(FRONT, "haproxy"));
        let mut all = half(API, "kube-apiserver");
        all.extend(front.join().unwrap());
        all
    });
    takeovers.sort_by(f64::total_cmp);
    let percentile = |part: usize| takeovers[(ROUNDS * part).div_ceil(100) - 1];
    let (median, p95, p99) = (percentile(50), percentile(95), percentile(99));
    rig.say(&format!(
        "takeover in {ROUNDS} rounds: median {median:.2} s, p95 {p95:.2} s, p99 {p99:.2} s"
    ));
    // The longest of fifty is the computer's hiccup as likely as ours: it is told, not judged.
    assert!(p95 < 5.0, "{takeovers:?}");
}

/// Strikes the holder and watches until exactly one node has the address for good. The longest time
/// in which the API did not answer there, and the time until all was settled, in seconds.
fn strike(rig: &Rig, address: Ipv4Addr, watched: &str, holder: &str, blow: Blow) -> (f64, f64) {
    let node = rig.spaces.get(holder);
    let ask = format!(
        "curl -fs -o /dev/null --connect-timeout 0.3 --max-time 1 {} https://{address}:6443/readyz",
        rig.credentials()
    );
    let (signal, program) = match blow {
        Blow::Kill => ("KILL", "keepalived"),
        Blow::Freeze | Blow::FreezeAndThaw => ("STOP", "keepalived"),
        Blow::HangWatched => ("STOP", watched),
    };
    node.signal(signal, program);
    let start = Instant::now();
    let (mut answered, mut gap, mut thawed) = (0.0, 0.0_f64, false);
    let settled = loop {
        let now = || start.elapsed().as_secs_f64();
        if rig.spaces.client(&ask).status.success() {
            gap = gap.max(now() - answered);
            answered = now();
        }
        if matches!(blow, Blow::FreezeAndThaw) && !thawed && now() > 4.3 {
            node.signal("CONT", "keepalived");
            thawed = true;
        }
        let holders = rig.spaces.holders(address);
        let moved = holders.len() == 1 && holders[0] != holder;
        let done = match blow {
            Blow::Kill | Blow::Freeze | Blow::HangWatched => moved,
            Blow::FreezeAndThaw => thawed && holders.len() == 1 && now() > 6.5,
        };
        // An answer after the move: the address leads somewhere again.
        if done && now() - answered < 0.5 {
            break now();
        }
        assert!(now() < 25.0, "{blow:?} on {holder}: {address} is held by {holders:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    if matches!(blow, Blow::HangWatched) {
        node.signal("CONT", watched);
    }
    // Healed before the next round: keepalived of the node that was struck takes part again.
    let deadline = Instant::now() + Duration::from_secs(20);
    let healthy = "systemctl is-active keepalived && /etc/lab/floating-address check-api || /etc/lab/floating-address check-proxy";
    while !node.shell(healthy).status.success() {
        if Instant::now() > deadline {
            let found = node.shell("set -x; ps -ef; journalctl -u keepalived; /etc/lab/floating-address check-api; systemctl is-active keepalived; echo $?");
            panic!("{holder} does not heal: {}{}", text(&found.stdout), text(&found.stderr));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_millis(4500));
    let holders = rig.spaces.holders(address);
    assert_eq!(holders.len(), 1, "{blow:?} on {holder}: {address} ends with {holders:?}");
    (gap, settled)
}

fn etcd_loses_nothing(rig: &Rig) {
    let writer = rig.writer();
    for kill in 0..20 {
        let member = rig.spaces.get(&format!("etcd{}", kill % 3 + 1));
        member.signal("KILL", "etcd");
        let deadline = Instant::now() + Duration::from_secs(30);
        while !member.shell(&format!("{ETCDCTL} endpoint health")).status.success() {
            assert!(Instant::now() < deadline, "a killed member does not come back");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let (writes, gap) = rig.nothing_lost(writer);
    rig.say(&format!("20 kills of etcd members: {writes} writes acknowledged, none lost, longest pause {gap:.1} s"));
    assert!(writes > 50, "only {writes} writes");
}

fn it_grows_and_shrinks(rig: &mut Rig) {
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
    rig.only_holder(FRONT, 20);

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
        rig.only_holder(address, 20);
        rig.seconds_to_answer(address, 15.0);
    }
}
