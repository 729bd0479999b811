//! What must be so of workers: their programs run, they reach the API, and Kubernetes takes them for
//! ready. It repeats what a kubelet said last, however long ago that was: what was heard since counts.

use minijinja::context;

use crate::kubernetes::checks::{Check, Health, Needs, Peer, Plan, Port, Scope};
use crate::kubernetes::hard_way::version;
use crate::model::lab::PodNetwork;
use crate::model::opening::Protocol;
use crate::model::{Node, Role, port};
use crate::render::RenderError;

/// The kubelet's: API servers ask it for logs, pods that measure ask it for figures.
pub(crate) const KUBELET: Port =
    Port::of(port::KUBELET, "kubelet").open_to(&[Peer::Controllers, Peer::Pods]);
/// kube-proxy's health: load balancers lead nobody to a node without, and controllers wait for it.
pub(crate) const KUBE_PROXY: Port =
    Port::of(port::KUBE_PROXY_HEALTH, "kube-proxy").open_to(&[Peer::Balancers, Peer::Controllers]);
/// Ports of services on every node.
pub(crate) const NODE_PORTS: Port =
    Port::row(port::NODE_PORTS.0, port::NODE_PORTS.1, Protocol::Tcp).open_to(&[Peer::Anyone]);
/// The same for datagrams.
pub(crate) const NODE_PORTS_UDP: Port = Port { protocol: Protocol::Udp, ..NODE_PORTS };

pub(crate) const NEEDS: Needs = Needs {
    memory: 320,
    disk: 2048,
    ports: &[KUBELET, KUBE_PROXY, NODE_PORTS, NODE_PORTS_UDP],
    programs: &[],
};

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    with(scope, 401, |node| Ok(["kubelet", "kube-proxy"].map(|unit| scope.active(node, unit))))
}

/// What must be so of workers whose programs are asked for by `programs`, of a cluster whose API answers
/// `stranger`, an HTTP status, to whoever asks without a credential whether it is ready.
pub(crate) fn with(
    scope: &Scope<'_>,
    stranger: u16,
    programs: impl Fn(&Node) -> Result<[Check; 2], RenderError>,
) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    for node in scope.lab.with_role(Role::Worker) {
        plan.nodes.extend(programs(node)?);
        plan.nodes.push(reachable(scope, node, stranger)?);
    }
    let Some(controller) = scope.lab.with_role(Role::ControlPlane).next() else { return Ok(plan) };
    for node in scope.lab.with_pods() {
        plan.cluster.push(ready(scope, controller, &node.name)?);
    }
    plan.restored.extend(all_ready(scope, controller)?);
    Ok(plan)
}

/// A worker's own way to the API. Without a credential the answer may be a refusal, which is answer
/// enough: name, certificate and port are right.
fn reachable(scope: &Scope<'_>, node: &Node, stranger: u16) -> Result<Check, RenderError> {
    let endpoint = scope.lab.api_endpoint().unwrap_or(node.address).to_string();
    let proves = format!("the API answers at {endpoint}, where the kubelet looks for it");
    let script = scope.script("api-endpoint", context! { endpoint, stranger })?;
    let hint = "the holder of the floating address: `lab status`";
    Ok(scope.one("api-endpoint", node, proves, script, hint))
}

/// What a node last said is not enough: its lease must be fresh, or nobody heard of it since. A kubelet
/// that has just been started says for a while that it is not ready: asked up to eight times.
fn ready(scope: &Scope<'_>, controller: &Node, name: &str) -> Result<Check, RenderError> {
    let script = scope.script("node-ready", context! { node => name })?;
    let proves = format!("Kubernetes says {name} is Ready and takes pods");
    let check = scope.one("node-ready", controller, proves, script, "");
    let hint = format!("kubectl describe node {name}; on {name}: journalctl -u kubelet");
    Ok(Check { hint, ..check.health(&[Health::Failover]) })
}

/// All nodes at once, for whoever waits for all of them. Leases must be fresh. Of nodes that started
/// anew the word that they are Ready must be, too: a kubelet that starts renews its lease first, and
/// until it speaks for itself what it said before it was cut off still stands.
fn all_ready(scope: &Scope<'_>, controller: &Node) -> Result<Option<Check>, RenderError> {
    let count = scope.lab.with_pods().count();
    if count == 0 {
        return Ok(None);
    }
    let restarted = scope.restarted.join(" ");
    let script = scope.script("nodes-ready", context! { count, restarted })?;
    let proves = "Kubernetes says all nodes are Ready";
    let hint = "kubectl get nodes; journalctl -u kubelet on those that are not";
    Ok(Some(scope.one("nodes-ready", controller, proves, script, hint)))
}

/// What a kubelet and its containers ask of the kernel.
pub(crate) fn inspect(scope: &Scope<'_>, node: &Node) -> Result<Vec<Check>, RenderError> {
    let mut modules = vec!["overlay", "nf_conntrack", "nf_tables"];
    if scope.lab.kubernetes.pod_network == PodNetwork::Overlay {
        modules.push("vxlan");
    }
    Ok(vec![
        scope.one(
            "swap",
            node,
            "nothing is swapped out: the kubelet refuses to run beside it",
            scope.script("swap", context! {})?,
            "`sudo swapoff -a`, and its line in /etc/fstab",
        ),
        scope.one(
            "control-groups",
            node,
            "the kernel can limit processors, memory and processes",
            scope.script("control-groups", context! {})?,
            "the kernel's command line: cgroup_enable=memory",
        ),
        scope.one(
            "modules",
            node,
            "the kernel has what containers and their networks need",
            scope.script("modules", context! { modules => modules.join(" ") })?,
            "the package of the kernel's modules, or another image",
        ),
    ])
}

/// Version of the kubelet.
pub(crate) fn info(scope: &Scope<'_>, _node: &Node) -> Result<String, RenderError> {
    version::script(scope.templates, "kubelet")
}
