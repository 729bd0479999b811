//! The lock of a lab: one run at a time.

use std::io;

use serde::{Deserialize, Serialize};

use crate::drivers::state::error::{StoreError, failed};
use crate::drivers::state::file_lock::FileLock;
use crate::drivers::state::files::sweep;
use crate::drivers::state::store::{LOCK, Store, WRITTEN};

/// Who holds a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Command line.
    pub command: String,
    /// When it started, RFC 3339.
    pub since: String,
}

/// The lock was not to be had.
#[derive(Debug)]
pub enum LockError {
    /// Another run has it.
    Held(Option<Holder>),
    /// The file system refused.
    Failed(StoreError),
}

impl From<StoreError> for LockError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Takes the lab's lock without waiting. What killed runs left half written or half removed goes.
    ///
    /// # Errors
    /// Who holds it, or why it cannot be taken.
    pub fn lock(&self, command: &str) -> Result<FileLock, LockError> {
        let path = self.path(LOCK);
        let mut tries = 100;
        let lock = loop {
            self.create()?;
            match FileLock::attempt(&path) {
                Ok(Some(lock)) => break lock,
                Ok(None) => {
                    let holder = self.read("lock.json").ok().flatten();
                    let holder = holder.and_then(|text| serde_json::from_str(&text).ok());
                    return Err(LockError::Held(holder));
                }
                // Its directory has just been moved away by who had it: it begins anew.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
                Err(error) => return Err(failed("lock", &path)(error).into()),
            }
        };
        self.sweep()?;
        let holder = Holder {
            pid: std::process::id(),
            command: command.into(),
            since: crate::drivers::host::timestamp(),
        };
        self.write("lock.json", &serde_json::to_string(&holder).unwrap_or_default())?;
        Ok(lock)
    }

    /// Removes what killed runs left: files half written, and directories half removed.
    fn sweep(&self) -> Result<(), StoreError> {
        sweep(self.failpoints(), self.root(), WRITTEN).map_err(failed("tidy", self.root()))?;
        self.remove_leftovers()
    }
}
