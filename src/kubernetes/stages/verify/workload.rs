//! Checks with pods of their own: a web server on every worker and a service in front of them, in a
//! namespace that goes again. Each namespace of a check is labelled as ours and has the word of its run
//! in its name: what a run left that was killed is found by the next.

use minijinja::value::Serde;
use minijinja::{Value, context};

use crate::kubernetes::checks::{Afterwards, Check, KUBECTL, Plan, Scope};
use crate::kubernetes::stages::runtime::TEST_IMAGE;
use crate::model::{Lab, Node, Role};
use crate::render::RenderError;

/// The check that makes the pods which the others ask.
pub(crate) const FIRST: &str = "pods-run";

/// Checks that are made on one controller with the run's own pods.
struct Workload<'s> {
    scope: &'s Scope<'s>,
    controller: &'s Node,
    /// Names of all workers.
    workers: String,
}

impl Workload<'_> {
    /// A check by the script of its name. Scripts find kubectl in the run's namespace as `k`.
    fn check(
        &self,
        name: &'static str,
        proves: &str,
        data: Value,
        hint: &str,
    ) -> Result<Check, RenderError> {
        self.check_by(name, name, proves, data, hint)
    }

    fn check_by(
        &self,
        script: &str,
        name: &'static str,
        proves: &str,
        data: Value,
        hint: &str,
    ) -> Result<Check, RenderError> {
        // Ours from end to end: quotes and a variable may stand in it.
        let k = Value::from_safe_string(format!("{KUBECTL} -n \"lab-check-$LAB_RUN\""));
        let data = context! { k, workers => &self.workers, ..data };
        let script = self.scope.script(script, data)?;
        Ok(self.scope.one(name, self.controller, proves, script, hint))
    }
}

pub(crate) fn checks(scope: &Scope<'_>, controller: &Node) -> Result<Plan, RenderError> {
    let lab = scope.lab;
    let workers: Vec<&Node> = lab.with_role(Role::Worker).collect();
    let names: Vec<&str> = workers.iter().map(|node| node.name.as_str()).collect();
    let work = Workload { scope, controller, workers: names.join(" ") };
    let kubelet = "journalctl -u kubelet on the worker";
    let mut cluster = reached(&work)?;
    cluster.extend(node_ports(&work, lab, &workers)?);
    if lab.kubernetes.has_addon("coredns") {
        cluster.push(names_are_found(&work)?);
    }
    cluster.extend([
        work.check("logs", "a pod's log can be read", context! {}, kubelet)?,
        work.check("exec", "a command runs in a pod", context! {}, kubelet)?,
        work.check(
            "port-forward",
            "a pod's port can be forwarded",
            context! { worker => names.first().copied() },
            kubelet,
        )?,
    ]);
    // Also what others left that ended more than an hour ago without clearing it away: no run takes that
    // long, and one that goes on needs its own.
    let clear = scope.script("clear", context! {})?;
    let afterwards = Some(Afterwards { node: controller.name.clone(), script: clear });
    Ok(Plan { cluster, afterwards, ..Plan::default() })
}

/// Pods start, reach each other, and are reached by the address of their service.
fn reached(work: &Workload<'_>) -> Result<Vec<Check>, RenderError> {
    let all = work.scope.lab.with_role(Role::Worker).map(Node::tainted);
    let tainted: Vec<_> = all.filter(|(_, taints)| !taints.is_empty()).collect();
    Ok(vec![
        // The scheduler puts each pod on its worker, which must take pods but for what the topology says itself.
        work.check(
            FIRST,
            "a pod starts on every worker",
            context! { image => TEST_IMAGE, tainted => Value::from(Serde(&tainted)) },
            "kubectl get pods -A; kubectl get events -A",
        )?,
        work.check(
            "pod-to-pod",
            "pods reach the pods of every worker, also with large answers",
            context! {},
            "ip route on the workers; the tunnel's or bridge's MTU",
        )?,
        work.check(
            "service-address",
            "a service address leads to its pods",
            context! {},
            "journalctl -u kube-proxy; iptables-save on the worker",
        )?,
    ])
}

/// Asks for the API's and the run's own service by name, from every worker.
fn names_are_found(work: &Workload<'_>) -> Result<Check, RenderError> {
    let kubernetes = &work.scope.lab.kubernetes;
    let data = context! {
        domain => kubernetes.cluster_domain.as_str(),
        dns => kubernetes.dns_service().to_string(),
        api => kubernetes.api_service().to_string(),
    };
    let hint = "kubectl -n kube-system get pods; LAB_IMAGES for its image";
    work.check("cluster-dns", "pods find services by name", data, hint)
}

fn node_ports(
    work: &Workload<'_>,
    lab: &Lab,
    workers: &[&Node],
) -> Result<Vec<Check>, RenderError> {
    let addresses: Vec<String> = workers.iter().map(|node| node.address.to_string()).collect();
    let mut all = vec![work.check(
        "node-port",
        "a node port answers on every worker",
        context! { targets => addresses.join(" ") },
        "journalctl -u kube-proxy on the worker",
    )?];
    let balanced = lab.vips.iter().filter(|vip| vip.role == Role::LoadBalancer);
    let mut entries: Vec<String> = balanced.map(|vip| vip.address.to_string()).collect();
    // A load balancer that is a controller, too, serves its floating address alone.
    let plain = lab.with_role(Role::LoadBalancer).filter(|node| !node.is(Role::ControlPlane));
    entries.extend(plain.map(|node| node.address.to_string()));
    if !entries.is_empty() {
        all.push(work.check_by(
            "node-port",
            "balanced-node-port",
            "a node port answers at the load balancers",
            context! { targets => entries.join(" ") },
            "journalctl -u haproxy on the load balancers",
        )?);
    }
    Ok(all)
}
