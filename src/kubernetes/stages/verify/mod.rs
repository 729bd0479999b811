//! `verify`: proof that the parts make a cluster: every node Ready, a pod running on each worker.

mod checks;
mod cis;
pub mod failover;
pub(crate) mod workload;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::kubernetes::stage::{After, Context, KUBECTL, Stage, StageError};
use crate::kubernetes::step::{Run, Step, Wait};
use crate::model::lab::Vip;
use crate::model::{Lab, Node, Role, Taint, port};

pub(crate) const STAGE: Stage = Stage {
    name: "verify",
    title: "Verification",
    why: "Running services are no cluster yet: nodes must be Ready and pods must start on them.",
    after: &[
        After::AllNodes("control-plane"),
        After::AllNodes("worker"),
        After::AllNodes("nodes"),
        After::AllNodes("pod-network"),
        After::AllNodes("load-balancer"),
        After::AllNodes("addons"),
    ],
    nodes: |lab| lab.with_role(Role::ControlPlane).take(1).collect(),
    steps,
    checks: checks::checks,
    templates: templates!(
        "verify":
        "certificates.sh.j2",
        "cis.sh.j2",
        "clear.sh.j2",
        "cluster-dns.sh.j2",
        "exec.sh.j2",
        "failover-clear.sh.j2",
        "failover-count.sh.j2",
        "failover-prepare.sh.j2",
        "failover-service.sh.j2",
        "failover-writer.sh.j2",
        "logs.sh.j2",
        "network-policies.sh.j2",
        "node-port.sh.j2",
        "pod-to-pod.sh.j2",
        "pods-run.sh.j2",
        "pods.yaml.j2",
        "port-forward.sh.j2",
        "service-address.sh.j2",
        "soon.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

const PODS: &str = "/etc/kubernetes/lab/verify-pods.yaml";

#[derive(Serialize)]
struct Data<'a> {
    /// Names, and the taints that the topology has for each.
    workers: Vec<(&'a str, &'a BTreeSet<Taint>)>,
    image: &'a str,
}

/// The API answers at a floating address.
fn floating(lab: &Lab, vip: &Vip) -> Step {
    Step::Wait(Wait {
        title: format!("the API answers at {} ({})", vip.address, vip.name),
        probe: format!(
            "{KUBECTL} --server=https://{}:{} --request-timeout=30s get --raw=/readyz >/dev/null 2>&1",
            vip.address, lab.kubernetes.api_port
        ),
        timeout: 600,
        hint: "journalctl -u keepalived -n 20 --no-pager; ip -br -4 address".into(),
        optional: false,
    })
}

/// kube-proxy of a worker has written its rules.
fn proxy(worker: &Node) -> Step {
    Step::Wait(Wait {
        title: format!("kube-proxy of {} is healthy", worker.name),
        probe: format!(
            "curl -fs -o /dev/null --max-time 10 http://{}:{}/healthz",
            worker.address,
            port::KUBE_PROXY_HEALTH
        ),
        timeout: 300,
        hint: format!("echo 'on {}: journalctl -u kube-proxy'", worker.name),
        optional: false,
    })
}

fn steps(context: &Context<'_>, _node: &Node) -> Result<Vec<Step>, StageError> {
    let workers: Vec<&str> =
        context.lab.with_role(Role::Worker).map(|node| node.name.as_str()).collect();
    let tainted = context.lab.with_role(Role::Worker).map(Node::tainted);
    let image = crate::kubernetes::stages::runtime::SANDBOX_IMAGE;
    let data = Data { workers: tainted.collect(), image };
    let pods = context.templates.render("stages/verify/pods.yaml.j2", &data)?;
    let count = workers.len();
    let mut steps = vec![Step::private(PODS, pods)];
    steps.extend(context.lab.vips.iter().map(|vip| floating(context.lab, vip)));
    steps.push(Step::Wait(Wait {
            optional: false,
        title: format!("{count} of {count} nodes are Ready"),
        probe: format!(
            "test \"$({KUBECTL} get nodes {} --no-headers 2>/dev/null | grep -c ' Ready ')\" -eq {count}",
            workers.join(" ")
        ),
        timeout: 900,
        hint: format!("{KUBECTL} get nodes -o wide; {KUBECTL} describe nodes | grep -A8 Conditions: | tail -n 30"),
    }));
    steps.extend(context.lab.with_role(Role::Worker).map(proxy));
    steps.push(Step::Wait(Wait {
        optional: false,
        title: "the default service account exists".into(),
        probe: format!(
            "{KUBECTL} create namespace lab-verify >/dev/null 2>&1; \
             {KUBECTL} -n lab-verify get serviceaccount default >/dev/null 2>&1"
        ),
        timeout: 300,
        hint: "journalctl -u kube-controller-manager -n 30 --no-pager".into(),
    }));
    steps.push(Step::Run(Run {
        transient: false,
        title: "start a pod on every worker".into(),
        unless: None,
        script: format!("{KUBECTL} apply -f {PODS} >/dev/null\n"),
    }));
    steps.push(Step::Wait(Wait {
            optional: false,
        title: format!("{count} of {count} pods run"),
        probe: format!(
            "test \"$({KUBECTL} -n lab-verify get pods --no-headers 2>/dev/null | grep -c ' Running ')\" -eq {count}"
        ),
        timeout: 600,
        hint: format!("{KUBECTL} -n lab-verify describe pods | tail -n 30"),
    }));
    steps.push(Step::Run(Run {
        transient: false,
        title: "remove the pods again".into(),
        unless: None,
        script: format!("{KUBECTL} delete namespace lab-verify --wait=false >/dev/null\n"),
    }));
    Ok(steps)
}
