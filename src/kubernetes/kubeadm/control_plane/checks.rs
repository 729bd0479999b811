//! What must be so of controllers that kubeadm set up: pods answer, strangers learn nothing, Secrets are
//! encrypted.

use minijinja::context;

use crate::kubernetes::checks::{Check, Needs, Plan, Port, Scope};
use crate::kubernetes::hard_way::control_plane::checks as by_hand;
use crate::kubernetes::hard_way::version;
use crate::kubernetes::hard_way::worker::checks as of_kubelets;
use crate::model::{Node, Role, port};
use crate::render::RenderError;

/// Succeeds where the manifests are those that kubeadm wrote last.
pub(super) const AS_WRITTEN: &str = "(cd /etc/kubernetes/manifests && sha256sum --check --quiet /etc/kubernetes/kubeadm/manifests.sums)";

/// As by hand, and a kubelet.
pub(super) const NEEDS: Needs =
    Needs { memory: by_hand::NEEDS.memory + 160, disk: 2048, ports: PORTS, ..by_hand::NEEDS };

/// A controller is a node like others.
const PORTS: &[Port] = &[
    by_hand::API,
    by_hand::CONTROLLER_MANAGER,
    by_hand::SCHEDULER,
    of_kubelets::KUBELET,
    of_kubelets::KUBE_PROXY,
    of_kubelets::NODE_PORTS,
    of_kubelets::NODE_PORTS_UDP,
];

pub(super) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    for (index, node) in scope.lab.with_role(Role::ControlPlane).enumerate() {
        plan.nodes.push(scope.active(node, "kubelet"));
        plan.nodes.push(by_hand::ready(
            scope,
            node,
            "kubectl -n kube-system logs kube-apiserver-NODE",
        )?);
        for (name, port) in [
            ("kube-controller-manager", port::CONTROLLER_MANAGER),
            ("kube-scheduler", port::SCHEDULER),
        ] {
            plan.nodes.push(answers(scope, node, name, port)?);
        }
        plan.nodes.push(as_written(scope, node));
        plan.nodes.push(by_hand::closed(scope, node)?);
        plan.nodes.push(refused(scope, node)?);
        plan.cluster.push(by_hand::encrypted(scope, node, index)?);
    }
    Ok(plan)
}

fn answers(scope: &Scope<'_>, node: &Node, name: &str, port: u16) -> Result<Check, RenderError> {
    let script =
        scope.templates.render("stages/kubeadm/component-answers.sh.j2", &context! { port })?;
    let hint = format!("kubectl -n kube-system logs {name}-{}", node.name);
    Ok(scope.one("component-answers", node, format!("{name} runs and answers"), script, &hint))
}

fn as_written(scope: &Scope<'_>, node: &Node) -> Check {
    let proves = "the manifests are as kubeadm wrote them";
    scope.one(
        "manifests",
        node,
        proves,
        format!("{AS_WRITTEN} 2>&1"),
        "`lab up` has it write them again",
    )
}

/// Kubelets ask for the health of an API server without a credential; that is all they get.
fn refused(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    let data = context! { address => node.address.to_string() };
    let script = scope.templates.render("stages/kubeadm/strangers-refused.sh.j2", &data)?;
    let proves = "the API tells strangers nothing";
    Ok(scope.one(
        "strangers-refused",
        node,
        proves,
        script,
        "kubectl get clusterrolebindings -o wide",
    ))
}

/// What a kubelet asks of the kernel.
pub(super) fn inspect(scope: &Scope<'_>, node: &Node) -> Result<Vec<Check>, RenderError> {
    // Workers are asked by their own stage.
    match node.is(Role::Worker) {
        true => Ok(Vec::new()),
        false => of_kubelets::inspect(&of_worker(scope), node),
    }
}

/// The same scope with the worker's scripts.
fn of_worker<'a>(scope: &Scope<'a>) -> Scope<'a> {
    Scope { stage: "worker", ..*scope }
}

/// Version of the kubelet, which is that of the pods.
pub(super) fn info(scope: &Scope<'_>, node: &Node) -> Result<String, RenderError> {
    match node.is(Role::Worker) {
        true => Ok(String::new()),
        false => version::script(scope.templates, "kubelet"),
    }
}
