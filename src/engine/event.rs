//! What the engine says while it works. Terminal, JSON and run log are readers of this one list.

use serde::Serialize;

use crate::plan::Change;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A remark for the person.
    Note {
        /// Text.
        text: String,
    },
    /// Something to worry about.
    Warning {
        /// Text.
        text: String,
    },
    /// What will be done.
    Planned {
        /// All changes, in order.
        changes: Vec<Change>,
    },
    /// Work on a node (or on the whole lab) began.
    Started {
        /// Node, `None` for the whole lab.
        node: Option<String>,
        /// `boot`, a stage's name, or a piece of preparation.
        task: String,
    },
    /// A step of a stage began.
    Step {
        /// Node.
        node: String,
        /// Stage.
        task: String,
        /// Title.
        step: String,
    },
    /// Work ended well.
    Finished {
        /// Node.
        node: Option<String>,
        /// As in `Started`.
        task: String,
        /// Seconds it took.
        seconds: f64,
    },
    /// Work ended badly.
    Failed(Failure),
    /// Work was not begun, because something it needs failed or the run was stopped.
    Skipped {
        /// Node.
        node: String,
        /// Stage.
        task: String,
    },
}

/// A failure with everything a person needs to go on.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Node.
    pub node: Option<String>,
    /// Stage or task.
    pub task: String,
    /// Step within the stage.
    pub step: Option<String>,
    /// What went wrong.
    pub message: String,
    /// The last lines that matter: of the command, the journal or the console.
    pub tail: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// True when the node was lost on the way, as by a restart of the guest: the stage may be tried again.
    #[serde(skip)]
    pub lost: bool,
}

/// Where events go. Clones share one reader.
#[derive(Clone, Debug)]
pub struct Events(tokio::sync::mpsc::UnboundedSender<Event>);

impl Events {
    /// A channel: this end for the engine, the other for the reader.
    pub fn channel() -> (Self, tokio::sync::mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Says something; nobody listening is fine.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// A remark.
    pub fn note(&self, text: impl Into<String>) {
        self.send(Event::Note { text: text.into() });
    }

    /// A warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(Event::Warning { text: text.into() });
    }

    /// Times a piece of work of the whole lab or of one node.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn timed<T, E>(
        &self,
        node: Option<&str>,
        task: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let node = node.map(str::to_owned);
        self.send(Event::Started { node: node.clone(), task: task.into() });
        let start = std::time::Instant::now();
        let result = work.await;
        if result.is_ok() {
            let seconds = start.elapsed().as_secs_f64();
            self.send(Event::Finished { node, task: task.into(), seconds });
        }
        result
    }
}
