//! `worker`, by kubeadm: the kubelet joins, and the cluster gives the node a kube-proxy.

mod checks;

use minijinja::context;

use crate::kubernetes::hard_way::worker;
use crate::kubernetes::kubeadm::configuration::of_join;
use crate::kubernetes::kubeadm::kubelet::{self, DISCOVERY, JOIN};
use crate::kubernetes::stage::{Context, Duty, Retire, Stage, StageError};
use crate::kubernetes::step::Step;
use crate::model::{Node, Role};

pub(super) const STAGE: Stage = Stage {
    why: "kubeadm configures the kubelet by what the cluster knows; the kubelet starts kube-proxy and all \
          other pods of the node.",
    steps,
    duties: &[Duty::Pods],
    retire: Retire::WithData(&[
        "/var/lib/kubelet/pki",
        "/var/lib/kubelet/config.yaml",
        "/var/lib/kubelet/kubeadm-flags.env",
    ]),
    units: &["kubelet.service"],
    checks: checks::checks,
    page: include_str!("page.md"),
    ..worker::STAGE
};

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let mut steps = kubelet::files(context, node)?;
    steps.extend([
        Step::private(JOIN, of_join(context, node, DISCOVERY)?),
        // Whatever else it is told: a cluster that changed its kubelets' configuration has the node take it.
        Step::private(
            "/etc/kubernetes/kubeadm/kubelet.yaml",
            worker::kubelet_configuration(context)?,
        ),
    ]);
    // A controller has joined by then.
    if !node.is(Role::ControlPlane) {
        steps.extend(joined(context, node)?);
    }
    steps.extend(kubelet::runs(node));
    Ok(steps)
}

fn joined(context: &Context<'_>, node: &Node) -> Result<[Step; 3], StageError> {
    let configured = kubelet::configured();
    let data = context! {
        configured, join => JOIN, kubeconfig => kubelet::KUBECONFIG, node => &node.name,
    };
    let script = context.templates.render("stages/kubeadm/join-worker.sh.j2", &data)?;
    let discovery = kubelet::discovery(context, node, &kubelet::server(context.lab, node)?)?;
    Ok([
        Step::secret(DISCOVERY, discovery).transient(kubelet::CONFIGURED),
        Step::run("kubeadm join", script),
        kubelet::forget(),
    ])
}
