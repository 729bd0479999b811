//! What all stages make together: certificates, the rules of the CIS Benchmark, and pods that reach
//! each other and are reached.

use minijinja::context;

use crate::kubernetes::checks::{Check, Plan, Scope};
use crate::kubernetes::stages::verify::{cis, workload};
use crate::model::{Node, Role};
use crate::render::RenderError;

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    for node in &scope.lab.nodes {
        plan.nodes.push(certificates(scope, node)?);
        plan.nodes.extend(cis::check(scope, node)?);
    }
    if let Some(controller) = scope.lab.with_role(Role::ControlPlane).next() {
        plan.extend(workload::checks(scope, controller)?);
        plan.cluster.push(network_policies(scope, controller)?);
    }
    Ok(plan)
}

/// The API takes policies whoever enforces them, and here nobody does: that is not to be found out by a guest.
fn network_policies(scope: &Scope<'_>, controller: &Node) -> Result<Check, RenderError> {
    let check = scope.one(
        "network-policies",
        controller,
        "no network policy promises what nobody keeps",
        scope.script("network-policies", context! {})?,
        "",
    );
    let hint = "the lab's pod network lets all pods talk: keep apart what must be in labs of its own, or install a program that enforces policies";
    Ok(Check { hint: hint.into(), ..check })
}

/// Certificates in files and in kubeconfigs: each is one, comes from the authority that those who see it
/// know, has a key that fits, and lasts.
fn certificates(scope: &Scope<'_>, node: &Node) -> Result<Check, RenderError> {
    let spare = scope.lab.kubernetes.certificates.spare_hours();
    let left = match spare {
        hours if hours % 24 == 0 => format!("{} days", hours / 24),
        hours => format!("{hours} hours"),
    };
    Ok(scope.one(
        "certificates",
        node,
        format!("every certificate is whole and has at least {left} left"),
        scope.script("certificates", context! { spare })?,
        "`lab up` renews what ends soon and puts back what was changed",
    ))
}
