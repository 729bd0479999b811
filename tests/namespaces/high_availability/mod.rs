//! High availability with the real parts in namespaces: floating addresses move and have one holder,
//! an API server that hangs is left out, etcd loses nothing that it acknowledged, and the cluster
//! grows and shrinks under its clients.

mod addresses;
mod changes;
mod ended;
mod questions;
mod repaired;

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::drivers::guest::Guest;
use lab::engine::{
    Drivers, EngineError, Event, Events, Outcome, Reach, Session, Stop, UpOptions, up_with,
};
use lab::kubernetes::DEFAULT;
use lab::model::platform::Acceleration;
use lab::model::{Node, Version};
use lab::pki::{Identity, Issuer};

use crate::rig;
use crate::rig::namespaces::Namespaces;
use crate::rig::secrets::Secrets;
use rig::memory::MemoryHypervisor;

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

/// What is waited for comes in seconds, or never: a computer that is busy with other things takes longer,
/// and proves nothing by it.
const PATIENCE: Duration = Duration::from_secs(90);

/// Three members of etcd and so many controllers, without floating addresses.
fn plain(name: &str, controllers: usize) -> String {
    format!(
        "name: {name}\nnetwork: {{cidr: 10.250.0.0/24}}\nnodes:\n  etcd: {{count: 3, first_address: 10.250.0.11}}\n  controller: {{roles: [control-plane], count: {controllers}, first_address: 10.250.0.21}}\n  worker: {{count: 1, first_address: 10.250.0.31}}\n"
    )
}

struct Rig {
    home: tempfile::TempDir,
    spaces: Namespaces,
    hypervisor: Arc<MemoryHypervisor>,
    text: String,
    secrets: Secrets,
    /// Certificates stay as they are, whenever they end.
    renews_nothing: bool,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        Self::of(TOPOLOGY)
    }

    fn of(topology: &str) -> Self {
        let home = tempfile::Builder::new().prefix("lab-ha").tempdir_in("/tmp").unwrap();
        let session = rig::session(topology, home.path());
        let spaces = Namespaces::new(&session.lab, &home.path().join("nodes"));
        let rig = Self {
            spaces,
            hypervisor: Arc::default(),
            text: topology.into(),
            secrets: Secrets::default(),
            renews_nothing: false,
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
        self.spaces.add(&session.lab);
        if !self.renews_nothing {
            self.secrets.complete(&session.lab);
        }
        self.secrets.keep(&session.store, &session.lab);
        let mut prepared = rig::prepared_for_real(&session, &self.secrets);
        prepared.platform.acceleration = Acceleration::Kvm;
        prepared.platform.version = Version::parse("1.20.2").unwrap();
        if let Some(record) = session.store.record().unwrap().filter(|r| !r.etcd.is_empty()) {
            prepared.etcd_founders = record.etcd;
        }
        let reach = self.reach();
        let drivers = Drivers { provider: self.hypervisor.clone(), reach, again: None };
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

    fn reach(&self) -> Reach {
        let nodes: std::collections::BTreeMap<String, Arc<dyn Guest>> = self
            .spaces
            .names()
            .into_iter()
            .map(|name| (name.clone(), self.spaces.get(&name) as Arc<dyn Guest>))
            .collect();
        Arc::new(move |node: &Node| Arc::clone(&nodes[&node.name]))
    }

    /// Files of the administrator for clients on the lab's network.
    fn credentials(&self) -> String {
        let file = |name: &str, text: &str| {
            let path = self.home.path().join(name);
            // Others may be reading it.
            if fs::read_to_string(&path).ok().as_deref() != Some(text) {
                fs::write(&path, text).unwrap();
            }
            path.display().to_string()
        };
        let admin = self.secrets.bundle.pair(Identity::Admin).unwrap();
        format!(
            "--cacert {} --cert {} --key {}",
            file("ca.crt", &self.secrets.bundle.ca(Issuer::Kubernetes).unwrap()),
            file("admin.crt", &admin.certificate),
            file("admin.key", &admin.key)
        )
    }

    /// A client's command that asks the API at an address whether it is ready, with curl's word of how long
    /// it waits.
    fn question(&self, address: Ipv4Addr, patience: &str) -> String {
        let credentials = self.credentials();
        format!("curl -fs -o /dev/null {patience} {credentials} https://{address}:6443/readyz")
    }

    /// Seconds until the API answers at an address, asked every few milliseconds.
    fn seconds_to_answer(&self, address: Ipv4Addr) -> f64 {
        let start = Instant::now();
        let ask = self.question(address, "--connect-timeout 0.3 --max-time 2");
        while !self.spaces.client(&ask).status.success() {
            assert!(start.elapsed() < PATIENCE, "the API did not answer at {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        start.elapsed().as_secs_f64()
    }

    /// Waits until exactly one node has the address; who it is.
    fn only_holder(&self, address: Ipv4Addr) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let holders = self.spaces.holders(address);
            if let [only] = holders.as_slice() {
                return only.clone();
            }
            assert!(Instant::now() < deadline, "{address} is held by {holders:?}");
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
        // A node that left a moment ago may have had the address.
        self.say(&format!("{FRONT} answers after {:.1} s", self.seconds_to_answer(FRONT)));
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
        rig.only_holder(address);
        rig.seconds_to_answer(address);
    }
    changes::what_was_changed_by_hand_is_put_right(&mut rig);
    questions::what_a_restore_asks_is_answered(&rig);
    questions::the_dns_add_on_is_taken_by_the_api(&rig);
    questions::a_controller_that_binds_second_goes_on(&rig);
    addresses::a_hanging_api_server_is_left_out(&rig);
    changes::it_grows_and_shrinks(&mut rig);
    // Three times as many restarts: the machines' tests rotate everything in each run.
    match addresses::rounds() < 50 {
        true => changes::certificates_are_renewed(&mut rig),
        false => changes::everything_is_rotated(&mut rig),
    }
    changes::etcd_loses_nothing(&rig);
    addresses::floating_addresses_move(&rig);
}
