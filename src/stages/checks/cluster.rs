//! Checks of what several nodes make together.

use super::{Check, Judge, KUBECTL, Plan, one};
use crate::model::{Lab, Node, Role};
use crate::stages::etcd;

pub(super) fn add(lab: &Lab, plan: &mut Plan) {
    if let Some(member) = lab.with_role(Role::Etcd).next() {
        plan.cluster.push(hashes(lab, member));
    }
    for vip in &lab.vips {
        let holders = lab.with_role(vip.role).map(|node| node.name.clone()).collect();
        plan.cluster.push(Check {
            name: "vip-holder",
            nodes: holders,
            proves: format!("exactly one node holds {} ({})", vip.address, vip.name),
            script: format!("ip -o -4 address show to {}/32 | grep -q .", vip.address),
            hint: "journalctl -u keepalived on the nodes that may hold it".into(),
            judge: Judge::OnOneNode,
        });
    }
    let Some(controller) = lab.with_role(Role::ControlPlane).next() else { return };
    for node in lab.with_role(Role::Worker) {
        plan.cluster.push(ready(controller, &node.name));
    }
    plan.cluster.push(one(
        "secrets-encrypted",
        controller,
        "a Secret cannot be read in etcd",
        &secret_script(lab),
        "/etc/kubernetes/encryption.yaml",
    ));
}

/// Members hash what they hold at one revision; a member that is behind is asked again.
fn hashes(lab: &Lab, member: &Node) -> Check {
    let all: Vec<String> =
        lab.with_role(Role::Etcd).map(|node| format!("https://{}:2379", node.address)).collect();
    let client = etcd::CLIENT.replace("--endpoints=https://127.0.0.1:2379", "");
    let script = format!(
        "ctl() {{ ETCDCTL_API=3 etcdctl --command-timeout=20s {client} \"$@\"; }}
for i in 1 2 3 4 5; do
  revision=$(ctl --endpoints=https://{}:2379 get lab --limit=1 -w fields | sed -n 's/^\"Revision\" : //p')
  if seen=$(ctl --endpoints={} endpoint hashkv --rev=$revision); then
    test \"$(echo \"$seen\" | awk -F', ' '{{print $2}}' | sort -u | wc -l)\" = 1 && {{ echo \"equal at revision $revision\"; exit 0; }}
  fi
  sleep 2
done
echo \"$seen\"; exit 1\n",
        member.address,
        all.join(","),
    );
    one(
        "etcd-hashes",
        member,
        "all etcd members hold the same",
        &script,
        "etcdctl endpoint hashkv; etcdctl alarm list",
    )
}

/// What a node last said is not enough: its lease must be fresh, or nobody heard of it since.
fn ready(controller: &Node, name: &str) -> Check {
    let mut check = one(
        "node-ready",
        controller,
        &format!("Kubernetes says {name} is Ready and takes pods"),
        &format!(
            "set -- $({KUBECTL} -n kube-node-lease get node/{name} lease/{name} -o 'jsonpath={{range .items[*]}}{{.status.conditions[?(@.type==\"Ready\")].status}}{{.spec.unschedulable}}{{.spec.renewTime}}{{\"\\n\"}}{{end}}')\n\
             echo \"{name} is Ready: ${{1:-}}, last heard of ${{2:-never}}\"\n\
             test \"${{1:-}}\" = True && test \"$(date -d \"${{2:-1970-01-01}}\" +%s)\" -ge $LAB_SINCE"
        ),
        "",
    );
    check.hint = format!("kubectl describe node {name}; on {name}: journalctl -u kubelet");
    check
}

/// All nodes at once, for whoever waits for all of them.
pub fn all_ready(lab: &Lab) -> Option<Check> {
    let controller = lab.with_role(Role::ControlPlane).next()?;
    let names: Vec<&str> = lab.with_role(Role::Worker).map(|node| node.name.as_str()).collect();
    let asked: Vec<String> =
        names.iter().flat_map(|name| [format!("node/{name}"), format!("lease/{name}")]).collect();
    let script = format!(
        "{KUBECTL} -n kube-node-lease get {} -o 'jsonpath={{range .items[*]}}{{.kind}} {{.metadata.name}} {{.status.conditions[?(@.type==\"Ready\")].status}}{{.spec.renewTime}}{{\"\\n\"}}{{end}}' > /run/lab-nodes.$$\n\
         good=0\n\
         while read -r kind name state; do\n\
           case $kind in\n\
             Node) test \"$state\" = True && good=$((good + 1)) || echo \"$name is Ready: $state\";;\n\
             Lease) test \"$(date -d \"${{state:-1970-01-01}}\" +%s)\" -ge $LAB_SINCE && good=$((good + 1)) || echo \"$name was last heard of $state\";;\n\
           esac\n\
         done < /run/lab-nodes.$$\n\
         rm -f /run/lab-nodes.$$\ntest $good = {}",
        asked.join(" "),
        asked.len(),
    );
    let hint = "kubectl get nodes; journalctl -u kubelet on those that are not";
    let found = !names.is_empty();
    found.then(|| {
        one("nodes-ready", controller, "Kubernetes says all nodes are Ready", &script, hint)
    })
}

/// Writes a Secret and looks for its text in etcd, where the controller can reach a member.
fn secret_script(lab: &Lab) -> String {
    let Some(member) = lab.with_role(Role::Etcd).next() else { return "false".into() };
    let pki = "/etc/kubernetes/pki";
    format!(
        "ns=lab-secret-$LAB_RUN\n{KUBECTL} create namespace $ns >/dev/null\n\
         trap '{KUBECTL} delete namespace $ns --wait=false >/dev/null' EXIT\n\
         {KUBECTL} -n $ns create secret generic probe --from-literal=word=plainly-readable >/dev/null\n\
         key=$(printf '/registry/secrets/%s/probe' $ns | base64 -w0)\n\
         curl -fsS --cacert {pki}/etcd/ca.crt --cert {pki}/apiserver-etcd-client.crt \
         --key {pki}/apiserver-etcd-client.key -X POST -d \"{{\\\"key\\\":\\\"$key\\\"}}\" \
         https://{}:2379/v3/kv/range > /run/lab-secret.$$\n\
         value=$(grep -o '\"value\":\"[^\"]*\"' /run/lab-secret.$$ | cut -d'\"' -f4 | base64 -d 2>/dev/null | tr -d '\\0')\n\
         rm -f /run/lab-secret.$$\n\
         case $value in *plainly-readable*) echo 'the Secret stands in etcd in clear'; exit 1;;\n\
         k8s:enc:secretbox:*) exit 0;; *) echo 'etcd gave no value'; exit 1;; esac\n",
        member.address
    )
}
