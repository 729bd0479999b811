//! A lab on drivers that keep everything in memory.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use lab::drivers::assets::goldens::Goldens;
use lab::drivers::guest::Guest;
use lab::drivers::provider::Hypervisor;
use lab::drivers::provider::memory::{MemoryGuest, MemoryHypervisor};
use lab::drivers::state::failpoint::Failpoints;
use lab::engine::{Drivers, Event, Events, Outcome, Reach, Session, Stop, UpOptions, up_with};
use lab::model::snapshot::Documents;
use lab::model::{Lab, Node};

use crate::rig;

pub struct Rig {
    pub home: tempfile::TempDir,
    pub text: String,
    /// A topology in place of `text`, for whoever only borrows the rig.
    pub edited: std::sync::Mutex<Option<String>>,
    pub hypervisor: Arc<MemoryHypervisor>,
    pub guests: BTreeMap<String, Arc<MemoryGuest>>,
    /// No image of cluster DNS can be had.
    pub no_dns: bool,
    /// What every change passes: of the hypervisor, of guests, of the lab's directory.
    pub gate: Failpoints,
    /// A hypervisor to use in place of the one in memory.
    pub other: Option<Arc<dyn Hypervisor>>,
    /// Another way to the guests.
    pub way: Option<Reach>,
    /// A saved plan that `up` must keep to.
    pub agreed: Option<serde_json::Value>,
    /// Kubernetes of the binaries at hand.
    pub version: &'static str,
    /// Start of the digest of the disk with them.
    pub artifacts: &'static str,
    /// Nodes that may boot at once.
    pub boots: usize,
}

impl Rig {
    pub fn new(topology: &str) -> Self {
        let home = rig::home();
        let text = rig::shipped(topology);
        let session = rig::session(&text, home.path());
        let mut rig = Self {
            home,
            text,
            edited: std::sync::Mutex::default(),
            hypervisor: Arc::default(),
            guests: BTreeMap::new(),
            no_dns: false,
            gate: Failpoints::counting(),
            other: None,
            way: None,
            agreed: None,
            version: "1.36.2",
            artifacts: "0123456789abcdef",
            boots: 2,
        };
        rig.hypervisor.stand_behind(rig.gate.clone());
        rig.add_guests(&session.lab);
        rig
    }

    /// Has the cache hold a golden guest for every node.
    pub fn bring_goldens(&self) {
        let session = self.session();
        let prepared = rig::prepared_for_real(&session);
        let goldens = Goldens::new(session.images.cache());
        for node in &session.lab.nodes {
            let mould = lab::engine::mould(&session, &prepared, node, "memory").unwrap();
            if goldens.find(&mould).is_none() {
                let disk = self.home.path().join("golden.qcow2");
                std::fs::write(&disk, "a disk").unwrap();
                let mark = "<lab:object lab='x' node='golden' hash='x' disk='x'/>";
                let domain = format!(
                    "<domain><name>golden</name><uuid>x</uuid><metadata>{mark}</metadata></domain>"
                );
                let documents = Documents { snapshot: domain.clone(), domain };
                goldens.keep(&mould, &disk, &documents).unwrap();
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

    pub fn session(&self) -> Session {
        let edited = self.edited.lock().unwrap().clone();
        let text = edited.as_deref().unwrap_or(&self.text);
        let mut session = rig::session(text, self.home.path());
        session.store = session.store.behind(self.gate.clone());
        session.images = session.images.with_cache(|cache| cache.behind(self.gate.clone()));
        session
    }

    pub fn drivers(&self) -> Drivers {
        let hypervisor = self.other.clone().unwrap_or_else(|| self.hypervisor.clone());
        Drivers { hypervisor, reach: self.reach() }
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

    /// Keys stay the same from run to run, as they do on disk.
    pub fn up(
        &self,
        keep: &lab::pki::Bundle,
        keys: &lab::pki::SshKeys,
    ) -> (Result<Outcome, String>, Vec<Event>) {
        self.up_stopping(keep, keys, Stop::default())
    }

    /// `up --yes`.
    pub fn up_agreed(
        &self,
        keep: &lab::pki::Bundle,
        keys: &lab::pki::SshKeys,
    ) -> (Result<Outcome, String>, Vec<Event>) {
        self.run(keep, keys, Stop::default(), true)
    }

    pub fn up_stopping(
        &self,
        keep: &lab::pki::Bundle,
        keys: &lab::pki::SshKeys,
        stop: Stop,
    ) -> (Result<Outcome, String>, Vec<Event>) {
        self.run(keep, keys, stop, false)
    }

    pub fn calls_of(&self, node: &str) -> Vec<String> {
        self.guests[node].calls()
    }

    pub fn run(
        &self,
        keep: &lab::pki::Bundle,
        keys: &lab::pki::SshKeys,
        stop: Stop,
        yes: bool,
    ) -> (Result<Outcome, String>, Vec<Event>) {
        let session = Arc::new(self.session());
        self.keep(keep, keys);
        let mut prepared = rig::prepared_for_real(&session);
        if let Some(record) = session.store.record().unwrap().filter(|r| !r.etcd.is_empty()) {
            prepared.etcd_founders = record.etcd;
        }
        prepared.platform.version = lab::model::Version::parse(self.version).unwrap();
        prepared.platform.artifacts.digest = self.artifacts.repeat(4);
        if self.no_dns {
            prepared.platform.dns_image = None;
        }
        prepared.bundle = keep.clone();
        prepared.keys = keys.clone();
        let drivers = self.drivers();
        let agreed = self.agreed.clone();
        let options =
            UpOptions { yes, concurrency: Some(self.boots), agreed, ..UpOptions::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (events, mut receiver) = Events::channel();
            let outcome = up_with(session, prepared, drivers, options, stop, events).await;
            let mut seen = Vec::new();
            while let Some(event) = receiver.recv().await {
                seen.push(event);
            }
            (outcome.map_err(|error| error.to_string()), seen)
        })
    }

    /// Puts keys and certificates into the lab's directory, past the gate.
    pub fn keep(&self, keep: &lab::pki::Bundle, keys: &lab::pki::SshKeys) {
        let store = rig::session(&self.text, self.home.path()).store;
        store.create().unwrap();
        // For a node that left nobody makes any.
        let (lab, mut keep, mut keys) = (self.session().lab, keep.clone(), keys.clone());
        keep.prune(&lab);
        let all: Vec<String> = keep.entries.keys().cloned().collect();
        store.save_bundle(&keep, &all).unwrap();
        keys.hosts.retain(|node, _| lab.node(node).is_some());
        store.save_ssh_keys(&keys, "").unwrap();
    }

    pub fn secrets(&self) -> (lab::pki::Bundle, lab::pki::SshKeys) {
        let prepared = rig::prepared_for_real(&self.session());
        (prepared.bundle, prepared.keys)
    }

    /// Everything there is, as comparable text: objects, and files of all guests.
    pub fn state(&self) -> String {
        let mut inventory = self.drivers().hypervisor.inventory().unwrap();
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
