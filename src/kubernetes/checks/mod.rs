//! What `lab verify` proves: named checks, each a script on one or more nodes and a rule by which
//! its results are judged.

pub mod cis;
mod cluster;
pub mod failover;
mod inspect;
mod namespaces;
mod node;
mod readiness;
mod workload;

pub use inspect::inspection;
pub use readiness::all_ready;

use crate::model::{Lab, Node, Role};

/// How the results of a check's script are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// It must end with status 0 on every node. Status 69 says that what is checked is not there.
    Succeeds,
    /// It must end with status 0 on exactly one node.
    OnOneNode,
    /// It prints verdicts, one per line: number, `PASS` or `FAIL`, what was seen, separated by tabs.
    Verdicts,
}

/// Exit status of a check's script when what it checks was never installed.
pub const MISSING: u32 = 69;

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    /// Stable name.
    pub name: &'static str,
    /// The stage whose work it judges; `verify` for what all of them make together.
    pub stage: &'static str,
    /// Nodes it is made on.
    pub nodes: Vec<String>,
    /// What it proves.
    pub proves: String,
    /// POSIX shell, run as root; leaves nothing behind. Finds the seconds of the host's clock in
    /// `LAB_NOW`, what counts as news in `LAB_SINCE`, and a word of this run's own in `LAB_RUN`.
    pub script: String,
    /// What to look at when it fails.
    pub hint: String,
    /// How it is judged.
    pub judge: Judge,
}

/// All checks of a lab.
#[derive(Debug, Default)]
pub struct Plan {
    /// Checks of single nodes: nodes side by side, on each one after the other.
    pub nodes: Vec<Check>,
    /// Checks of the whole cluster, one after the other.
    pub cluster: Vec<Check>,
    /// A node, and a script that clears away what the checks made.
    pub afterwards: Option<(String, String)>,
}

const KUBECTL: &str = concat!(kubectl!(), " --request-timeout=30s");

/// Every check of a lab, in the order they are made and shown.
pub fn checks(lab: &Lab) -> Plan {
    let mut plan = Plan::default();
    for node in &lab.nodes {
        node::add(lab, node, &mut plan.nodes);
        plan.nodes.extend(cis::check(node));
    }
    cluster::add(lab, &mut plan);
    if let Some(controller) = lab.with_role(Role::ControlPlane).next() {
        workload::add(lab, controller, &mut plan);
    }
    plan
}

impl Plan {
    /// The checks that judge one stage's work.
    pub fn of_stage(mut self, stage: &str) -> Self {
        self.nodes.retain(|check| check.stage == stage);
        self.cluster.retain(|check| check.stage == stage);
        // What is cleared away is what the checks of the whole made.
        self.afterwards = self.afterwards.filter(|_| stage == "verify");
        self
    }
}

/// The stage that a check judges, by the check's name; units have their own.
pub(crate) fn stage_of(name: &str) -> &'static str {
    match name {
        "containerd" => "runtime",
        "kubelet" | "kube-proxy" => "worker",
        "haproxy" | "keepalived" => "load-balancer",
        "kube-controller-manager" | "kube-scheduler" => "control-plane",
        "ssh" | "names" | "dns" | "clock" => "os",
        "etcd-health" | "etcd-members" | "etcd-hashes" => "etcd",
        "api-ready" | "no-open-ports" | "anonymous-refused" | "secrets-encrypted" => {
            "control-plane"
        }
        "api-at-vip" | "vip-holder" | "balancer-health" => "load-balancer",
        "pod-routes" => "pod-network",
        "api-endpoint" | "node-ready" => "worker",
        "cluster-dns-up" => "addons",
        _ => "verify",
    }
}

/// A check on one node.
fn one(name: &'static str, node: &Node, proves: &str, script: &str, hint: &str) -> Check {
    Check {
        name,
        stage: stage_of(name),
        nodes: vec![node.name.clone()],
        proves: proves.into(),
        script: script.into(),
        hint: format!("on {}: {hint}", node.name),
        judge: Judge::Succeeds,
    }
}
