//! A lab on drivers that keep everything in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lab::drivers::assets::goldens::Goldens;
use lab::drivers::guest::Guest;
use lab::drivers::provider::Provider;
use lab::drivers::provider::existing::Existing;
use lab::drivers::state::Store;
use lab::drivers::state::failpoint::Failpoints;
use lab::engine::{
    Drivers, Event, Events, Outcome, ProviderKind, Reach, Session, Stop, UpOptions, up_with,
};
use lab::model::snapshot::Documents;
use lab::model::{Lab, Machine, Node, Version};
use lab::plan::Change;

use crate::rig;
use crate::rig::memory::MemoryHypervisor;
use crate::rig::memory_guest::MemoryGuest;
use crate::rig::secrets::Secrets;

/// What `up` is told.
#[derive(Clone, Default)]
pub struct Up {
    /// Its removals are agreed to: `up --yes`.
    pub yes: bool,
    /// Who may ask it to stop.
    pub stop: Option<Stop>,
}

impl Up {
    /// `up`.
    pub const PLAIN: Self = Self { yes: false, stop: None };
    /// `up --yes`.
    pub const AGREED: Self = Self { yes: true, stop: None };
}

/// How a run ended, and what it told.
pub type Ran = (Result<Outcome, String>, Vec<Event>);

pub struct Rig {
    pub home: tempfile::TempDir,
    pub text: String,
    /// Stay the same from run to run, as they do on disk.
    pub secrets: Secrets,
    /// A topology in place of `text`, for whoever only borrows the rig.
    pub edited: std::sync::Mutex<Option<String>>,
    pub hypervisor: Arc<MemoryHypervisor>,
    pub guests: BTreeMap<String, Arc<MemoryGuest>>,
    /// No image of cluster DNS can be had.
    pub no_dns: bool,
    /// What every change passes: of the hypervisor, of guests, of the lab's directory.
    pub gate: Failpoints,
    /// A provider to use in place of the one in memory.
    pub other: Option<Arc<dyn Provider>>,
    /// Machines that are there anyway, in place of guests.
    pub existing: Option<Existing>,
    /// Another way to the guests.
    pub way: Option<Reach>,
    /// A saved plan that `up` must keep to.
    pub agreed: Option<serde_json::Value>,
    /// Nodes that `up` changes, where it changes not all.
    pub limit: Option<BTreeSet<String>>,
    /// Kubernetes of the binaries at hand.
    pub version: &'static str,
    /// Start of the digest of the disk with them.
    pub artifacts: &'static str,
    /// Nodes that may boot at once.
    pub boots: usize,
}

impl Rig {
    /// The shipped topology of that name.
    pub fn new(topology: &str) -> Self {
        Self::of(&rig::shipped(topology))
    }

    pub fn of(text: &str) -> Self {
        let home = rig::home();
        let lab = rig::lab(text);
        let mut rig = Self {
            home,
            text: text.to_owned(),
            secrets: Secrets::of_lab(text, &lab),
            edited: std::sync::Mutex::default(),
            hypervisor: Arc::default(),
            guests: BTreeMap::new(),
            no_dns: false,
            gate: Failpoints::counting(),
            other: None,
            existing: None,
            way: None,
            agreed: None,
            limit: None,
            version: "1.36.2",
            artifacts: "0123456789abcdef",
            boots: 2,
        };
        rig.hypervisor.stand_behind(rig.gate.clone());
        rig.add_guests(&lab);
        rig
    }

    /// The next topology, with the guests, keys and certificates that it needs.
    pub fn edit(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "no '{from}' in {}", self.text);
        self.becomes(self.text.replace(from, to));
    }

    /// The same for a whole text.
    pub fn becomes(&mut self, text: String) {
        self.text = text;
        let lab = self.lab();
        self.add_guests(&lab);
        self.secrets.complete(&lab);
    }

    /// Has the cache hold a golden guest for every node.
    pub fn bring_goldens(&self) {
        let session = self.session();
        let prepared = rig::prepared_for_real(&session, &self.secrets);
        let goldens = Goldens::new(session.images.cache());
        for node in &session.lab.nodes {
            let key = lab::engine::golden_key(&session, &prepared, node, "memory").unwrap();
            if goldens.find(&key).is_none() {
                let disk = self.home.path().join("golden.qcow2");
                std::fs::write(&disk, "a disk").unwrap();
                let mark = "<lab:object lab='x' node='golden' hash='x' disk='x'/>";
                let domain = format!(
                    "<domain><name>golden</name><uuid>x</uuid><metadata>{mark}</metadata></domain>"
                );
                let documents = Documents { snapshot: domain.clone(), domain };
                goldens.keep(&key, &disk, &documents).unwrap();
            }
        }
    }

    /// Makes guests for the nodes that have none.
    pub fn add_guests(&mut self, lab: &Lab) {
        for node in &lab.nodes {
            let guest = self.guests.entry(node.name.clone()).or_default();
            guest.stand_behind(self.gate.clone());
            self.hypervisor.insert_disk(&format!("{}.qcow2", node.name), Arc::clone(guest));
        }
    }

    fn text(&self) -> String {
        self.edited.lock().unwrap().clone().unwrap_or_else(|| self.text.clone())
    }

    pub fn session(&self) -> Session {
        let mut session = rig::session(&self.text(), self.home.path());
        session.store = session.store.behind(self.gate.clone());
        session.images = session.images.with_cache(|cache| cache.behind(self.gate.clone()));
        if let Some(machines) = &self.existing {
            session.provider = ProviderKind::Existing(machines.clone());
            session.lab.nodes.iter_mut().for_each(|node| node.machine = Machine::Existing);
        }
        session
    }

    /// The lab, for whoever needs no more of the session.
    pub fn lab(&self) -> Lab {
        rig::lab(&self.text())
    }

    /// The lab's directory, likewise; past the gate.
    pub fn store(&self) -> Store {
        Store::new(&self.home.path().join("state"), &self.lab().name)
    }

    pub fn drivers(&self) -> Drivers {
        let existing =
            self.existing.clone().map(|machines| Arc::new(machines) as Arc<dyn Provider>);
        let other = existing.or_else(|| self.other.clone());
        let provider = other.unwrap_or_else(|| self.hypervisor.clone());
        Drivers { provider, reach: self.reach(), again: None }
    }

    pub fn reach(&self) -> Reach {
        if let Some(way) = &self.way {
            return way.clone();
        }
        let guests = self.guests.clone();
        Arc::new(move |node: &Node| guests[&node.name].clone() as Arc<dyn Guest>)
    }

    pub fn calls(&self) -> usize {
        self.hypervisor.calls().len() + self.guests.values().map(|g| g.calls().len()).sum::<usize>()
    }

    pub fn clear(&self) {
        self.hypervisor.clear_calls();
        self.guests.values().for_each(|guest| guest.clear_calls());
    }

    pub fn calls_of(&self, node: &str) -> Vec<String> {
        self.guests[node].calls()
    }

    pub fn up(&self, how: Up) -> Ran {
        let session = Arc::new(self.session());
        self.keep();
        let mut prepared = rig::prepared_for_real(&session, &self.secrets);
        if let Some(record) = session.store.record().unwrap().filter(|r| !r.etcd.is_empty()) {
            prepared.etcd_founders = record.etcd;
        }
        prepared.platform.version = Version::parse(self.version).unwrap();
        prepared.platform.artifacts.digest = self.artifacts.repeat(4);
        if self.no_dns {
            prepared.platform.addon_images.clear();
        }
        let drivers = self.drivers();
        let options = UpOptions {
            yes: how.yes,
            concurrency: Some(self.boots),
            agreed: self.agreed.clone(),
            limit: self.limit.clone(),
            ..UpOptions::default()
        };
        let stop = how.stop.unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (events, mut receiver) = Events::channel();
            let outcome = up_with(session, prepared, drivers, options, stop, events).await;
            let mut seen = Vec::new();
            while let Some(event) = receiver.recv().await {
                seen.push(event);
            }
            // As people see it, code and all.
            (outcome.map_err(|error| format!("error[{}]: {error}", error.code.id)), seen)
        })
    }

    /// The same where it must get all done: what it changed, and what it told.
    pub fn done(&self, how: Up) -> (Vec<Change>, Vec<Event>) {
        match self.up(how) {
            (Ok(Outcome::Done(changes)), events) => (changes, events),
            (outcome, events) => panic!("{outcome:?}\n{events:#?}"),
        }
    }

    /// Wants there to be nothing to do.
    pub fn is_as_wanted(&self) {
        let (outcome, _) = self.up(Up::PLAIN);
        assert!(matches!(outcome, Ok(Outcome::Unchanged)), "{outcome:?}");
    }

    /// Puts keys and certificates into the lab's directory, past the gate.
    pub fn keep(&self) {
        self.secrets.keep(&self.store(), &self.lab());
    }

    /// Everything there is, as comparable text: objects, and files of all guests.
    pub fn state(&self) -> String {
        let mut inventory = self.drivers().provider.inventory().unwrap();
        inventory.domains.sort_by(|a, b| a.name.cmp(&b.name));
        for pool in &mut inventory.pools {
            pool.volumes.sort();
        }
        let mut text = format!("{inventory:#?}");
        for (name, guest) in &self.guests {
            for (path, content) in guest.files() {
                // A credential of one run, gone at its end on a real node.
                if !path.starts_with("/run/") {
                    text.push_str(&format!("\n{name}:{path}\n{content}"));
                }
            }
        }
        text
    }
}

/// What follows from a run in which something failed.
pub enum Next {
    /// Another run has the rest to do.
    Rerun,
    /// It got all done all the same.
    AllDone,
    /// Nothing was promised for this failure.
    Nothing,
}

/// Lets each of `calls` calls fail, the n-th of them on the n-th rig; `judge` says what follows from each of
/// these runs. In the end everything is as it would be without the failure.
pub fn every_failure(
    make: impl Fn() -> Rig,
    calls: usize,
    fail: impl Fn(&Rig, usize),
    wanted: &str,
    mut judge: impl FnMut(usize, Ran) -> Next,
) {
    for call in 1..=calls {
        let rig = make();
        fail(&rig, call);
        match judge(call, rig.up(Up::PLAIN)) {
            Next::Nothing => continue,
            Next::AllDone => rig.is_as_wanted(),
            Next::Rerun => drop(rig.done(Up::PLAIN)),
        }
        assert_eq!(rig.state(), wanted, "after a failure at call {call}");
    }
}
