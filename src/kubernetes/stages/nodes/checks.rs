//! What must be so of nodes in the API: what was told of them.

use minijinja::Value;
use minijinja::value::Serde;

use crate::kubernetes::checks::{Plan, Scope};
use crate::kubernetes::stages::nodes::told;
use crate::model::Role;
use crate::render::RenderError;

pub(super) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    let Some(controller) = scope.lab.with_role(Role::ControlPlane).next() else { return Ok(plan) };
    let wanted = told::wanted(&told::told(scope.lab));
    let question = Value::from_safe_string(told::question());
    let given = minijinja::context! { question, wanted => Value::from(Serde(&wanted)) };
    let script = scope.script("as-told", given)?;
    let proves = "labels, annotations and taints of the nodes are as the topology says";
    let hint = "kubectl describe nodes; `lab stage run` writes them anew";
    plan.cluster.push(scope.one("nodes-as-told", controller, proves, script, hint));
    Ok(plan)
}
