//! What `lab verify` proves: named checks, each a script on one node that succeeds when it holds.

use crate::model::{Lab, Node, Role};

/// One check on one node.
#[derive(Clone, Debug)]
pub struct Check {
    /// Stable name.
    pub name: &'static str,
    /// Node it is made on.
    pub node: String,
    /// What it proves.
    pub proves: String,
    /// POSIX shell, run as root; changes nothing that stays.
    pub script: String,
    /// What to look at when it fails.
    pub hint: String,
}

const KUBECTL: &str = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=30s";

/// Every check of a lab, in the order they are shown.
pub fn checks(lab: &Lab) -> Vec<Check> {
    let mut all = Vec::new();
    for node in &lab.nodes {
        all.push(ssh(node));
        all.push(names(lab, node));
        all.push(clock(node));
    }
    for node in lab.with_role(Role::Etcd) {
        all.push(check("etcd-health", node,
            "the etcd member answers and the cluster has a leader",
            "etcdctl=$(command -v etcdctl)\nETCDCTL_API=3 $etcdctl --endpoints=https://127.0.0.1:2379 \
             --cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/healthcheck-client.crt \
             --key=/etc/etcd/pki/healthcheck-client.key endpoint health 2>&1",
            "journalctl -u etcd"));
    }
    for node in lab.with_role(Role::ControlPlane) {
        all.push(check(
            "api-ready",
            node,
            "the API server and everything it needs is ready",
            // Asked up to five times: the server's own question to etcd has two seconds, which an
            // emulated member under the load of all these checks may miss once.
            &format!(
                "for i in 1 2 3 4; do {KUBECTL} get --raw=/readyz >/dev/null 2>&1 && exit 0; sleep 3; done\n\
                 {KUBECTL} get --raw='/readyz?verbose' >/dev/null"
            ),
            "journalctl -u kube-apiserver",
        ));
        for unit in ["kube-controller-manager", "kube-scheduler"] {
            all.push(active(node, unit));
        }
        all.push(check(
            "no-open-ports",
            node,
            "controller manager and scheduler serve this node alone",
            "open=$(ss -Hltn | awk '{print $4}' | grep -E ':(10251|10252|10257|10259)$' | grep -v '^127.0.0.1:' || true)\n\
             echo \"$open\"\ntest -z \"$open\"",
            "--bind-address and --port of kube-controller-manager and kube-scheduler",
        ));
        all.push(check(
            "anonymous-refused",
            node,
            "the API refuses requests without a credential",
            &format!(
                "code=$(curl -sk -o /dev/null -w '%{{http_code}}' https://{}:6443/api)\n\
                      echo \"the API answered $code\"\ntest \"$code\" = 401",
                node.address
            ),
            "--anonymous-auth of the API server",
        ));
    }
    for node in lab.with_role(Role::Worker) {
        for unit in ["containerd", "kubelet", "kube-proxy"] {
            all.push(active(node, unit));
        }
    }
    if let Some(controller) = lab.with_role(Role::ControlPlane).next() {
        cluster(lab, controller, &mut all);
    }
    all
}

fn check(name: &'static str, node: &Node, proves: &str, script: &str, hint: &str) -> Check {
    Check {
        name,
        node: node.name.clone(),
        proves: proves.into(),
        script: script.into(),
        hint: format!("on {}: {hint}", node.name),
    }
}

fn active(node: &Node, unit: &'static str) -> Check {
    check(
        "unit-active",
        node,
        &format!("{unit} runs"),
        &format!("systemctl is-active {unit}.service"),
        &format!("journalctl -u {unit}"),
    )
}

fn ssh(node: &Node) -> Check {
    check(
        "ssh",
        node,
        "the node answers with the host key made for it",
        "true",
        "the console: is the guest running?",
    )
}

fn names(lab: &Lab, node: &Node) -> Check {
    let mut script = String::from("bad=0\n");
    for other in &lab.nodes {
        let (address, fqdn, name) = (other.address, &other.fqdn, &other.name);
        script.push_str(&format!(
            "getent ahostsv4 {name} | grep -q '^{address} ' || {{ echo \"{name} is not {address}\"; bad=1; }}\n\
             getent hosts {address} | grep -qw {fqdn} || {{ echo \"{address} is not {fqdn}\"; bad=1; }}\n"
        ));
    }
    script.push_str("exit $bad\n");
    check(
        "names",
        node,
        "every node's name and address are known here, both ways",
        &script,
        "/etc/hosts, resolvectl status",
    )
}

fn clock(node: &Node) -> Check {
    let now = "the clock is later than the certificates' first day";
    check("clock", node, now, "test \"$(date +%s)\" -gt 1700000000", "timedatectl")
}

fn cluster(lab: &Lab, controller: &Node, all: &mut Vec<Check>) {
    for node in lab.with_role(Role::Worker) {
        let name = &node.name;
        let mut found = check(
            "node-ready",
            controller,
            &format!("Kubernetes says {name} is Ready"),
            &format!(
                "state=$({KUBECTL} get node {name} -o 'jsonpath={{.status.conditions[?(@.type==\"Ready\")].status}}')\n\
                      echo \"{name} is Ready: $state\"\ntest \"$state\" = True"
            ),
            &format!("kubectl describe node {name}; on {name}: journalctl -u kubelet"),
        );
        found.proves = format!("Kubernetes says {name} is Ready");
        all.push(found);
    }
    let workers: Vec<&str> = lab.with_role(Role::Worker).map(|node| node.name.as_str()).collect();
    all.push(check(
        "pods-run",
        controller,
        "a pod starts on every worker",
        &pods_script(&workers),
        "kubectl get pods -A; kubectl get events -A",
    ));
    all.push(check(
        "secrets-encrypted",
        controller,
        "a Secret cannot be read in etcd",
        &secret_script(lab),
        "/etc/kubernetes/encryption.yaml",
    ));
}

/// Starts a pod of the sandbox image on each worker in a namespace of its own, which goes again.
fn pods_script(workers: &[&str]) -> String {
    let image = super::runtime::SANDBOX_IMAGE;
    let mut script = format!(
        "ns=lab-check-$$\n{KUBECTL} create namespace $ns >/dev/null\n\
         trap '{KUBECTL} delete namespace $ns --wait=false >/dev/null' EXIT\n\
         for i in $(seq 60); do {KUBECTL} -n $ns get serviceaccount default >/dev/null 2>&1 && break; sleep 1; done\n"
    );
    for worker in workers {
        let spec = format!(
            "{{\"spec\":{{\"nodeName\":\"{worker}\",\"automountServiceAccountToken\":false,\"terminationGracePeriodSeconds\":0}}}}"
        );
        script.push_str(&format!(
            "{KUBECTL} -n $ns run check-{worker} --image={image} --image-pull-policy=Never \
             --restart=Never --overrides='{spec}' >/dev/null\n"
        ));
    }
    script.push_str(&format!(
        "{KUBECTL} -n $ns wait --for=condition=Ready pod --all --timeout=180s --request-timeout=0\n"
    ));
    script
}

/// Writes a Secret and looks for its text in etcd, where the controller can reach a member.
fn secret_script(lab: &Lab) -> String {
    let Some(member) = lab.with_role(Role::Etcd).next() else { return "false".into() };
    let pki = "/etc/kubernetes/pki";
    format!(
        "ns=lab-secret-$$\n{KUBECTL} create namespace $ns >/dev/null\n\
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
