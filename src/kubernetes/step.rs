//! Steps: what a stage does on one node, as data. Only the engine carries them out.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::File;
use crate::model::name::hex;

/// One thing to bring about on a node.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// Packages that must be installed.
    Packages {
        /// Names in the node's own package family.
        names: Vec<String>,
    },
    /// A directory.
    Directory {
        /// Absolute path.
        path: String,
        /// Octal permissions.
        mode: u32,
        /// `user:group`.
        owner: String,
    },
    /// A whole file.
    File(File),
    /// A fenced block in a file that others own, too.
    Block {
        /// Absolute path.
        path: String,
        /// Lines between the fences.
        content: String,
    },
    /// A binary from the artifact disk, linked to where it is expected.
    Binary {
        /// File name on the disk.
        name: String,
        /// Absolute path of the link.
        path: String,
        /// The Kubernetes it is of, where it is of one: another one is another step.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// A systemd unit that must be enabled and run with its current files.
    Unit {
        /// Unit name with suffix.
        name: String,
        /// Reads its files anew without being stopped, where it runs already.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        reload: bool,
    },
    /// A script; the only untyped step.
    Run {
        /// What it does, for people.
        title: String,
        /// Shell condition under which there is nothing to do.
        unless: Option<String>,
        /// POSIX shell, run as root with `set -eu`.
        script: String,
        /// Matters only the first time; left out of the fingerprint.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        transient: bool,
    },
    /// A condition that comes true by itself.
    Wait {
        /// What is waited for.
        title: String,
        /// Shell command that succeeds once it is true.
        probe: String,
        /// Seconds it may take.
        timeout: u64,
        /// Command whose output explains a failure.
        hint: String,
        /// Done without when it does not come true, with a warning.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        optional: bool,
    },
}

impl Step {
    /// Has what must come true wait three times as long: many emulated nodes on few processors.
    pub fn give_time(&mut self) {
        if let Step::Wait { timeout, optional: false, .. } = self {
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
    pub fn transient(self) -> Step {
        match self {
            Step::File(file) => Step::File(File { transient: true, ..file }),
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
        Step::Unit { name: name.into(), reload: false }
    }

    /// A unit that takes new files without being stopped.
    pub fn reloading_unit(name: impl Into<String>) -> Step {
        Step::Unit { name: name.into(), reload: true }
    }

    /// A script that runs whenever its stage does.
    pub fn run(title: impl Into<String>, script: impl Into<String>) -> Step {
        Step::Run { title: title.into(), unless: None, script: script.into(), transient: false }
    }

    /// A script that runs unless the condition holds.
    pub fn run_unless(
        condition: impl Into<String>,
        title: impl Into<String>,
        script: impl Into<String>,
    ) -> Step {
        Step::Run {
            title: title.into(),
            unless: Some(condition.into()),
            script: script.into(),
            transient: false,
        }
    }

    /// A directory owned by root.
    pub fn directory(path: &str, mode: u32) -> Step {
        Step::Directory { path: path.into(), mode, owner: "root:root".into() }
    }

    /// One line for people.
    pub fn title(&self) -> String {
        match self {
            Step::Packages { names } => format!("install packages {}", names.join(", ")),
            Step::Directory { path, .. } => format!("make directory {path}"),
            Step::File(file) => format!("write {}", file.path),
            Step::Block { path, .. } => format!("keep a block in {path}"),
            Step::Binary { name, path, version } => {
                let version =
                    version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
                format!("link {path} to {name}{version} on the artifact disk")
            }
            Step::Unit { name, reload: false } => format!("enable and restart {name}"),
            Step::Unit { name, reload: true } => format!("enable and reload {name}"),
            Step::Run { title, .. } => title.clone(),
            Step::Wait { title, .. } => format!("wait until {title}"),
        }
    }
}

/// What a stage does on one node, as a hash: the stage reruns when it changes.
pub fn fingerprint(steps: &[Step]) -> String {
    let mut hash = Sha256::new();
    for step in steps {
        let transient = match step {
            Step::File(file) => file.transient,
            Step::Run { transient, .. } => *transient,
            _ => false,
        };
        if transient {
            continue;
        }
        // Steps are plain data; their JSON cannot fail.
        hash.update(serde_json::to_vec(step).unwrap_or_default());
        hash.update([0]);
    }
    hex(&hash.finalize())
}
