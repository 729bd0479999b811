//! Steps: what a stage does on one node, as data. Each kind has a file: its title, the script that brings it
//! about, what stays true, and how people see it. Only the engine carries steps out.

mod batch;
mod binary;
mod block;
mod directory;
mod file;
mod kept;
mod kind;
mod packages;
mod run;
mod unit;
pub(crate) mod wait;

use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::File;
use crate::model::name::hex;
use kind::Kind;

pub use batch::{Batch, Work, batches, shown};
pub use binary::Binary;
pub use block::Block;
pub use directory::Directory;
pub use kept::Kept;
pub(crate) use kind::{About, Lasting};
pub use packages::Packages;
pub use run::Run;
pub use unit::Unit;
pub use wait::Wait;

/// The scripts of the kinds.
pub(crate) const TEMPLATES: &[(&str, &str)] = templates!(
    "step": "binary.sh.j2", "block.sh.j2", "packages.sh.j2", "unit.sh.j2", "wait.sh.j2",
);

/// One thing to bring about on a node.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// Packages that must be installed.
    Packages(Packages),
    /// A directory.
    Directory(Directory),
    /// A whole file.
    File(File),
    /// A fenced block in a file that others own, too.
    Block(Block),
    /// A binary from the artifact disk, linked to where it is expected.
    Binary(Binary),
    /// A systemd unit that must be enabled and run with its current files.
    Unit(Unit),
    /// A script.
    Run(Run),
    /// Something that the cluster knows.
    Kept(Kept),
    /// A condition that comes true by itself.
    Wait(Wait),
}

impl Step {
    /// Has what must come true wait three times as long: many emulated nodes on few processors.
    pub fn give_time(&mut self) {
        if let Step::Wait(Wait { timeout, optional: false, .. }) = self {
            *timeout *= 3;
        }
    }

    /// A file everybody may read, owned by root.
    pub fn file(path: impl Into<String>, content: impl Into<String>) -> Step {
        Step::File(File {
            path: path.into(),
            mode: 0o644,
            owner: "root:root".into(),
            content: content.into(),
            secret: false,
            transient: false,
            unless: None,
        })
    }

    /// A file only root may read whose content is no secret (CIS wants 600 on units and configs).
    pub fn private(path: impl Into<String>, content: impl Into<String>) -> Step {
        match Step::file(path, content) {
            Step::File(file) => Step::File(File { mode: 0o600, ..file }),
            other => other,
        }
    }

    /// A file that holds a secret: mode 600, never shown.
    pub fn secret(path: impl Into<String>, content: impl Into<String>) -> Step {
        match Step::private(path, content) {
            Step::File(file) => Step::File(File { secret: true, ..file }),
            other => other,
        }
    }

    /// The same file with another owner.
    pub fn owned_by(self, owner: &str) -> Step {
        match self {
            Step::File(file) => Step::File(File { owner: owner.into(), ..file }),
            other => other,
        }
    }

    /// The same file, left out of the fingerprint.
    pub fn transient(self, unless: &str) -> Step {
        let unless = Some(unless.to_owned());
        match self {
            Step::File(file) => Step::File(File { transient: true, unless, ..file }),
            other => other,
        }
    }

    /// A script that everybody may run, as keepalived wants its helpers.
    pub fn executable(path: impl Into<String>, content: impl Into<String>) -> Step {
        match Step::file(path, content) {
            Step::File(file) => Step::File(File { mode: 0o755, ..file }),
            other => other,
        }
    }

    /// A unit that is restarted with its files.
    pub fn unit(name: impl Into<String>) -> Step {
        Step::Unit(Unit { name: name.into(), reload: false })
    }

    /// A unit that takes new files without being stopped.
    pub fn reloading_unit(name: impl Into<String>) -> Step {
        Step::Unit(Unit { name: name.into(), reload: true })
    }

    /// A script that runs whenever its stage does.
    pub fn run(title: impl Into<String>, script: impl Into<String>) -> Step {
        Step::Run(Run {
            title: title.into(),
            unless: None,
            script: script.into(),
            transient: false,
        })
    }

    /// A script that runs unless the condition holds.
    pub fn run_unless(
        condition: impl Into<String>,
        title: impl Into<String>,
        script: impl Into<String>,
    ) -> Step {
        Step::Run(Run {
            title: title.into(),
            unless: Some(condition.into()),
            script: script.into(),
            transient: false,
        })
    }

    /// A directory owned by root.
    pub fn directory(path: &str, mode: u32) -> Step {
        Step::Directory(Directory { path: path.into(), mode, owner: "root:root".into() })
    }

    fn kind(&self) -> &dyn Kind {
        match self {
            Step::Packages(packages) => packages,
            Step::Directory(directory) => directory,
            Step::File(file) => file,
            Step::Block(block) => block,
            Step::Binary(binary) => binary,
            Step::Unit(unit) => unit,
            Step::Run(run) => run,
            Step::Kept(kept) => kept,
            Step::Wait(wait) => wait,
        }
    }

    /// One line for people.
    pub fn title(&self) -> String {
        self.kind().title()
    }

    /// What it leaves behind that is to be so later.
    pub(crate) fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        self.kind().lasting()
    }

    /// How people see it, below its title.
    fn show(&self, script: &str, hint: &str) -> String {
        self.kind().show(script, hint)
    }
}

/// What a stage does on one node, as a hash: the stage reruns when it changes.
pub fn fingerprint(steps: &[Step]) -> String {
    let mut hash = Sha256::new();
    for step in steps {
        if step.kind().is_transient() {
            continue;
        }
        // Steps are plain data; their JSON cannot fail.
        hash.update(serde_json::to_vec(step).unwrap_or_default());
        hash.update([0]);
    }
    hex(&hash.finalize())
}
