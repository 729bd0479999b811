//! What must be so of controllers: the API server is ready and refuses strangers, the others serve
//! their node alone, Secrets are encrypted.

use minijinja::context;

use crate::kubernetes::checks::{Check, Health, Needs, Peer, Plan, Port, Scope};
use crate::kubernetes::hard_way::version;
use crate::model::{Node, Role, port};
use crate::render::RenderError;

/// The API's, which a load balancer on the same node may have at a floating address.
pub(crate) const API: Port = Port::of(port::API, "kube-apiserver|haproxy").open_to(&[Peer::Anyone]);
/// The controller manager's, for its own node.
pub(crate) const CONTROLLER_MANAGER: Port = Port::of(port::CONTROLLER_MANAGER, "kube-controller");
/// The scheduler's, for its own node.
pub(crate) const SCHEDULER: Port = Port::of(port::SCHEDULER, "kube-scheduler");

pub(crate) const NEEDS: Needs =
    Needs { memory: 640, disk: 512, ports: &[API, CONTROLLER_MANAGER, SCHEDULER], programs: &[] };

/// Succeeds where the API server serves the administrator.
pub(crate) const READY: &str = concat!(kubectl!(), " get --raw=/readyz >/dev/null 2>&1");

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    // Each API server has a configuration of its own.
    for (index, node) in scope.lab.with_role(Role::ControlPlane).enumerate() {
        plan.nodes.extend(of_controller(scope, node)?);
        plan.cluster.push(encrypted(scope, node, index)?);
    }
    Ok(plan)
}

/// An API server that is ready.
pub(crate) fn ready(scope: &Scope<'_>, node: &Node, hint: &str) -> Result<Check, RenderError> {
    // Asked up to five times: the server's own question to etcd has two seconds, which an emulated
    // member under the load of all these checks may miss once.
    let ready = scope.one(
        "api-ready",
        node,
        "the API server and everything it needs is ready",
        scope.script("api-ready", context! {})?,
        hint,
    );
    Ok(ready.health(&[Health::Restore, Health::Failover]))
}

/// Nobody else reaches the controller manager and the scheduler.
pub(crate) fn closed(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    Ok(scope.one(
        "no-open-ports",
        node,
        "controller manager and scheduler serve this node alone",
        scope.script("no-open-ports", context! {})?,
        "--bind-address and --port of kube-controller-manager and kube-scheduler",
    ))
}

fn of_controller(scope: &Scope<'_>, node: &Node) -> Result<[Check; 5], RenderError> {
    Ok([
        ready(scope, node, "journalctl -u kube-apiserver")?,
        scope.answers(node, "kube-controller-manager", port::CONTROLLER_MANAGER),
        scope.answers(node, "kube-scheduler", port::SCHEDULER),
        closed(scope, node)?,
        scope.one(
            "anonymous-refused",
            node,
            "the API refuses requests without a credential",
            scope.script("anonymous-refused", context! { address => node.address.to_string() })?,
            "--anonymous-auth of the API server",
        ),
    ])
}

/// Writes a Secret and looks for its text in etcd, where the controller can reach a member.
pub(crate) fn encrypted(
    scope: &Scope<'_>,
    node: &Node,
    index: usize,
) -> Result<Check, RenderError> {
    let script = match scope.lab.with_role(Role::Etcd).next() {
        Some(member) => {
            let (index, member) = (format!("{index:x}"), member.address.to_string());
            scope.script("secrets-encrypted", context! { index, member })?
        }
        None => "false".into(),
    };
    let proves = format!("a Secret that {} writes cannot be read in etcd", node.name);
    Ok(scope.one("secrets-encrypted", node, proves, script, "/etc/kubernetes/encryption.yaml"))
}

/// Version of the API server, where no kubelet tells one.
pub(crate) fn info(scope: &Scope<'_>, node: &Node) -> Result<String, RenderError> {
    match node.is(Role::Worker) {
        true => Ok(String::new()),
        false => version::script(scope.templates, "kube-apiserver"),
    }
}
