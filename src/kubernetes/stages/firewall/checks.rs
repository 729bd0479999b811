//! What must be so of firewalls: their rules are in force, and from the next node they are felt.

use minijinja::context;

use crate::kubernetes::checks::{Check, Plan, Scope};
use crate::model::opening::Protocol;
use crate::model::{Node, port};
use crate::render::RenderError;

/// The file that they are loaded from.
pub(super) const RULES: &str = "/etc/lab/firewall.nft";

/// Ports that no stage has for others: nobody's, and two that programs have for their own node.
const SHUT: [u16; 3] = [4, port::KUBE_PROXY_METRICS, port::CONTROLLER_MANAGER];

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    if !scope.lab.firewall {
        return Ok(plan);
    }
    let nodes = &scope.lab.nodes;
    let next = nodes.iter().cycle().skip(1);
    for (node, next) in nodes.iter().zip(next) {
        plan.nodes.push(in_force(scope, node)?);
        if node.name != next.name {
            plan.nodes.push(shut(scope, node, next)?);
        }
    }
    Ok(plan)
}

fn in_force(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    let script = scope.script("in-force", context! { rules => RULES })?;
    let hint = "systemctl restart lab-firewall";
    Ok(scope.one("firewall-in-force", node, "its firewall lets in what stages open", script, hint))
}

/// Asked on `node` about `next`.
fn shut(scope: &Scope<'_>, node: &Node, next: &Node) -> Result<Check, RenderError> {
    let opened = |port: &u16| {
        let all = next.open_ports.iter().filter(|one| one.protocol == Protocol::Tcp);
        all.into_iter().any(|one| (one.first..=one.last).contains(port))
    };
    let ports: Vec<String> = SHUT.iter().filter(|port| !opened(port)).map(u16::to_string).collect();
    let data = context! { address => next.address.to_string(), ports => ports.join(" ") };
    let proves = format!("{} is not reached where no stage opens anything", next.name);
    let hint = format!("on {}: nft list table inet lab_firewall", next.name);
    Ok(scope.one("firewall-shut", node, proves, scope.script("shut", data)?, &hint))
}
