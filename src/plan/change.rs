//! One change and how it reads.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::object::Object;

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Something new.
    Create,
    /// Something that exists is started.
    Start,
    /// Something that runs is changed while it runs.
    UpdateLive,
    /// Something is stopped, changed and started again; its data stays.
    Restart,
    /// Something is taken away and made anew; its data is lost.
    Replace,
    /// Something that runs is stopped; what it keeps stays.
    Stop,
    /// Something is taken away.
    Remove,
    /// A stage runs on a node.
    RunStage,
    /// What a stage made is taken off a node that stays.
    Retire,
}

/// Why a stage is taken off that keeps nothing of its own.
pub(super) const NOT_ASKED_FOR: &str = "the topology no longer asks for it";

/// Why a stage runs again that asks for something else than when it went through.
pub(super) const ANOTHER_TOPOLOGY: &str = "what it does has changed";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Kind.
    pub kind: ChangeKind,
    /// What it is done to.
    pub object: Object,
    /// Its name.
    pub name: String,
    /// Node it belongs to.
    pub node: Option<String>,
    /// Why.
    pub why: String,
}

impl Change {
    /// A change to something of the whole lab.
    pub fn shared(kind: ChangeKind, object: Object, name: &str, why: &str) -> Self {
        Self { kind, object, name: name.into(), node: None, why: why.into() }
    }

    /// A change to something of one node.
    pub fn of_node(kind: ChangeKind, object: Object, name: &str, node: &str, why: &str) -> Self {
        Self { node: Some(node.into()), ..Self::shared(kind, object, name, why) }
    }

    /// True when data is lost by it.
    pub fn is_destructive(&self) -> bool {
        match self.kind {
            ChangeKind::Remove | ChangeKind::Replace => true,
            ChangeKind::Retire => self.why != NOT_ASKED_FOR,
            _ => false,
        }
    }

    /// True for a stage that went through on its node, and asks for something else by now.
    pub fn is_of_another_topology(&self) -> bool {
        self.kind == ChangeKind::RunStage && self.why == ANOTHER_TOPOLOGY
    }

    /// True for a stage that never went through on its node.
    pub fn is_for_the_first_time(&self) -> bool {
        self.kind == ChangeKind::RunStage && self.why.is_empty()
    }

    /// The node that leaves by it.
    pub fn leaving(&self) -> Option<&str> {
        let of_node = matches!(self.object, Object::Domain | Object::Machine);
        self.node.as_deref().filter(|_| of_node && self.kind == ChangeKind::Remove)
    }

    /// The sign before it in a list.
    pub fn sign(&self) -> &'static str {
        match self.kind {
            ChangeKind::Create => "+",
            ChangeKind::Start | ChangeKind::RunStage => ">",
            ChangeKind::UpdateLive => "~",
            ChangeKind::Restart => "!",
            ChangeKind::Replace => "-/+",
            ChangeKind::Stop | ChangeKind::Remove | ChangeKind::Retire => "-",
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match self.kind {
            ChangeKind::Create => "create",
            ChangeKind::Start => "start",
            ChangeKind::UpdateLive => "update",
            ChangeKind::Restart => "redefine and restart",
            ChangeKind::Replace => "replace",
            ChangeKind::Stop => "stop",
            ChangeKind::Remove => "remove",
            ChangeKind::RunStage => "run",
            ChangeKind::Retire => "retire",
        };
        write!(f, "{} {verb} {} {}", self.sign(), self.object, self.name)?;
        if let Some(node) = self.node.as_ref().filter(|_| self.object == Object::Stage) {
            write!(f, " on {node}")?;
        }
        if !self.why.is_empty() {
            write!(f, "  ({})", self.why)?;
        }
        Ok(())
    }
}
