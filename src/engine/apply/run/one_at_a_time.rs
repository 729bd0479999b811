//! One node at a time: whoever restarts something that the whole cluster relies on has its turn, and the
//! next one waits for it. Where one did not come back, nobody is next.

use tokio::sync::{Mutex, MutexGuard};

/// Whose turn it is. Holds the node that failed in its turn.
#[derive(Default)]
pub(crate) struct OneAtATime(Mutex<Option<String>>);

/// A turn; the next begins when it is dropped.
pub(crate) struct Turn<'t>(MutexGuard<'t, Option<String>>);

impl OneAtATime {
    /// Waits for a turn at what serves. `None` once a node failed in its own: another one that stops
    /// might be one too many.
    pub(crate) async fn serving(&self) -> Option<Turn<'_>> {
        let turn = self.0.lock().await;
        turn.is_none().then_some(Turn(turn))
    }

    /// Waits for a turn at what nobody relies on yet.
    pub(crate) async fn joining(&self) -> Turn<'_> {
        Turn(self.0.lock().await)
    }
}

impl Turn<'_> {
    /// Ends the turn: what serves is left alone from now on.
    pub(crate) fn failed(mut self, node: &str) {
        self.0.get_or_insert_with(|| node.to_owned());
    }
}
