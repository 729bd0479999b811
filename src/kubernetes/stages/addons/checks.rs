//! What must be so of add-ons: those that the topology wants run.

use minijinja::context;

use crate::kubernetes::checks::{Plan, Scope};
use crate::model::Role;
use crate::render::RenderError;

/// Whether cluster DNS is there at all: where no image could be had, it is missing and did not fail.
pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    let controller = scope.lab.with_role(Role::ControlPlane).next();
    let wanted = scope.lab.kubernetes.has_addon("coredns");
    if let Some(controller) = controller.filter(|_| wanted) {
        let script = scope.script("cluster-dns-up", context! {})?;
        let hint = "kubectl -n kube-system get pods; LAB_IMAGES for its image";
        let proves = "cluster DNS runs";
        plan.cluster.push(scope.one("cluster-dns-up", controller, proves, script, hint));
    }
    Ok(plan)
}
