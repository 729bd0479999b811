//! What must be so of load balancers and floating addresses: one node holds each, and the API answers
//! there.

use minijinja::context;

use crate::kubernetes::checks::{Check, Health, Judge, Needs, Peer, Plan, Port, Scope, value};
use crate::model::lab::Vip;
use crate::model::opening::Protocol;
use crate::model::{Lab, Node, Role, port};
use crate::render::RenderError;

/// Of HAProxy; node ports it leads to workers.
const PORTS: &[Port] = &[
    Port::of(port::API, "kube-apiserver|haproxy").open_to(&[Peer::Anyone]),
    Port::of(port::HTTP, "haproxy").open_to(&[Peer::Anyone]),
    Port::of(port::HTTPS, "haproxy").open_to(&[Peer::Anyone]),
    Port::row(port::NODE_PORTS.0, port::NODE_PORTS.1, Protocol::Tcp).open_to(&[Peer::Anyone]),
];

/// What a node that is a load balancer needs; where only floating addresses may be, that is nothing.
pub(crate) fn needs(_lab: &Lab, node: &Node) -> Needs {
    if !node.is(Role::LoadBalancer) {
        return Needs::NOTHING;
    }
    Needs { memory: 64, disk: 128, ports: PORTS, programs: &["haproxy"] }
}

/// Asks HAProxy for its own health: flags of curl, seconds that it may take, what is asked for.
macro_rules! health {
    ($flags:literal, $seconds:literal, $what:literal) => {
        concat!(
            "curl ",
            $flags,
            " -o /dev/null --unix-socket /run/haproxy/health.sock --max-time ",
            $seconds,
            " http://haproxy/",
            $what
        )
    };
}

/// Succeeds where HAProxy has an API server that is ready.
pub(crate) const SERVES: &str = health!("-fs", "5", "api");

/// Succeeds where HAProxy does not hang.
pub(crate) const ALIVE: &str = health!("-fs", "20", "alive");

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    for node in &scope.lab.nodes {
        if node.is(Role::LoadBalancer) {
            plan.nodes.push(scope.active(node, "haproxy"));
        }
        for vip in scope.lab.vips_of(node) {
            plan.nodes.extend([scope.active(node, "keepalived"), at_vip(scope, node, vip)]);
        }
        if node.is(Role::LoadBalancer) {
            let proves = "HAProxy has an API server that is ready";
            let check = scope.one(
                "balancer-health",
                node,
                proves,
                health!("-fsS", "20", "api"),
                "journalctl -u haproxy",
            );
            plan.nodes.push(check.health(&[Health::Restore, Health::Failover]));
        }
    }
    plan.cluster.extend(scope.lab.vips.iter().map(|vip| holder(scope, vip)));
    Ok(plan)
}

fn at_vip(scope: &Scope<'_>, node: &Node, vip: &Vip) -> Check {
    let script = format!(
        "curl -fsS -o /dev/null --max-time 20 --retry 3 --cacert /etc/lab/pki/ca.crt --cert /etc/lab/pki/health.crt \
         --key /etc/lab/pki/health.key https://{}:{}/readyz",
        vip.address, scope.lab.kubernetes.api_port
    );
    let proves = format!("the API answers at {} ({})", vip.address, vip.name);
    let hint = "journalctl -u keepalived -u haproxy";
    scope.one("api-at-vip", node, proves, script, hint).health(&[Health::Restore])
}

/// Asked of all nodes: whoever has the address without being one of its holders is in their way.
fn holder(scope: &Scope<'_>, vip: &Vip) -> Check {
    Check {
        name: "vip-holder".into(),
        stage: scope.stage,
        nodes: scope.lab.nodes.iter().map(|node| node.name.clone()).collect(),
        proves: format!("exactly one node holds {} ({})", vip.address, vip.name),
        script: format!("ip -o -4 address show to {}/32 | grep -q .", vip.address),
        hint: "journalctl -u keepalived on the nodes that may hold it".into(),
        judge: Judge::OnOneNode,
        health: &[Health::Restore, Health::Failover],
        quiet: false,
    }
}

/// The floating addresses that the node has now.
pub(crate) fn info(scope: &Scope<'_>, node: &Node) -> Result<String, RenderError> {
    let vips: Vec<&Vip> = scope.lab.vips_of(node).collect();
    match vips.is_empty() {
        true => Ok(String::new()),
        false => scope.script("node-info", context! { vips => value(&vips) }),
    }
}
