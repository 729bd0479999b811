//! What every command is told.

use std::path::PathBuf;

use clap::ValueEnum;

/// Options that every command understands.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    /// Topology.
    pub file: Option<PathBuf>,
    /// Files that change what it says, each what those before it say.
    pub patches: Vec<PathBuf>,
    /// What the file says instead, as `path=value`.
    pub set: Vec<String>,
    /// A lab that exists.
    pub lab: Option<String>,
    /// What nodes stand on.
    pub provider: Provider,
    /// Form of the data on standard output.
    pub output: Format,
    /// Say each step.
    pub verbose: bool,
    /// Say only what went wrong.
    pub quiet: bool,
}

/// What nodes stand on.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum Provider {
    /// The computer's libvirt when it answers, else a private one
    Auto,
    /// The computer's libvirt: LIBVIRT_DEFAULT_URI, or qemu:///system
    System,
    /// A libvirt of the lab's own, in namespaces of its own
    Private,
}

/// Form of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs: JSON, or YAML.
    Json,
}
