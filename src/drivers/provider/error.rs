//! What a provider says when it cannot do something.

use crate::model::code::{self, Code};

/// A call to a provider failed.
#[derive(Clone, Debug)]
pub struct ProviderError {
    /// Which kind of error it is.
    pub code: &'static Code,
    /// What was being done, as in "failed to …".
    pub doing: String,
    /// What the provider said; empty where `doing` says all.
    pub reason: String,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

impl ProviderError {
    /// A refusal of libvirt, or of what stands in its place; without a hint.
    pub fn new(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code: &code::LIBVIRT, doing: doing.into(), reason: reason.into(), hint: None }
    }

    /// Something of the computer around that failed.
    pub fn of_computer(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code: &code::COMPUTER, ..Self::new(doing, reason) }
    }

    /// A capability that the provider of that name does not have.
    pub fn lacks(provider: &str, capability: Capability) -> Self {
        let (doing, what, cure) = capability.words();
        Self {
            code: &code::LACKS,
            ..Self::new(doing, format!("the provider {provider} has no {what}"))
        }
        .hint(cure)
    }

    /// The same error with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// True when the provider cannot do such a thing at all: nothing was tried.
    pub fn is_lack(&self) -> bool {
        *self.code == code::LACKS
    }
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.doing)?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for ProviderError {}

/// Result of a provider's call.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// Something that one provider can do and another cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Guests are made and removed.
    Machines,
    /// Machines are started and stopped.
    Power,
    /// Serial consoles.
    Consoles,
    /// Pools and volumes.
    Storage,
    /// Networks.
    Networks,
    /// Moments of running machines are kept.
    Snapshots,
    /// Machines are copied from one that runs.
    Clones,
    /// Routes and a way out, on the computer around.
    Surroundings,
    /// Binaries are brought to machines without a disk of ours.
    Deliveries,
}

impl Capability {
    /// What cannot be done without it, its name, and what to do instead.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Machines => (
                "make a machine",
                "machines of its own to make or remove",
                "use the provider system or private, or machines that are there",
            ),
            Self::Power => (
                "switch a machine on or off",
                "power switch",
                "`lab ssh NODE` lets you shut it down or restart it; what is off is switched on by hand",
            ),
            Self::Consoles => (
                "open a console",
                "consoles",
                "`lab ssh NODE` while it answers; its own screen, or that of its maker, when not",
            ),
            Self::Storage => (
                "make a disk",
                "storage",
                "use the provider system or private, or machines that are there",
            ),
            Self::Networks => (
                "make a network",
                "networks of its own",
                "use the provider system or private, or machines that are there",
            ),
            Self::Snapshots => (
                "use snapshots",
                "snapshots",
                "keep what matters by etcd's own snapshots, or make the lab on the provider system or private",
            ),
            Self::Clones => (
                "copy a golden guest",
                "copies of guests that run",
                "`clone: boot` under `options`: nodes then boot",
            ),
            Self::Surroundings => (
                "set routes, or a way out",
                "computer around it",
                "set them where the machines are",
            ),
            Self::Deliveries => (
                "bring binaries to a machine",
                "way to bring binaries to machines",
                "use the provider system or private: their guests read binaries from a disk",
            ),
        }
    }
}
