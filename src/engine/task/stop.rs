//! A request to stop, which whoever works looks at between two steps, or while waiting.

use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::task::error::EngineError;
use crate::model::code;

/// A request to stop, shared with the signal handler.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Stop {
    /// Asks every lane to stop at its next step.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// True once asked.
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until asked.
    async fn wait(&self) {
        // The sender lives in us, so the wait cannot end for lack of one.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }

    /// Waits for `work`, and gives it up when asked to stop; `what` it is fits after "failed to".
    ///
    /// # Errors
    /// Those of `work`, and that the run was stopped.
    pub(crate) async fn or<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        tokio::select! {
            done = work => done,
            () = self.wait() => {
                Err(EngineError::of(&code::STOPPED, format!("{what}: the run was stopped")))
            }
        }
    }
}
