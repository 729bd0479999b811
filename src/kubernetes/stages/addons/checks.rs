//! What must be so of add-ons: those that the topology wants run, and what each proves of itself.

use minijinja::{Value, context};

use crate::kubernetes::checks::{Check, Plan, Scope, value, with_known};
use crate::kubernetes::stages::addons::content::rendered;
use crate::kubernetes::stages::runtime::TEST_IMAGE;
use crate::model::addon::{Proof, Used};
use crate::model::{Node, Role};
use crate::render::RenderError;

/// One that could not be had is missing, and did not fail.
pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    let Some(controller) = scope.lab.with_role(Role::ControlPlane).next() else { return Ok(plan) };
    for used in &scope.lab.kubernetes.addons {
        plan.cluster.push(runs(scope, controller, used)?);
        plan.cluster.extend(own(scope, controller, used)?);
    }
    Ok(plan)
}

fn runs(scope: &Scope<'_>, controller: &Node, used: &Used) -> Result<Check, RenderError> {
    let addon = &used.addon;
    let script = scope.script("runs", named(used))?;
    let hint = "kubectl get pods -A; LAB_IMAGES for its images";
    let proves = format!("{} runs", addon.title);
    Ok(scope.one("addon-runs", controller, proves, script, hint))
}

fn named(used: &Used) -> Value {
    context! { name => &used.addon.name, title => &used.addon.title }
}

/// What it brings itself, asked where it is installed.
fn own(scope: &Scope<'_>, controller: &Node, used: &Used) -> Result<Vec<Check>, RenderError> {
    let workers = scope.lab.with_role(Role::Worker);
    let workers: Vec<Value> = workers
        .map(|node| context! { name => &node.name, address => node.address.to_string() })
        .collect();
    let data = with_known(context! {
        workers,
        lab => value(scope.lab),
        parameters => value(&used.parameters),
        test_image => TEST_IMAGE,
    });
    let check = |proof: &Proof| {
        let script = rendered(scope.templates, &used.addon, &proof.script, &data)?;
        let script = format!("{}{script}", scope.script("installed", named(used))?);
        let name = proof.name.clone();
        Ok(scope.one(name, controller, proof.proves.clone(), script, &proof.hint))
    };
    used.addon.checks.iter().map(check).collect()
}
