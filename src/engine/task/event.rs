//! What the engine says while it works. Terminal, JSON and run log are readers of this one list;
//! `lab schema events` and docs/events.md are made of it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::task::error::EngineError;
use crate::plan::Change;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A remark for the person.
    Note {
        /// In words.
        text: String,
    },
    /// Something to worry about.
    Warning {
        /// In words.
        text: String,
    },
    /// What will be done.
    Planned {
        /// All changes, in order.
        changes: Vec<Change>,
    },
    /// Work on a node (or on the whole lab) began.
    Started {
        /// Node; none for the whole lab.
        node: Option<String>,
        /// `boot`, a stage's name, or a piece of preparation.
        task: String,
    },
    /// A step of a stage began.
    Step {
        /// Name of the node.
        node: String,
        /// Name of the stage.
        task: String,
        /// Its title, as `lab stage show` prints it.
        step: String,
    },
    /// Work ended well.
    Finished {
        /// Name of the node.
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
        /// Name of the node.
        node: String,
        /// Name of the stage.
        task: String,
    },
    /// The run is over: always the last event; a log without it was cut.
    Ended {
        /// `done`, `unchanged`, `stopped`, `failed`, or `refused` when nothing was changed.
        outcome: &'static str,
        /// What ended the run as a whole; failures of nodes have events of their own.
        error: Option<Trouble>,
    },
}

/// Why a run ended that was not to end like this.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Trouble {
    /// Which kind of error it is: `lab help CODE` explains it.
    pub code: &'static str,
    /// What could not be done and why; fits after "failed to".
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl From<&EngineError> for Trouble {
    fn from(error: &EngineError) -> Self {
        Self { code: error.code.id, message: error.message.clone(), hint: error.hint.clone() }
    }
}

/// A failure with everything a person needs to go on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Failure {
    /// Which kind of error it is: `lab help CODE` explains it.
    pub code: &'static str,
    /// Name of the node; none for the whole lab.
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
