//! Binaries on their way to machines that have no disk of ours: each file once, the rest of it where a
//! connection was cut, and all of them checked before anything is started from them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::drivers::assets::regular;
use crate::drivers::guest::ssh::{Ssh, quote};
use crate::drivers::guest::{Guest, GuestError, Output};
use crate::drivers::provider::existing::Existing;
use crate::drivers::provider::{Delivered, Deliveries, Delivery, ProviderError};
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::task::error::EngineError;
use crate::model::Node;

/// What a machine has of a delivery, and the names of what it lacks.
const SURVEY: &str = include_str!("uploads-survey.sh");
/// Takes one file from where it was cut.
const TAKE: &str = include_str!("uploads-take.sh");
/// Checks all of them, and has them count.
const FINISH: &str = include_str!("uploads-finish.sh");

/// How long a machine may take to let us in.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are read at once.
const PIECE: usize = 1 << 18;

/// Machines that are brought binaries at the same time: more of them share one way out of this computer.
const AT_ONCE: usize = 4;

/// The ways to a lab's machines.
struct Uploads {
    places: Semaphore,
    ways: BTreeMap<String, Result<Arc<Ssh>, EngineError>>,
}

impl Session {
    /// The same lab, which knows its machines: those that left are given back, and the others are brought binaries.
    ///
    /// # Errors
    /// When nobody can read which machines were nodes.
    pub fn with_machines(mut self) -> Result<Self, EngineError> {
        let way =
            |node: &Node| (node.name.clone(), self.ssh_to_existing(node, PATIENCE).map(Arc::new));
        if matches!(self.provider, ProviderKind::Existing(_)) {
            let ways = self.lab.machines().map(way).collect();
            let uploads = Uploads { places: Semaphore::new(AT_ONCE), ways };
            let leaving = self.machines_that_left()?;
            let machines = Existing::of(self.lab.id, self.lab.machines().chain(&leaving));
            self.provider = ProviderKind::Existing(machines.delivered_by(Arc::new(uploads)));
            self.leaving = leaving;
        }
        Ok(self)
    }
}

impl Deliveries for Uploads {
    fn deliver(&self, node: &str, delivery: &Delivery) -> Result<(), ProviderError> {
        let failed = |why: GuestError| {
            ProviderError::new(format!("bring the binaries to {node}"), why.message)
        };
        let ssh = match self.ways.get(node) {
            Some(Ok(ssh)) => Arc::clone(ssh),
            Some(Err(error)) => return Err(failed(odd(error))),
            None => return Err(failed(odd("the lab has no such machine"))),
        };
        // On a thread that may block.
        let work = async {
            let _place = self.places.acquire().await;
            deliver(&ssh, delivery).await
        };
        Handle::current().block_on(work).map_err(failed)
    }
}

/// What is not as it should be, and no better for being tried again.
fn odd(why: impl std::fmt::Display) -> GuestError {
    GuestError { retry: false, ..GuestError::new(why.to_string()) }
}

async fn deliver(ssh: &Ssh, delivery: &Delivery) -> Result<(), GuestError> {
    let manifest: String =
        delivery.files.iter().map(|(name, file)| format!("{}  {name}\n", file.sha256)).collect();
    let about = format!("set -- {} {}\n", quote(&delivery.digest), quote(&manifest));
    let lacking = said(ssh.run(&format!("{about}{SURVEY}")).await)?;
    for line in lacking.lines() {
        let named =
            line.split_once(' ').and_then(|(bytes, name)| Some((bytes.parse().ok()?, name)));
        let named = named.and_then(|(from, name)| Some((from, name, delivery.files.get(name)?)));
        let (from, name, file) =
            named.ok_or_else(|| odd(format!("the machine asks for '{line}'")))?;
        send(ssh, &delivery.digest, name, file, from).await?;
    }
    said(ssh.run(&format!("{about}{FINISH}")).await).map(drop)
}

/// Sends a file from its `from`th byte on.
async fn send(
    ssh: &Ssh,
    digest: &str,
    name: &str,
    file: &Delivered,
    from: u64,
) -> Result<(), GuestError> {
    let broken = |error: &dyn std::fmt::Display| odd(format!("{name}: {error}"));
    let mut open = regular::open(&file.root, &file.path).map_err(|error| broken(&error))?;
    let whole = open.metadata().map_err(|error| broken(&error))?.len();
    let from = if from > whole { 0 } else { from };
    open.seek(SeekFrom::Start(from)).map_err(|error| broken(&error))?;
    let arguments = [digest, name, &from.to_string(), &whole.to_string()].map(quote).join(" ");
    let command = ssh.as_root(&format!("/bin/sh -euc {} take {arguments}", quote(TAKE)));
    let pieces = std::iter::from_fn(|| {
        let mut piece = vec![0; PIECE];
        match open.read(&mut piece) {
            Ok(0) => None,
            Ok(bytes) => {
                piece.truncate(bytes);
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error)),
        }
    });
    said(ssh.exec_with(&command, pieces).await).map(drop)
}

/// What a script printed that succeeded.
fn said(output: Result<Output, GuestError>) -> Result<String, GuestError> {
    let output = output?;
    match output.status {
        0 => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(odd(output.text().trim())),
    }
}
