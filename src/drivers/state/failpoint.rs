//! Failpoints: every change that `lab` makes hits one. In earnest they do nothing; tests cut the power
//! before the n-th change, and nothing has an effect from then on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The failpoints of one run. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Failpoints(Option<Arc<Mutex<Passed>>>);

#[derive(Debug, Default)]
struct Passed {
    changes: Vec<String>,
    shut_at: Option<usize>,
    shut: bool,
}

impl Failpoints {
    /// Failpoints that count how often they are hit.
    pub fn counting() -> Self {
        Self(Some(Arc::default()))
    }

    /// Forgets what was hit, and cuts before the n-th change from now, counted from 1.
    pub fn shut_at(&self, change: Option<usize>) {
        if let Some(passed) = &self.0 {
            let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
            *passed = Passed { shut_at: change, ..Passed::default() };
        }
    }

    /// The changes made since, in order.
    pub fn passed(&self) -> Vec<String> {
        let Some(passed) = &self.0 else { return Vec::new() };
        passed.lock().unwrap_or_else(PoisonError::into_inner).changes.clone()
    }

    /// Called right before a change.
    ///
    /// # Errors
    /// When the power is out.
    pub fn hit(&self, change: &str) -> io::Result<()> {
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
    /// When the power is out.
    pub fn look(&self) -> io::Result<()> {
        let Some(passed) = &self.0 else { return Ok(()) };
        match passed.lock().unwrap_or_else(PoisonError::into_inner).shut {
            true => Err(io::Error::other("the power is out")),
            false => Ok(()),
        }
    }
}
