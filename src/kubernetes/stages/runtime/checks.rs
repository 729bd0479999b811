//! What must be so of the container runtime: it runs.

use crate::kubernetes::checks::{Needs, Plan, Scope};
use crate::model::Role;
use crate::render::RenderError;

pub(crate) const NEEDS: Needs = Needs { programs: &["containerd", "runc"], ..Needs::NOTHING };

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let workers = scope.lab.with_role(Role::Worker);
    let nodes = workers.map(|node| scope.active(node, "containerd")).collect();
    Ok(Plan { nodes, ..Plan::default() })
}
