//! Every change that `lab` makes passes a gate. In earnest it stands open and costs nothing; tests
//! shut it before the n-th change, as a loss of power would: nothing has an effect from then on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A gate. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Option<Arc<Mutex<Passed>>>);

#[derive(Debug, Default)]
struct Passed {
    changes: Vec<String>,
    shut_at: Option<usize>,
    shut: bool,
}

impl Gate {
    /// A gate that counts what passes.
    pub fn counting() -> Self {
        Self(Some(Arc::default()))
    }

    /// Forgets what passed, and shuts before the n-th change from now, counted from 1.
    pub fn shut_at(&self, change: Option<usize>) {
        if let Some(passed) = &self.0 {
            let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
            *passed = Passed { shut_at: change, ..Passed::default() };
        }
    }

    /// What passed since, in order.
    pub fn passed(&self) -> Vec<String> {
        let Some(passed) = &self.0 else { return Vec::new() };
        passed.lock().unwrap_or_else(PoisonError::into_inner).changes.clone()
    }

    /// Lets one change through.
    ///
    /// # Errors
    /// When the gate is shut.
    pub fn pass(&self, change: &str) -> io::Result<()> {
        let Some(passed) = &self.0 else { return Ok(()) };
        let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.shut |= passed.shut_at.is_some_and(|at| passed.changes.len() + 1 >= at);
        if passed.shut {
            return Err(io::Error::other("the power is out"));
        }
        passed.changes.push(change.into());
        Ok(())
    }

    /// Lets somebody look who changes nothing.
    ///
    /// # Errors
    /// When the gate is shut.
    pub fn look(&self) -> io::Result<()> {
        let Some(passed) = &self.0 else { return Ok(()) };
        match passed.lock().unwrap_or_else(PoisonError::into_inner).shut {
            true => Err(io::Error::other("the power is out")),
            false => Ok(()),
        }
    }
}
