//! A stage: one row of a flavour's table, with all that is known of it.

use crate::kubernetes::checks::{Check, Needs, Plan, Scope};
use crate::kubernetes::step::{Binary, Packages, Step};
use crate::model::{Lab, Node, Platform};
use crate::pki::{Bundle, PkiError};
use crate::render::{RenderError, Templates};

/// kubectl on a controller, as its administrator.
pub const KUBECTL: &str = kubectl!();

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
    /// What all stages of a node need of it.
    pub needs: fn(&Lab, &Node) -> Vec<Needs>,
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
    /// True for the one by which every node of every lab begins.
    pub begins: bool,
    /// What it does there.
    pub steps: fn(&Context<'_>, &Node) -> Result<Vec<Step>, StageError>,
    /// Whether nodes go through it side by side.
    pub turns: Turns,
    /// True when what it does on a node is for other nodes, which would not be reached without.
    pub for_others: bool,
    /// What the cluster then has of a node.
    pub duties: &'static [Duty],
    /// Shell command that succeeds on a node that serves the cluster, where that can be asked.
    pub serves: Option<&'static str>,
    /// What is told, as a warning, before it runs: something that is wanted and cannot be had.
    pub lacks: fn(&Lab, &Platform) -> Option<String>,
    /// What goes when a node stays but no longer has the stage.
    pub retire: Retire,
    /// Template of the shell that is run once what it brought is gone.
    pub undone: Option<&'static str>,
    /// Units that it makes, or has run.
    pub units: &'static [&'static str],
    /// What must be so where it was carried out.
    pub checks: fn(&Scope<'_>) -> Result<Plan, RenderError>,
    /// What it needs of a node that it runs on.
    pub needs: fn(&Lab, &Node) -> Needs,
    /// What must be so on a node before it can run there, and after.
    pub inspect: fn(&Scope<'_>, &Node) -> Result<Vec<Check>, RenderError>,
    /// Shell that prints what it knows of a node as `key=value` lines, see [`node_info`](crate::kubernetes::node_info).
    pub info: fn(&Scope<'_>, &Node) -> Result<String, RenderError>,
    /// The templates of its files and scripts.
    pub templates: Shipped,
    /// Its page of the workshop.
    pub page: &'static str,
}

impl Stage {
    /// What most stages have, for the rows of a table to begin with.
    pub const PLAIN: Stage = Stage {
        name: "",
        title: "",
        why: "",
        after: &[],
        nodes: |_| Vec::new(),
        begins: false,
        steps: |_, _| Ok(Vec::new()),
        turns: Turns::Together,
        for_others: false,
        duties: &[],
        serves: None,
        lacks: |_, _| None,
        retire: Retire::Never,
        undone: None,
        units: &[],
        checks: |_| Ok(Plan::default()),
        needs: |_, _| Needs::NOTHING,
        inspect: |_, _| Ok(Vec::new()),
        info: |_, _| Ok(String::new()),
        templates: &[],
        page: "",
    };
}

/// What a cluster has of the nodes that a stage was carried out on. The engine asks for it when nodes come,
/// go or change; it knows no stage by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// A vote of those who keep everything that Kubernetes knows.
    Member,
    /// A door to the cluster: whom to ask about nodes.
    Api,
    /// A place for pods, which move away before it goes.
    Pods,
}

/// Templates by name, `stages/os/sysctl.conf.j2`, with their text.
pub type Shipped = &'static [(&'static str, &'static str)];

/// What becomes of a stage on a node that stays and no longer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// Nothing goes: every node keeps the stage, or what it leaves is another one's to take away.
    Never,
    /// What its steps brought goes, and these directories with all that gathered in them.
    WithData(&'static [&'static str]),
}

impl Stage {
    /// True when the cluster has `duty` of the nodes that went through it.
    pub fn has(&self, duty: Duty) -> bool {
        self.duties.contains(&duty)
    }

    /// True when `node` goes through it.
    pub fn is_on(&self, lab: &Lab, node: &Node) -> bool {
        (self.nodes)(lab).iter().any(|other| other.name == node.name)
    }

    /// What its checks are made from; `restarted` are nodes that started anew.
    pub(crate) fn scope<'a>(
        &self,
        lab: &'a Lab,
        templates: &'a Templates,
        restarted: &'a [&'a str],
    ) -> Scope<'a> {
        Scope { lab, templates, stage: self.name, restarted }
    }

    /// The checks that judge its work.
    ///
    /// # Errors
    /// When a script cannot be rendered.
    pub fn plan(&self, lab: &Lab, templates: &Templates) -> Result<Plan, RenderError> {
        (self.checks)(&self.scope(lab, templates, &[]))
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({})", self.name)
    }
}

/// Packages of a node's operating system for `purpose`; none when artifacts bring them.
pub(crate) fn packages(context: &Context<'_>, node: &Node, purpose: &str) -> Option<Step> {
    let names = context.platform.os(&node.os)?.packages.get(purpose)?.clone();
    Some(Step::Packages(Packages { names }))
}

/// Where a binary is found on a node, and the step that puts it there: from the artifact disk
/// when it is on it, else from a package.
pub(crate) fn binary(context: &Context<'_>, name: &str) -> (String, Option<Step>) {
    if context.platform.artifacts.binaries.contains(name) {
        let path = format!("/usr/local/bin/{name}");
        let version = context.platform.version.to_string();
        let version = Some(version).filter(|_| name.starts_with("kube"));
        (path.clone(), Some(Step::Binary(Binary { name: name.into(), path, version })))
    } else {
        (format!("/usr/bin/{name}"), None)
    }
}
