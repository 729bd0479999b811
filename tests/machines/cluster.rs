//! A lab on machines: the real engine, the real stages, the product's own SSH. Of what runs guests only
//! the books are kept, in memory; the rig starts and stops the machines.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rig::memory::MemoryHypervisor;
use lab::drivers::assets::binaries;
use lab::drivers::guest::Guest;
use lab::drivers::guest::ssh::{Route, Ssh, Target};
use lab::engine::{
    CheckResult, Drivers, Event, Events, Outcome, Reach, Session, Stop, UpOptions, up_with,
    verify_with,
};
use lab::kubernetes::DEFAULT;
use lab::kubernetes::stage::KUBECTL;
use lab::model::Node;
use lab::model::platform::Acceleration;
use lab::pki::SshKeys;

use crate::rig::secrets::Secrets;

use crate::hall::Hall;
use crate::machine::Machine;
use crate::{archives, rig};

/// Every role, and a floating address: all stages have something to do.
pub const TOPOLOGY: &str = "name: machines
network:
  cidr: 10.249.0.0/24
nodes:
  main:
    roles: [etcd, control-plane, load-balancer]
    count: 1
    first_address: 10.249.0.11
  worker:
    count: 2
    first_address: 10.249.0.31
vips:
  api: {address: 10.249.0.10, role: load-balancer}
options:
  # They run at native speed.
  acceleration: kvm
";

/// The controller of [`TOPOLOGY`].
pub const MAIN: &str = "main1";

/// A lab, and its machines.
pub struct Cluster {
    hall: Hall,
    machines: BTreeMap<String, Machine>,
    hypervisor: Arc<MemoryHypervisor>,
    topology: String,
    secrets: Secrets,
    home: tempfile::TempDir,
    start: Instant,
}

/// What a run of `up` did.
pub struct Run {
    pub outcome: Outcome,
    /// Stages that were carried out, as `NODE STAGE`, each with its seconds.
    pub finished: Vec<(String, f64)>,
    /// Failures, in full.
    pub failures: Vec<String>,
}

impl Cluster {
    /// Machines that answer, with nothing of Kubernetes on them.
    pub fn bare() -> Self {
        let start = Instant::now();
        let home = rig::home();
        let session = rig::session(TOPOLOGY, home.path());
        session.store.create().unwrap();
        let hall = Hall::new(&session.lab);
        archives::write(&hall.dir.join("lab/images"), &hall.root);
        let mut cluster = Self {
            hall,
            machines: BTreeMap::new(),
            hypervisor: Arc::default(),
            topology: TOPOLOGY.into(),
            secrets: Secrets::default(),
            home,
            start,
        };
        cluster.say("namespaces and images are there");
        cluster.change(TOPOLOGY);
        cluster
    }

    pub fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }

    pub fn session(&self) -> Session {
        rig::session(&self.topology, self.home.path())
    }

    /// From now on the topology is this text: machines of its nodes are started, and answer.
    pub fn change(&mut self, topology: &str) {
        self.topology = topology.to_owned();
        let session = self.session();
        self.secrets.complete(&session.lab);
        let missing: Vec<&Node> =
            session.lab.nodes.iter().filter(|n| !self.machines.contains_key(&n.name)).collect();
        for node in &missing {
            let made = Machine::new(
                &self.hall,
                &session.templates,
                &session.lab,
                node,
                &self.secrets.keys,
            );
            self.machines.insert(node.name.clone(), made);
        }
        for node in &missing {
            self.answers(&node.name);
        }
    }

    /// Waits until systemd of a node says that all of it is there.
    fn answers(&self, node: &str) {
        self.run(node, "systemctl is-system-running --wait");
        self.say(&format!("{node} answers by SSH"));
    }

    /// Takes away the machine of a node that is no longer in the topology.
    pub fn discard(&mut self, node: &str) {
        self.machines.remove(node).unwrap().remove(&self.hall);
    }

    /// Cuts the power of a machine.
    pub fn cut(&mut self, node: &str) {
        self.machines.get_mut(node).unwrap().cut();
    }

    /// Starts a machine whose power was cut.
    pub fn start(&mut self, node: &str) {
        self.machines.get_mut(node).unwrap().start(&self.hall);
        self.answers(node);
    }

    /// Runs a script on a node, as root; it must succeed. What it said.
    pub fn run(&self, node: &str, script: &str) -> String {
        let session = self.session();
        let guest = self.reach(&session)(session.lab.node(node).unwrap());
        let output = self.inside(async { guest.run(script).await });
        let output = output.unwrap_or_else(|error| panic!("{error}\n{}", self.consoles()));
        assert_eq!(output.status, 0, "{node}: {script}\n{}", output.text());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// kubectl on the controller.
    pub fn kubectl(&self, arguments: &str) -> String {
        self.run(MAIN, &format!("{KUBECTL} {arguments}"))
    }

    /// Waits until what a script prints on a node is what it should be.
    pub fn until(&self, node: &str, script: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let said = self.run(node, &format!("{script} || true"));
            if wanted(&said) {
                return;
            }
            assert!(Instant::now() < deadline, "{node}: {script}: {said}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// All stages, by the real engine.
    pub fn up(&self) -> Run {
        let session = Arc::new(self.session());
        self.secrets.keep(&session.store, &session.lab);
        let prepared = self.prepared(&session);
        let drivers =
            Drivers { provider: self.hypervisor.clone(), reach: self.reach(&session), again: None };
        let options = UpOptions { yes: true, ..UpOptions::default() };
        self.inside(async {
            let (events, mut receiver) = Events::channel();
            let up = up_with(session, prepared, drivers, options, Stop::default(), events);
            let (mut finished, mut failures) = (Vec::new(), Vec::new());
            let listen = async {
                while let Some(event) = receiver.recv().await {
                    match event {
                        Event::Finished { node: Some(node), task, seconds } => {
                            finished.push((format!("{node} {task}"), seconds));
                        }
                        Event::Failed(failure) => failures.push(format!("{failure:#?}")),
                        Event::Warning { text } => self.say(&format!("warning: {text}")),
                        _ => {}
                    }
                }
            };
            let (ended, ()) = tokio::join!(up, listen);
            let outcome = ended.unwrap_or_else(|error| panic!("{error:?}\n{}", self.consoles()));
            Run { outcome, finished, failures }
        })
    }

    /// `up`, all of whose changes are made.
    pub fn up_done(&self) -> Run {
        let run = self.up();
        assert!(
            matches!(run.outcome, Outcome::Done(_)),
            "{:?}\n{}\n{}",
            run.outcome,
            run.failures.join("\n"),
            self.consoles()
        );
        run
    }

    /// `up` that finds nothing to do.
    pub fn up_unchanged(&self) {
        let run = self.up();
        assert!(matches!(run.outcome, Outcome::Unchanged), "{:?}", run.outcome);
    }

    /// Every check of `lab verify`.
    pub fn verify(&self) -> Vec<CheckResult> {
        let session = self.session();
        let reach = self.reach(&session);
        let stop = Stop::default();
        self.inside(async { verify_with(&session, &reach, &stop, &|_| {}).await }).unwrap()
    }

    fn prepared(&self, session: &Session) -> lab::engine::Prepared {
        let images = self.hall.dir.join("lab/images");
        let found = binaries::scan(
            DEFAULT.binaries,
            &self.hall.artifacts,
            Some(&images),
            session.images.cache(),
        );
        let found = found.unwrap();
        let mut prepared = rig::prepared_for_real(session, &self.secrets);
        prepared.platform.acceleration = Acceleration::Kvm;
        prepared.platform.version = found.version;
        prepared.platform.artifacts = found.artifacts;
        prepared.platform.addon_images.insert("coredns".into(), archives::DNS.into());
        let record = session.store.record().unwrap();
        if let Some(record) = record.filter(|record| !record.etcd.is_empty()) {
            prepared.etcd_founders = record.etcd;
        }
        prepared
    }

    /// The product's SSH, host keys pinned.
    fn reach(&self, session: &Session) -> Reach {
        let guest = |node: &Node| {
            let ssh = Ssh::new(Target {
                node: node.name.clone(),
                address: SocketAddr::from((node.address, 22)),
                route: Route::Direct,
                user: session.lab.ssh.user.clone(),
                key: self.secrets.keys.user.clone(),
                host_key: SshKeys::public(&self.secrets.keys.hosts[&node.name]).unwrap(),
                patience: Duration::from_secs(30),
            });
            (node.name.clone(), Arc::new(ssh) as Arc<dyn Guest>)
        };
        let guests: BTreeMap<String, Arc<dyn Guest>> =
            session.lab.nodes.iter().map(guest).collect();
        Arc::new(move |node: &Node| Arc::clone(&guests[&node.name]))
    }

    /// Carries out what wants to reach machines, on threads that are in their network.
    fn inside<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .on_thread_start(self.hall.entrance())
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.hall.enter();
                runtime.block_on(work)
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What the machines last said.
    fn consoles(&self) -> String {
        let said =
            |(name, machine): (&String, &Machine)| format!("--- {name}\n{}\n", machine.console());
        self.machines.iter().map(said).collect()
    }

    /// Where everything of the rig is.
    pub fn places(&self) -> (std::path::PathBuf, Vec<std::path::PathBuf>) {
        (self.hall.dir.clone(), self.hall.groups.clone())
    }
}
