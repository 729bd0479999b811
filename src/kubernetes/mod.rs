//! Stages: pure functions from the model to steps. `STAGES` is the table of contents of a
//! bootstrap; a new stage is one folder and one line. No IO, no async.

macro_rules! kubectl {
    () => {
        "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
    };
}

/// Templates beside the file that names them, as `(name, text)`: `stages/os/sysctl.conf.j2`.
macro_rules! templates {
    ($folder:literal: $($file:literal),* $(,)?) => {
        &[$((concat!("stages/", $folder, "/", $file), include_str!($file))),*]
    };
}

pub mod checks;
pub mod drift;
pub mod hard_way;
pub mod marker;
pub mod node_info;
pub mod recovery;
pub(crate) mod stages;
mod step;

use hard_way::{control_plane, etcd, worker};
use stages::{addons, load_balancer, os, pod_network, runtime, verify};

use std::collections::BTreeMap;

use crate::model::{Lab, Node, Platform, Role};
use crate::pki::{Bundle, PkiError};
use crate::render::{RenderError, Templates};

/// kubectl on a controller, as its administrator.
pub const KUBECTL: &str = kubectl!();

pub use stages::os::hosts;
pub use step::{Step, fingerprint};

/// Everything a stage may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Its surroundings.
    pub platform: &'a Platform,
    /// Its secrets.
    pub bundle: &'a Bundle,
    /// The group-binding certificate of this run.
    pub super_admin: &'a crate::pki::Pair,
    /// Templates.
    pub templates: &'a Templates,
    /// The members that founded, or will found, the etcd cluster, as etcd writes them; see
    /// [`etcd::founder_entry`].
    pub etcd_founders: &'a [String],
}

/// A stage's steps could not be made.
#[derive(Debug)]
pub struct StageError(pub String);

impl std::fmt::Display for StageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StageError {}

impl From<RenderError> for StageError {
    fn from(error: RenderError) -> Self {
        Self(error.to_string())
    }
}

impl From<PkiError> for StageError {
    fn from(error: PkiError) -> Self {
        Self(error.to_string())
    }
}

/// What must be done before a stage may start on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// That stage, on the same node.
    SameNode(&'static str),
    /// That stage, on every node that has it.
    AllNodes(&'static str),
}

/// Whether the nodes of a lab go through a stage side by side or one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Side by side.
    Together,
    /// One at a time where it was carried out before: what it restarts serves the whole cluster.
    Rolling,
    /// One at a time where guests are emulated: each asks so much of the API servers when it joins that
    /// several at once, on few processors, can keep them from answering anybody.
    Joining,
}

/// One row of the bootstrap.
pub struct Stage {
    /// Short name, used on the command line and in markers.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Why it is there.
    pub why: &'static str,
    /// What it waits for.
    pub after: &'static [After],
    /// The nodes it runs on.
    pub nodes: fn(&Lab) -> Vec<&Node>,
    /// What it does there.
    pub steps: fn(&Context<'_>, &Node) -> Result<Vec<Step>, StageError>,
    /// Whether nodes go through it side by side.
    pub turns: Turns,
    /// What goes when a node stays but no longer has the stage.
    pub retire: Retire,
    /// The templates of its files.
    pub templates: Shipped,
}

/// Templates by name, `stages/os/sysctl.conf.j2`, with their text.
pub type Shipped = &'static [(&'static str, &'static str)];

/// What a stage leaves on a node that must go when the node no longer has the stage.
#[derive(Clone, Copy, Debug)]
pub struct Retire {
    /// Units that are stopped and disabled.
    pub units: &'static [&'static str],
    /// Files and directories that are removed.
    pub paths: &'static [&'static str],
}

impl Retire {
    const NOTHING: Retire = Retire { units: &[], paths: &[] };

    /// True when nothing stays.
    pub fn is_nothing(&self) -> bool {
        self.units.is_empty() && self.paths.is_empty()
    }

    /// Script that takes the stage `name` off a node.
    pub fn script(&self, name: &str) -> String {
        let mut text = String::new();
        for unit in self.units {
            text.push_str(&format!(
                "systemctl disable --quiet --now {unit} || true\nrm -f /etc/systemd/system/{unit}\n"
            ));
        }
        for path in self.paths {
            text.push_str(&format!("rm -rf {path}\n"));
        }
        text.push_str(&format!("systemctl daemon-reload\nrm -f {}{name}\n", marker::DIRECTORY));
        text
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({})", self.name)
    }
}

/// The bootstrap, in the order it is told.
pub const STAGES: &[Stage] = &[
    os::STAGE,
    runtime::STAGE,
    etcd::STAGE,
    control_plane::STAGE,
    load_balancer::STAGE,
    pod_network::STAGE,
    worker::STAGE,
    addons::STAGE,
    verify::STAGE,
];

/// All templates, those of stages included, each replaced by the entry of `overrides` with its name.
///
/// # Errors
/// When a template does not parse; the message names it and the line.
pub fn templates(overrides: &BTreeMap<String, String>) -> Result<Templates, RenderError> {
    let stages = STAGES.iter().flat_map(|stage| stage.templates);
    let shipped: Vec<_> = stages.chain(hard_way::SHARED).copied().collect();
    Templates::new(&shipped, overrides)
}

/// The stage of that name.
pub fn stage(name: &str) -> Option<&'static Stage> {
    STAGES.iter().find(|stage| stage.name == name)
}

/// The stage that makes a unit, by the unit's name with or without `.service`.
pub fn stage_of_unit(unit: &str) -> Option<&'static Stage> {
    let bare = |unit: &str| unit.trim_end_matches(".service").to_owned();
    STAGES.iter().find(|stage| stage.retire.units.iter().any(|own| bare(own) == bare(unit)))
}

/// `stage` and everything it needs, directly or not.
pub fn with_needs(stage: &'static Stage) -> Vec<&'static Stage> {
    let mut wanted = vec![stage.name];
    let mut at = 0;
    while let Some(name) = wanted.get(at).copied() {
        at += 1;
        let needs = STAGES.iter().find(|s| s.name == name).map_or(&[][..], |s| s.after);
        for need in needs {
            let (After::SameNode(name) | After::AllNodes(name)) = need;
            if !wanted.contains(name) {
                wanted.push(name);
            }
        }
    }
    STAGES.iter().filter(|stage| wanted.contains(&stage.name)).collect()
}

/// Where in the bootstrap others first wait for `node`, as an index of [`STAGES`]: the lower, the more
/// depends on its being there soon.
pub fn first_awaited(lab: &Lab, node: &Node) -> usize {
    let awaited = |name| STAGES.iter().any(|stage| stage.after.contains(&After::AllNodes(name)));
    let has = |stage: &Stage| (stage.nodes)(lab).iter().any(|other| other.name == node.name);
    STAGES.iter().position(|stage| awaited(stage.name) && has(stage)).unwrap_or(STAGES.len())
}

/// Script that waits until a node that was started again serves the cluster as before.
pub fn settled(node: &Node) -> String {
    let mut probes = Vec::new();
    if node.is(Role::Etcd) {
        probes.push(format!(
            "ETCDCTL_API=3 etcdctl {} endpoint health >/dev/null 2>&1",
            etcd::CLIENT
        ));
    }
    if node.is(Role::ControlPlane) {
        probes.push(format!("{KUBECTL} get --raw=/readyz >/dev/null 2>&1"));
    }
    if node.is(Role::LoadBalancer) {
        probes.push("curl -fs -o /dev/null --max-time 5 --unix-socket /run/haproxy/health.sock http://haproxy/api".into());
    }
    let all = if probes.is_empty() { "true".into() } else { probes.join(" && ") };
    format!(
        "tries=0\nuntil {all}; do tries=$((tries + 1)); test $tries -lt 150 || exit 1; sleep 2; done\n"
    )
}

/// Packages of a node's operating system for `purpose`; none when artifacts bring them.
fn packages(context: &Context<'_>, node: &Node, purpose: &str) -> Option<Step> {
    let names = context.platform.os(&node.os)?.packages.get(purpose)?.clone();
    Some(Step::Packages { names })
}

/// Where a binary is found on a node, and the step that puts it there: from the artifact disk
/// when it is on it, else from a package.
fn binary(context: &Context<'_>, name: &str) -> (String, Option<Step>) {
    if context.platform.artifacts.binaries.contains(name) {
        let path = format!("/usr/local/bin/{name}");
        let version = context.platform.version.to_string();
        let version = Some(version).filter(|_| name.starts_with("kube"));
        (path.clone(), Some(Step::Binary { name: name.into(), path, version }))
    } else {
        (format!("/usr/bin/{name}"), None)
    }
}
