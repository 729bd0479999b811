//! What must be so of workers that kubeadm set up: as by hand, but kube-proxy is a pod.

use minijinja::context;

use crate::kubernetes::checks::{Plan, Scope};
use crate::kubernetes::hard_way::worker::checks;
use crate::render::RenderError;

pub(super) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    // Kubelets ask for the health of API servers without a credential.
    checks::with(scope, 200, |node| {
        let script = scope.templates.render("stages/kubeadm/proxy-answers.sh.j2", &context! {})?;
        let hint = "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide";
        Ok([
            scope.active(node, "kubelet"),
            scope.one(
                "kube-proxy",
                node,
                "kube-proxy runs and has written its rules",
                script,
                hint,
            ),
        ])
    })
}
