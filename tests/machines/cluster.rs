//! A lab on machines: the real engine, the real stages, the product's own SSH. Of what runs guests only
//! the books are kept, in memory; the rig starts and stops the machines.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rig::memory::MemoryHypervisor;
use lab::drivers::assets::binaries;
use lab::drivers::guest::ssh::{Route, Ssh, Target};
use lab::drivers::guest::{Guest, Login};
use lab::drivers::state::login_file;
use lab::engine::{Reach, Session};
use lab::kubernetes::stage::{KUBECTL, Stage};
use lab::model::Node;
use lab::model::lab::KUBEADM;
use lab::model::platform::Acceleration;
use lab::pki::SshKeys;

use crate::rig::secrets::Secrets;

use crate::hall::Hall;
use crate::machine::Machine;
use crate::{archives, rig};

/// Every role, and a floating address: all stages have something to do. Ends with what Kubernetes is told.
pub const TOPOLOGY: &str = "name: machines
network:
  cidr: 10.249.0.0/24
firewall: on
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
kubernetes:
  certificates: {expiry: 17520h, country: DE, state: Berlin, city: Berlin}
";

/// The controller of [`TOPOLOGY`].
pub const MAIN: &str = "main1";

/// A lab, and its machines.
pub struct Cluster {
    hall: Hall,
    machines: BTreeMap<String, Machine>,
    pub hypervisor: Arc<MemoryHypervisor>,
    topology: String,
    pub secrets: Secrets,
    home: tempfile::TempDir,
    start: Instant,
}

impl Cluster {
    /// Machines that answer, with nothing of Kubernetes on them.
    pub fn bare() -> Self {
        Self::bare_of(TOPOLOGY)
    }

    /// The same for another topology.
    pub fn bare_of(topology: &str) -> Self {
        let start = Instant::now();
        let home = rig::home();
        let session = rig::session(topology, home.path());
        session.store.create().unwrap();
        let hall = Hall::new(&session.lab);
        let images = hall.dir.join("lab/images");
        archives::write(&images, &hall.root);
        if session.lab.kubernetes.flavour == KUBEADM {
            archives::write_control_plane(&images, &hall.root, &hall.artifacts);
        }
        let mut cluster = Self {
            hall,
            machines: BTreeMap::new(),
            hypervisor: Arc::default(),
            topology: topology.into(),
            secrets: Secrets::default(),
            home,
            start,
        };
        cluster.say("namespaces and images are there");
        cluster.change(topology);
        cluster
    }

    /// The folder that image archives are in.
    pub fn archives(&self) -> std::path::PathBuf {
        self.hall.dir.join("lab/images")
    }

    /// Where its machines are.
    pub fn hall(&self) -> &Hall {
        &self.hall
    }

    pub fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }

    pub fn session(&self) -> Session {
        rig::session(&self.topology, self.home.path())
    }

    /// A stage of the lab's flavour.
    pub fn stage(&self, name: &str) -> &'static Stage {
        self.session().flavour().stage(name).unwrap()
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
        self.says(node, script).unwrap_or_else(|said| panic!("{node}: {script}\n{said}"))
    }

    /// Runs a script on a node, as root. What it said, also where it failed.
    fn says(&self, node: &str, script: &str) -> Result<String, String> {
        let session = self.session();
        let guest = self.reach(&session)(session.lab.node(node).unwrap());
        let output = self.inside(async { guest.run(script).await });
        let output = output.unwrap_or_else(|error| panic!("{error}\n{}", self.consoles()));
        match output.status {
            0 => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            _ => Err(output.text()),
        }
    }

    /// kubectl on the controller, whether or not the API answers.
    pub fn kubectl_says(&self, arguments: &str) -> Result<String, String> {
        self.says(MAIN, &format!("{KUBECTL} {arguments}"))
    }

    /// Waits until what kubectl says is what it should be.
    pub fn until_kubectl_says(&self, arguments: &str, wanted: impl Fn(&str) -> bool) {
        self.until(MAIN, &format!("{KUBECTL} {arguments}"), wanted);
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

    pub fn prepared(&self, session: &Session) -> lab::engine::Prepared {
        let images = self.archives();
        let found = binaries::scan(
            session.flavour().binaries,
            &self.hall.artifacts,
            Some(&images),
            session.images.cache(),
        );
        let found = found.unwrap();
        let mut prepared = rig::prepared_for_real(session, &self.secrets);
        prepared.platform.acceleration = Acceleration::Kvm;
        prepared.platform.version = found.version;
        prepared.platform.artifacts = found.artifacts;
        prepared.platform.addon_images = archives::of_addons(&session.lab);
        let logins = session.lab.kubernetes.registry_logins.as_deref().map(Path::new);
        prepared.platform.logins = logins.map(|path| login_file::read(path).unwrap());
        let record = session.store.record().unwrap();
        if let Some(record) = record.filter(|record| !record.etcd.is_empty()) {
            prepared.etcd_founders = record.etcd;
        }
        prepared
    }

    /// The product's SSH, host keys pinned.
    pub fn reach(&self, session: &Session) -> Reach {
        let guest = |node: &Node| {
            let ssh = Ssh::new(Target {
                node: node.name.clone(),
                address: SocketAddr::from((node.address, 22)),
                route: Route::Direct,
                user: session.lab.ssh.user.clone(),
                login: Login::Key(self.secrets.keys.user.clone()),
                host_keys: vec![SshKeys::public(&self.secrets.keys.hosts[&node.name]).unwrap()],
                patience: Duration::from_secs(30),
            });
            (node.name.clone(), Arc::new(ssh) as Arc<dyn Guest>)
        };
        let guests: BTreeMap<String, Arc<dyn Guest>> =
            session.lab.nodes.iter().map(guest).collect();
        Arc::new(move |node: &Node| Arc::clone(&guests[&node.name]))
    }

    /// Carries out what wants to reach machines, on threads that are in their network.
    pub fn inside<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        self.hall.inside(work)
    }

    /// What the machines last said.
    pub fn consoles(&self) -> String {
        let said =
            |(name, machine): (&String, &Machine)| format!("--- {name}\n{}\n", machine.console());
        self.machines.iter().map(said).collect()
    }

    /// Where everything of the rig is.
    pub fn places(&self) -> (std::path::PathBuf, Vec<std::path::PathBuf>) {
        (self.hall.dir.clone(), self.hall.groups.clone())
    }
}
