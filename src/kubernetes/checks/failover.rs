//! Scripts of `lab verify --failover`: a service that runs and a writer that writes while nodes are
//! stopped. All run on a controller that is not the one being stopped.

use std::net::Ipv4Addr;

use crate::kubernetes::checks::namespaces;
use crate::kubernetes::stage::KUBECTL;
use crate::kubernetes::stages::runtime::TEST_IMAGE;
use crate::model::{Lab, Node, Role};

/// What is tried while `stopped` is down.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Node that is asked: a controller that stays.
    pub observer: String,
    /// Where the API must answer.
    pub endpoint: Ipv4Addr,
    /// Where the service must answer.
    pub entry: Ipv4Addr,
}

/// What can be tried while `stopped` is down; `None` when nothing can take its place.
pub fn trial(lab: &Lab, stopped: &Node) -> Option<Trial> {
    let stays = |node: &&Node| node.name != stopped.name;
    let observer = lab.with_role(Role::ControlPlane).find(stays)?;
    let balancer =
        lab.vips.iter().find(|vip| vip.role == Role::LoadBalancer).map(|vip| vip.address);
    let worker = || lab.with_role(Role::Worker).find(stays).map(|node| node.address);
    Some(Trial {
        observer: observer.name.clone(),
        endpoint: lab.api_endpoint()?,
        entry: balancer.or_else(worker)?,
    })
}

fn kubectl(trial: &Trial, run: &str) -> String {
    format!(
        "{KUBECTL} -s https://{}:6443 --request-timeout=15s -n lab-failover-{run}",
        trial.endpoint
    )
}

/// Starts a service with a pod on every worker that it can have one on.
pub fn prepare(lab: &Lab, trial: &Trial, run: &str) -> String {
    let k = kubectl(trial, run);
    let clear = namespaces::clear_failover(&k);
    let make = namespaces::make(&k, &format!("lab-failover-{run}"));
    let replicas = lab.with_role(Role::Worker).count().clamp(1, 3);
    format!(
        "{clear}{make}for i in $(seq 60); do {k} get serviceaccount default >/dev/null 2>&1 && break; sleep 1; done
{k} apply -f - >/dev/null <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector: {{matchLabels: {{app: web}}}}
      containers:
        - name: web
          image: {TEST_IMAGE}
          imagePullPolicy: Never
          command: [sh, -c, 'echo here > /name; exec httpd -f -p 8080 -h /']
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080}}]
YAML
{k} rollout status deployment/web --timeout=300s --request-timeout=0 >/dev/null
"
    )
}

/// Starts a writer that leaves the names of acknowledged writes in a file, and waits for the first: what
/// is stopped next is stopped under it. It ends by itself after half an hour.
pub fn start_writer(trial: &Trial, run: &str) -> String {
    let k = kubectl(trial, run);
    format!(
        "mkdir -p /run/lab; rm -f /run/lab/failover-stop /run/lab/failover-stopped; : > /run/lab/failover-acknowledged
nohup sh -c 'n=0; end=$(($(date +%s) + 1800))
while test ! -e /run/lab/failover-stop && test $(date +%s) -lt $end; do
  n=$((n + 1)); name=w$(date +%s)-$n
  {k} create configmap $name >/dev/null 2>&1 && echo $name >> /run/lab/failover-acknowledged
done; touch /run/lab/failover-stopped' >/dev/null 2>&1 </dev/null &
for i in $(seq 240); do test -s /run/lab/failover-acknowledged && exit 0; sleep 0.5; done
echo 'no write was acknowledged within two minutes'; exit 1
"
    )
}

/// Succeeds when the API answers at the endpoint.
pub fn ask_api(trial: &Trial) -> String {
    format!(
        "{KUBECTL} -s https://{}:6443 --request-timeout=5s get --raw=/readyz >/dev/null 2>&1\n",
        trial.endpoint
    )
}

/// Succeeds when the service answers ten times in a row: one pod of it may be on the node that is
/// down.
pub fn ask_service(trial: &Trial, run: &str) -> String {
    format!(
        "known=/run/lab/failover-port-{run}
test -s $known || {} get service web -o 'jsonpath={{.spec.ports[0].nodePort}}' > $known 2>/dev/null
port=$(cat $known)
for i in 1 2 3 4 5 6 7 8 9 10; do curl -fs -o /dev/null --max-time 3 http://{}:$port/name || exit 1; done
",
        kubectl(trial, run),
        trial.entry
    )
}

/// Stops the writer and looks for every write that was acknowledged; that there was none shows nothing.
pub fn count_writes(trial: &Trial, run: &str) -> String {
    format!(
        "touch /run/lab/failover-stop
for i in $(seq 60); do test -e /run/lab/failover-stopped && break; sleep 1; done
{} get configmaps -o name | sed 's|configmap/||' | sort > /run/lab/failover-found
sort /run/lab/failover-acknowledged > /run/lab/failover-wanted
lost=$(comm -23 /run/lab/failover-wanted /run/lab/failover-found | tr '\\n' ' ')
echo \"$(wc -l < /run/lab/failover-wanted) acknowledged, lost: ${{lost:-none}}\"
test -s /run/lab/failover-wanted && test -z \"$lost\"
",
        kubectl(trial, run)
    )
}

/// Clears everything away.
pub fn clear(trial: &Trial, run: &str) -> String {
    format!(
        "touch /run/lab/failover-stop; rm -f /run/lab/failover-port-*
{} delete namespace lab-failover-{run} --wait=false >/dev/null 2>&1 || true\n",
        kubectl(trial, run)
    )
}
