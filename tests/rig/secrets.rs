//! Keys and certificates of the labs of tests: made once for each topology and cloned, since making them
//! takes longer than most of what is tried with them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lab::drivers::state::Store;
use lab::engine::Session;
use lab::model::Lab;
use lab::pki::{Bundle, SshKeys};

/// Made so far, by the text of the topology.
static MADE: Mutex<BTreeMap<String, Secrets>> = Mutex::new(BTreeMap::new());

/// Everything random of a lab.
#[derive(Clone, Default)]
pub struct Secrets {
    pub bundle: Bundle,
    pub keys: SshKeys,
}

impl Secrets {
    /// Those of the lab that was opened: the same ones for whoever opens one of that text.
    pub fn of(session: &Session) -> Self {
        Self::of_lab(&session.source, &session.lab)
    }

    /// The same for the lab of a topology's text.
    pub fn of_lab(text: &str, lab: &Lab) -> Self {
        let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(text.to_owned()).or_insert_with(|| Self::made_anew(lab)).clone()
    }

    /// Those of nobody else.
    pub fn made_anew(lab: &Lab) -> Self {
        let mut secrets = Self::default();
        secrets.complete(lab);
        secrets
    }

    /// Makes what the lab lacks.
    pub fn complete(&mut self, lab: &Lab) {
        self.bundle.ensure(lab, time::OffsetDateTime::now_utc()).unwrap();
        self.keys.ensure(lab).unwrap();
    }

    /// Puts them into the lab's directory, as a run from nothing would have.
    pub fn keep(&self, store: &Store, lab: &Lab) {
        store.create().unwrap();
        // For a node that left nobody makes any.
        let Self { mut bundle, mut keys } = self.clone();
        bundle.prune(lab);
        let all: Vec<String> = bundle.entries.keys().cloned().collect();
        store.save_bundle(&bundle, &all).unwrap();
        keys.hosts.retain(|node, _| lab.node(node).is_some());
        store.save_ssh_keys(&keys, "").unwrap();
    }
}
