//! What Kubernetes says of its nodes, and whether it can be believed: the API server repeats what a
//! kubelet said last, however long ago that was.

use crate::kubernetes::checks::{Check, KUBECTL, one};
use crate::model::{Lab, Node, Role};

/// What a node last said is not enough: its lease must be fresh, or nobody heard of it since. A kubelet
/// that has just been started says for a while that it is not ready: asked up to eight times.
pub(crate) fn ready(controller: &Node, name: &str) -> Check {
    let mut check = one(
        "node-ready",
        controller,
        &format!("Kubernetes says {name} is Ready and takes pods"),
        &format!(
            "for i in 1 2 3 4 5 6 7 8; do\n\
             test $i = 1 || sleep 5\n\
             set -- $({KUBECTL} -n kube-node-lease get node/{name} lease/{name} -o 'jsonpath={{range .items[*]}}{{.status.conditions[?(@.type==\"Ready\")].status}}{{.spec.unschedulable}}{{.spec.renewTime}}{{\"\\n\"}}{{end}}')\n\
             said=\"{name} is Ready: ${{1:-}}, last heard of ${{2:-never}}\"\n\
             if test \"${{1:-}}\" = True && test \"$(date -d \"${{2:-1970-01-01}}\" +%s)\" -ge $LAB_SINCE; then\n\
             echo \"$said\"; exit 0; fi\ndone\necho \"$said\"; exit 1"
        ),
        "",
    );
    check.hint = format!("kubectl describe node {name}; on {name}: journalctl -u kubelet");
    check
}

/// All nodes at once, for whoever waits for all of them. Leases must be fresh. Of nodes in `restarted`
/// the word that they are Ready must be, too: a kubelet that starts renews its lease first, and until
/// it speaks for itself what it said before it was cut off still stands.
pub fn all_ready(lab: &Lab, restarted: &[&str]) -> Option<Check> {
    let controller = lab.with_role(Role::ControlPlane).next()?;
    let count = lab.with_role(Role::Worker).count();
    // Raw answers: for anything else kubectl first asks for all that the API can do.
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let script = format!(
        "since=$(date -u -d @$LAB_SINCE +%Y-%m-%dT%H:%M:%S)\n\
         leases=$(mktemp /run/lab-leases.XXXXXX)\ntrap 'rm -f $leases' EXIT\n\
         {KUBECTL} get --raw={leases} > $leases & asked=$!\n\
         ready=$({KUBECTL} get --raw=/api/v1/nodes | awk -v since=$since -v restarted=' {} ' {COUNT_READY})\n\
         wait $asked\n\
         fresh=$(grep -o '\"renewTime\":\"[^\"]*' $leases | cut -d'\"' -f4 | awk -v since=$since '$1 >= since' | wc -l)\n\
         echo \"of {count} nodes $ready are Ready, and $fresh were heard of since\"\n\
         test $ready -ge {count} && test $fresh -ge {count}\n",
        restarted.join(" ")
    );
    let hint = "kubectl get nodes; journalctl -u kubelet on those that are not";
    (count > 0).then(|| {
        one("nodes-ready", controller, "Kubernetes says all nodes are Ready", &script, hint)
    })
}

/// Counts in a list of nodes, an item per record, those that are Ready.
const COUNT_READY: &str = r#"-v 'RS="metadata":[{]"name":"' '
  BEGIN { said = "\"type\":\"Ready\",\"status\":\"True\",\"lastHeartbeatTime\":\"" }
  NR > 1 && (at = index($0, said)) {
    name = substr($0, 1, index($0, "\"") - 1)
    if (!index(restarted, " " name " ") || substr($0, at + length(said), 19) >= since) ready++
  }
  END { print ready + 0 }'"#;
