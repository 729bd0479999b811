//! What must be so of the container runtime: it runs.

use crate::kubernetes::checks::{Needs, Plan, Scope};
use crate::render::RenderError;

pub(crate) const NEEDS: Needs = Needs { programs: &["containerd", "runc"], ..Needs::NOTHING };

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let with_pods = scope.lab.with_pods();
    let nodes = with_pods.map(|node| scope.active(node, "containerd")).collect();
    Ok(Plan { nodes, ..Plan::default() })
}
