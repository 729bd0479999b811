//! A fault: something that breaks on nodes, what a learner sees of it, and what puts it right.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::flaw::Flaw;
use crate::model::lab::Lab;
use crate::model::lesson::step::{Cure, Question};
use crate::model::lesson::{Level, read};
use crate::model::role::Role;

/// What describes a fault, in its folder.
pub const FAULT: &str = "fault.yaml";
/// The script that breaks it.
const SCRIPT: &str = "break.sh";

/// One fault, as its folder says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Name of its folder.
    #[serde(skip)]
    pub name: String,
    /// Its files, text by name.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
    /// Name for people who may know.
    pub title: String,
    /// What it is a fault of: one of [`LAYERS`].
    pub layer: String,
    /// How hard it is to find.
    pub level: Level,
    /// Flavours of Kubernetes in which it can be; all without a word.
    #[serde(default)]
    pub flavours: Vec<String>,
    /// What a lab must have for it to be seen.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The role of the node that it is on.
    pub on: String,
    /// What a learner sees.
    pub seen: String,
    /// Checks of `lab verify` that fail while it is there.
    #[serde(default)]
    pub fails: Vec<String>,
    /// What else does not hold while it is there.
    #[serde(default)]
    pub verify: Vec<Question>,
    /// What helps to find it.
    pub hints: Vec<String>,
    /// What puts it right.
    pub solve: Vec<Cure>,
}

/// Something that a lab has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Pods on more than one node.
    TwoWorkers,
    /// Nobody who does the work of the controller that is broken.
    OneController,
    /// A floating address on load balancers.
    FloatingAddress,
    /// The cluster's DNS.
    Coredns,
    /// A single member of etcd.
    OneMember,
    /// Nobody between workers and the API.
    NoLoadBalancer,
}

impl Need {
    /// What a lab lacks of what is needed, in words.
    pub fn lacking(needs: &[Self], lab: &Lab) -> Option<String> {
        let lacking = needs.iter().find(|need| !need.is_met(lab))?;
        Some(format!("it needs {}", lacking.told()))
    }

    fn is_met(self, lab: &Lab) -> bool {
        match self {
            Self::TwoWorkers => lab.with_pods().count() > 1,
            Self::OneController => lab.with_role(Role::ControlPlane).count() == 1,
            Self::FloatingAddress => lab.vips.iter().any(|vip| vip.role == Role::LoadBalancer),
            Self::Coredns => lab.kubernetes.has_addon("coredns"),
            Self::OneMember => lab.with_role(Role::Etcd).count() == 1,
            Self::NoLoadBalancer => lab.with_role(Role::LoadBalancer).next().is_none(),
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::TwoWorkers => "pods on more than one node",
            Self::OneController => "a single controller",
            Self::FloatingAddress => "a floating address on load balancers",
            Self::Coredns => "the add-on coredns",
            Self::OneMember => "a single member of etcd",
            Self::NoLoadBalancer => "a lab without load balancers",
        }
    }
}

/// What faults are of, from the machine up.
pub const LAYERS: &[&str] =
    &["machine", "runtime", "etcd", "control-plane", "worker", "network", "cluster"];

impl Fault {
    /// The fault of a folder with these files.
    ///
    /// # Errors
    /// What is wrong with the description, or which file is missing.
    pub fn of(name: &str, files: BTreeMap<String, String>) -> Result<Self, Flaw> {
        let text = files.get(FAULT).map(String::as_str).unwrap_or_default();
        let mut fault: Self = read(text, FAULT, name)?;
        name.clone_into(&mut fault.name);
        fault.files = files;
        fault.flaw().map_or(Ok(fault), Err)
    }

    fn flaw(&self) -> Option<Flaw> {
        let told = |message: String| {
            Some(Flaw::new(
                format!("the fault '{}' {message}", self.name),
                format!("correct its {FAULT}"),
            ))
        };
        if !self.files.contains_key(SCRIPT) {
            return told(format!("has no file '{SCRIPT}'"));
        }
        if !LAYERS.contains(&self.layer.as_str()) {
            return told(format!("is of no layer: '{}'", self.layer));
        }
        if Role::parse(&self.on).is_none() {
            return told(format!("is on nodes of no role: '{}'", self.on));
        }
        if self.fails.is_empty() && self.verify.is_empty() {
            return told("is seen by nobody".into());
        }
        if self.solve.is_empty() || self.hints.is_empty() {
            return told("has no way out".into());
        }
        let asked = self.verify.iter().find_map(|question| question.flaw(&self.files));
        let flaw = asked.or_else(|| self.solve.iter().find_map(|cure| cure.flaw(&self.files)));
        flaw.and_then(|flaw| told(flaw.message))
    }

    /// The script that breaks it.
    pub fn script(&self) -> &str {
        self.files.get(SCRIPT).map(String::as_str).unwrap_or_default()
    }

    /// The role of nodes that it can be on.
    pub fn role(&self) -> Option<Role> {
        Role::parse(&self.on)
    }

    /// Why it cannot be seen in a lab, in words; `None` where it can.
    pub fn unfit(&self, lab: &Lab) -> Option<String> {
        let flavour = &lab.kubernetes.flavour;
        if !self.flavours.is_empty() && !self.flavours.contains(flavour) {
            return Some(format!("it is for the flavour {}", self.flavours.join(", ")));
        }
        if self.role().is_none_or(|role| lab.with_role(role).next().is_none()) {
            return Some(format!("the lab has no node with the role {}", self.on));
        }
        Need::lacking(&self.needs, lab)
    }
}
