//! Checks with pods of their own: a web server on every worker and a service in front of them, in a
//! namespace that goes again.

use crate::kubernetes::checks::{Check, KUBECTL, Plan, namespaces, one};
use crate::kubernetes::stages::runtime::TEST_IMAGE;
use crate::model::{Lab, Node, Role};

/// What every script has: the namespace of this run, the workers' names, and patience with what the
/// cluster does a moment after it was told (rules of kube-proxy, names in CoreDNS).
fn preamble(workers: &[&Node]) -> String {
    let names: Vec<&str> = workers.iter().map(|node| node.name.as_str()).collect();
    format!(
        "k='{KUBECTL} -n lab-check-'$LAB_RUN\nworkers='{}'\n\
         soon() {{ end=$(($(date +%s) + 60)); until \"$@\"; do test $(date +%s) -lt $end || return 1; sleep 1; done; }}\n",
        names.join(" ")
    )
}

/// Whether cluster DNS is there at all; 69 is "missing", not "failed".
fn dns_is_up(controller: &Node) -> Check {
    let get = format!("{KUBECTL} -n kube-system get deployment coredns");
    let script = format!(
        "{get} >/dev/null 2>&1 || {{ echo 'CoreDNS is not installed: no image could be had, or somebody removed it'; exit 69; }}\n\
         test \"$({get} -o 'jsonpath={{.status.availableReplicas}}')\" -ge 1\n"
    );
    let hint = "kubectl -n kube-system get pods; LAB_IMAGES for its image";
    one("cluster-dns-up", controller, "cluster DNS runs", &script, hint)
}

pub(crate) fn add(lab: &Lab, controller: &Node, plan: &mut Plan) {
    if lab.kubernetes.has_addon("coredns") {
        plan.cluster.push(dns_is_up(controller));
    }
    let workers: Vec<&Node> = lab.with_role(Role::Worker).collect();
    let start = preamble(&workers);
    let mut add = |name, proves: &str, script: &str, hint: &str| {
        plan.cluster.push(one(name, controller, proves, &format!("{start}{script}"), hint));
    };
    add(
        "pods-run",
        "a pod starts on every worker",
        &pods(),
        "kubectl get pods -A; kubectl get events -A",
    );
    add(
        "pod-to-pod",
        "pods reach the pods of every worker, also with large answers",
        // One command per pod: each costs the way through the API server.
        "pods=$($k get pods -o 'jsonpath={range .items[*]}{.metadata.name}={.status.podIP} {end}')
inner='from=$1; shift
for pod in \"$@\"; do
  to=${pod%%=*}; to=${to#probe-}; ip=${pod#*=}
  got=$(wget -q -O - http://$ip:8080/name) || { echo \"$from cannot reach $to at $ip\"; exit 1; }
  test \"$got\" = \"$to\" || { echo \"$ip answered as $got, not as $to\"; exit 1; }
  size=$(wget -q -O - http://$ip:8080/large | wc -c)
  test $size = 200000 || { echo \"$size of 200000 bytes came from $to to $from: packets too large?\"; exit 1; }
done'
for from in $workers; do
  timeout 180 $k exec probe-$from -- sh -c \"$inner\" check $from $pods || { echo \"$from cannot reach every pod\"; exit 1; }
done
",
        "ip route on the workers; the tunnel's or bridge's MTU",
    );
    add(
        "service-address",
        "a service address leads to its pods",
        "address=$($k get service probe -o 'jsonpath={.spec.clusterIP}')
for from in $workers; do
  soon timeout 60 $k exec probe-$from -- wget -q -O /dev/null http://$address/name || { echo \"$from cannot reach $address\"; exit 1; }
done\n",
        "journalctl -u kube-proxy; iptables-save on the worker",
    );
    node_ports(lab, &workers, &mut add);
    if lab.kubernetes.has_addon("coredns") {
        add(
            "cluster-dns",
            "pods find services by name",
            &names(lab),
            "kubectl -n kube-system get pods; LAB_IMAGES for its image",
        );
    }
    add(
        "logs",
        "a pod's log can be read",
        "for w in $workers; do $k logs probe-$w | grep -q \"serving on $w\" || { echo \"no log from $w\"; exit 1; }; done\n",
        "journalctl -u kubelet on the worker",
    );
    add(
        "exec",
        "a command runs in a pod",
        "for w in $workers; do test \"$($k exec probe-$w -- cat /www/name)\" = $w || exit 1; done\n",
        "journalctl -u kubelet on the worker",
    );
    add(
        "port-forward",
        "a pod's port can be forwarded",
        "port=$((20000 + $$ % 10000))
set -- $workers
$k port-forward probe-$1 $port:8080 >/dev/null 2>&1 & forward=$!
trap 'kill $forward 2>/dev/null' EXIT
curl -fs --retry 40 --retry-connrefused --retry-delay 1 --max-time 60 http://127.0.0.1:$port/name | grep -qx $1\n",
        "journalctl -u kubelet on the worker",
    );
    plan.afterwards = Some((controller.name.clone(), namespaces::clear()));
}

/// Asks for the API's and the run's own service by name, from every worker.
fn names(lab: &Lab) -> String {
    format!(
        "{KUBECTL} -n kube-system get deployment coredns >/dev/null 2>&1 || {{ echo 'CoreDNS is not installed: no image could be had'; exit 69; }}
# The answer also names the server: only the whole address is the one that was looked for.
finds() {{ said=$($k exec probe-$1 -- nslookup $2 2>&1); echo \"$said\" | grep -qwF \"$3\"; }}
address=$($k get service probe -o 'jsonpath={{.spec.clusterIP}}')
for from in $workers; do
  for pair in kubernetes.default=={api} probe.lab-check-$LAB_RUN==$address; do
    name=${{pair%==*}}.svc.{domain}; wanted=${{pair#*==}}
    soon finds $from $name $wanted || {{ echo \"a pod on $from asks {dns} for $name, which is $wanted, and hears: $(echo $said)\"; exit 1; }}
  done
done\n",
        domain = lab.kubernetes.cluster_domain,
        dns = lab.kubernetes.dns_service(),
        api = lab.kubernetes.api_service(),
    )
}

fn node_ports(lab: &Lab, workers: &[&Node], add: &mut impl FnMut(&'static str, &str, &str, &str)) {
    let ask = |targets: &str| {
        format!(
            "port=$($k get service probe -o 'jsonpath={{.spec.ports[0].nodePort}}')
for target in {targets}; do
  curl -fsS -o /dev/null --max-time 20 --retry 5 --retry-connrefused --retry-delay 1 http://$target:$port/name || {{ echo \"no answer from $target:$port\"; exit 1; }}
done\n"
        )
    };
    let addresses: Vec<String> = workers.iter().map(|node| node.address.to_string()).collect();
    let script = ask(&addresses.join(" "));
    add(
        "node-port",
        "a node port answers on every worker",
        &script,
        "journalctl -u kube-proxy on the worker",
    );
    let mut entries: Vec<String> = lab
        .vips
        .iter()
        .filter(|vip| vip.role == Role::LoadBalancer)
        .map(|vip| vip.address.to_string())
        .collect();
    // A load balancer that is a controller, too, serves its floating address alone.
    let plain = lab.with_role(Role::LoadBalancer).filter(|node| !node.is(Role::ControlPlane));
    entries.extend(plain.map(|node| node.address.to_string()));
    if !entries.is_empty() {
        let script = ask(&entries.join(" "));
        add(
            "balanced-node-port",
            "a node port answers at the load balancers",
            &script,
            "journalctl -u haproxy on the load balancers",
        );
    }
}

/// A web server per worker and a service in front. The scheduler puts each on its worker, which must take
/// pods.
fn pods() -> String {
    let make = namespaces::make(KUBECTL, "lab-check-$LAB_RUN");
    format!(
        "{make}for i in $(seq 60); do $k get serviceaccount default >/dev/null 2>&1 && break; sleep 1; done
for w in $workers; do cat <<POD; done | $k apply -f - >/dev/null
---
apiVersion: v1
kind: Pod
metadata: {{name: probe-$w, labels: {{app: lab-probe}}}}
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
          - matchFields: [{{key: metadata.name, operator: In, values: [\"$w\"]}}]
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: {TEST_IMAGE}
      imagePullPolicy: Never
      command: [sh, -c, 'busybox mkdir -p /www; cd /www; echo $w > name; busybox yes | busybox head -c 200000 > large; echo serving on $w; exec httpd -f -p 8080 -h /www']
POD
$k apply -f - >/dev/null <<SERVICE
apiVersion: v1
kind: Service
metadata: {{name: probe}}
spec:
  type: NodePort
  selector: {{app: lab-probe}}
  ports: [{{port: 80, targetPort: 8080}}]
SERVICE
$k wait --for=condition=Ready pod --all --timeout=240s --request-timeout=0\n"
    )
}
