//! Checks of what several nodes make together.

use crate::kubernetes::checks::{Check, Judge, KUBECTL, Plan, namespaces, one, readiness};
use crate::kubernetes::hard_way::etcd;
use crate::model::{Lab, Node, Role};

pub(crate) fn add(lab: &Lab, plan: &mut Plan) {
    if let Some(member) = lab.with_role(Role::Etcd).next() {
        plan.cluster.push(hashes(lab, member));
    }
    for vip in &lab.vips {
        // Whoever has it without being one of its holders is in their way.
        let everybody = lab.nodes.iter().map(|node| node.name.clone()).collect();
        plan.cluster.push(Check {
            name: "vip-holder",
            stage: crate::kubernetes::checks::stage_of("vip-holder"),
            nodes: everybody,
            proves: format!("exactly one node holds {} ({})", vip.address, vip.name),
            script: format!("ip -o -4 address show to {}/32 | grep -q .", vip.address),
            hint: "journalctl -u keepalived on the nodes that may hold it".into(),
            judge: Judge::OnOneNode,
        });
    }
    let Some(controller) = lab.with_role(Role::ControlPlane).next() else { return };
    for node in lab.with_role(Role::Worker) {
        plan.cluster.push(readiness::ready(controller, &node.name));
    }
    // Each API server has a configuration of its own.
    for (index, controller) in lab.with_role(Role::ControlPlane).enumerate() {
        plan.cluster.push(one(
            "secrets-encrypted",
            controller,
            &format!("a Secret that {} writes cannot be read in etcd", controller.name),
            &secret_script(lab, index),
            "/etc/kubernetes/encryption.yaml",
        ));
    }
}

/// Members hash what they hold at one revision; a member that is behind is asked again. The revision
/// is that of a read which a quorum agreed to. Asked over HTTP: starting etcdctl costs an emulated
/// node more than the whole question. Before 3.5.10 what hashes one revision was called `hash`, which
/// since then hashes the whole file at once.
fn hashes(lab: &Lab, member: &Node) -> Check {
    let members: Vec<String> = lab
        .with_role(Role::Etcd)
        .map(|node| format!("https://{}:2379/v3/maintenance/$path", node.address))
        .collect();
    // The body asks for the key "lab", which nobody has.
    let script = format!(
        "ask() {{ curl -sS --max-time 20 {} -d \"$@\"; }}
path=hashkv
ask '{{}}' --fail --retry 2 -o /dev/null https://{}:2379/v3/maintenance/$path 2>/dev/null || path=hash
for i in 1 2 3 4 5; do
  revision=$(ask '{{\"key\":\"bGFi\"}}' https://{}:2379/v3/kv/range | grep -o '\"revision\":\"[0-9]*\"' | tr -cd 0-9) || revision=
  if test -n \"$revision\"; then
    seen=$(ask \"{{\\\"revision\\\":$revision}}\" --parallel {} 2>&1) || true
    hashes=$(echo \"$seen\" | tr '}}' '\\n' | grep -o '\"hash\":.*' || true)
    if test \"$(echo \"$hashes\" | grep -c hash)\" = {} && test \"$(echo \"$hashes\" | sort -u | wc -l)\" = 1; then
      echo \"equal at revision $revision\"; exit 0
    fi
  fi
  sleep 1
done
echo \"${{seen:-no quorum}}\"; exit 1\n",
        etcd::TLS,
        member.address,
        member.address,
        members.join(" "),
        members.len(),
    );
    one(
        "etcd-hashes",
        member,
        "a quorum of etcd answers, and all its members hold the same",
        &script,
        "etcdctl endpoint hashkv; etcdctl alarm list",
    )
}

/// Writes a Secret and looks for its text in etcd, where the controller can reach a member.
fn secret_script(lab: &Lab, index: usize) -> String {
    let Some(member) = lab.with_role(Role::Etcd).next() else { return "false".into() };
    let pki = "/etc/kubernetes/pki";
    let make = namespaces::make(KUBECTL, "$ns");
    format!(
        "ns=lab-secret-${{LAB_RUN}}{index:x}\n{make}\
         trap '{KUBECTL} delete namespace $ns --wait=false >/dev/null' EXIT\n\
         {KUBECTL} -n $ns create secret generic probe --from-literal=word=plainly-readable >/dev/null\n\
         key=$(printf '/registry/secrets/%s/probe' $ns | base64 -w0)\n\
         curl -fsS --max-time 30 --cacert {pki}/etcd/ca.crt --cert {pki}/apiserver-etcd-client.crt \
         --key {pki}/apiserver-etcd-client.key -X POST -d \"{{\\\"key\\\":\\\"$key\\\"}}\" \
         https://{}:2379/v3/kv/range > /run/lab-secret.$$\n\
         value=$(grep -o '\"value\":\"[^\"]*\"' /run/lab-secret.$$ | cut -d'\"' -f4 | base64 -d 2>/dev/null | tr -d '\\0')\n\
         rm -f /run/lab-secret.$$\n\
         case $value in *plainly-readable*) echo 'the Secret stands in etcd in clear'; exit 1;;\n\
         k8s:enc:secretbox:*) exit 0;; *) echo 'etcd gave no value'; exit 1;; esac\n",
        member.address
    )
}
