//! Checks of single nodes.

use crate::kubernetes::checks::{Check, KUBECTL, one, stage_of};
use crate::kubernetes::hard_way::etcd;
use crate::model::lab::PodNetwork;
use crate::model::{Lab, Node, Role};

pub(crate) fn add(lab: &Lab, node: &Node, all: &mut Vec<Check>) {
    all.push(one(
        "ssh",
        node,
        "the node answers with the host key made for it",
        "true",
        "the console: is the guest running?",
    ));
    all.push(hosts(lab, node));
    all.push(dns(lab, node));
    all.push(clock(node));
    all.push(certificates(node));
    all.push(pod_routes(lab, node));
    if node.is(Role::Etcd) {
        members(lab, node, all);
    }
    if node.is(Role::ControlPlane) {
        controller(node, all);
    }
    if node.is(Role::Worker) {
        for unit in ["containerd", "kubelet", "kube-proxy"] {
            all.push(active(node, unit));
        }
        all.push(reachable(lab, node));
    }
    if node.is(Role::LoadBalancer) {
        all.push(active(node, "haproxy"));
    }
    balancing(lab, node, all);
}

fn active(node: &Node, unit: &'static str) -> Check {
    let check = one(
        "unit-active",
        node,
        &format!("{unit} runs"),
        &format!("systemctl is-active {unit}.service"),
        &format!("journalctl -u {unit}"),
    );
    Check { stage: stage_of(unit), ..check }
}

/// A unit that is active may hang all the same.
fn answers(node: &Node, unit: &'static str, port: u16) -> Check {
    let asks = format!(
        "systemctl is-active {unit}.service\n\
         curl -fsSk -o /dev/null --max-time 20 --retry 3 https://127.0.0.1:{port}/healthz\n"
    );
    Check { proves: format!("{unit} runs and answers"), script: asks, ..active(node, unit) }
}

/// Every name of the lab with its address: nodes and floating addresses.
fn names(lab: &Lab) -> Vec<(std::net::Ipv4Addr, String, &str)> {
    let nodes = lab.nodes.iter().map(|node| (node.address, node.fqdn.clone(), node.name.as_str()));
    let vips = lab.vips.iter();
    let vips = vips.map(|v| (v.address, format!("{}.{}", v.name, lab.domain), v.name.as_str()));
    nodes.chain(vips).collect()
}

fn hosts(lab: &Lab, node: &Node) -> Check {
    let mut script = String::from("bad=0\n");
    for (address, fqdn, name) in names(lab) {
        script.push_str(&format!(
            "getent ahostsv4 {name} | grep -q '^{address} ' || {{ echo \"{name} is not {address}\"; bad=1; }}\n\
             getent hosts {address} | grep -qw {fqdn} || {{ echo \"{address} is not {fqdn}\"; bad=1; }}\n"
        ));
    }
    script.push_str("exit $bad\n");
    let proves = "every name and address of the lab is known here, both ways";
    one("names", node, proves, &script, "/etc/hosts, resolvectl status")
}

/// Asks the network's own DNS, past /etc/hosts and every cache.
pub(crate) fn dns(lab: &Lab, node: &Node) -> Check {
    let server = lab.network.gateway;
    let mut script = format!(
        "command -v dig >/dev/null || {{ echo 'there is no dig on this node to ask with'; exit {}; }}\nbad=0\n",
        crate::kubernetes::checks::MISSING
    );
    for (address, fqdn, _) in names(lab) {
        script.push_str(&format!(
            "dig +short +time=5 @{server} {fqdn} | grep -qx {address} || {{ echo \"{server} does not say that {fqdn} is {address}\"; bad=1; }}\n\
             dig +short +time=5 @{server} -x {address} | grep -qx {fqdn}. || {{ echo \"{server} does not say that {address} is {fqdn}\"; bad=1; }}\n"
        ));
    }
    script.push_str("exit $bad\n");
    one(
        "dns",
        node,
        "the network's DNS knows every name and address, both ways",
        &script,
        "virsh net-dumpxml; dig",
    )
}

pub(crate) fn clock(node: &Node) -> Check {
    let script =
        "skew=$(($(date +%s) - LAB_NOW))\nskew=${skew#-}\necho \"$skew s off\"\ntest $skew -le 5\n";
    one(
        "clock",
        node,
        "the clock is that of the computer",
        script,
        "timedatectl; chronyc or timesyncd",
    )
}

/// Certificates in files and in kubeconfigs: each is one, comes from the authority that those who see it
/// know, has a key that fits, and lasts.
fn certificates(node: &Node) -> Check {
    let script = "command -v openssl >/dev/null || { echo 'there is no openssl on this node to read them with'; exit 69; }
now=$(date +%s); least=99999; which=; bad=0
wrong() { echo \"$1\"; bad=1; }
# Name, file, authority, public half of its key.
look() {
  said=$(openssl x509 -noout -enddate -pubkey -in \"$2\" 2>/dev/null) || { wrong \"$1 is no certificate\"; return 0; }
  openssl verify -CAfile \"$3\" \"$2\" >/dev/null 2>&1 || wrong \"$1 is not valid, or not from $3\"
  test \"$(printf '%s\\n' \"$said\" | sed -n '/^-----BEGIN/,/^-----END/p')\" = \"$4\" || wrong \"the key of $1 is another's\"
  days=$((($(date -d \"$(printf '%s\\n' \"$said\" | sed -n 's/^notAfter=//p')\" +%s) - now) / 86400))
  if test $days -lt $least; then least=$days; which=$1; fi
}
authority() {
  case $1 in
  */front-proxy-*) echo /etc/kubernetes/pki/front-proxy-ca.crt ;;
  */apiserver-etcd-client.crt | /etc/kubernetes/pki/etcd/*) echo /etc/kubernetes/pki/etcd/ca.crt ;;
  /etc/kubernetes/* | /var/lib/*) echo /etc/kubernetes/pki/ca.crt ;;
  *) echo \"${1%/*}/ca.crt\" ;;
  esac
}
for f in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /etc/etcd/pki/*.crt /var/lib/kubelet/pki/*.crt /etc/lab/pki/*.crt /etc/haproxy/pki/*.crt /etc/haproxy/pki/*.pem; do
  test -e $f || continue
  key=$f; test ${f%.crt} = $f || key=${f%.crt}.key
  # Of an authority only its certificate is here.
  if test -e $key; then key=$(openssl pkey -pubout -in $key 2>/dev/null); else key=$(openssl x509 -noout -pubkey -in $f 2>/dev/null); fi
  look $f $f $(authority $f) \"$key\"
done
for f in /etc/kubernetes/*.conf /var/lib/kubelet/kubeconfig /var/lib/kube-proxy/kubeconfig; do
  test -e $f || continue
  data() { sed -n \"s/.*client-$1-data: *\\\"\\{0,1\\}\\([A-Za-z0-9+\\/=]*\\).*/\\1/p\" $f | base64 -d 2>/dev/null; }
  data certificate > /run/lab-certificate
  look $f /run/lab-certificate /etc/kubernetes/pki/ca.crt \"$(data key | openssl pkey -pubout 2>/dev/null)\"
done
rm -f /run/lab-certificate
test $bad = 0 || exit 1
if test -z \"$which\"; then echo 'none here'; exit 0; fi
echo \"$least days left, $which\"
test $least -ge 30\n";
    one(
        "certificates",
        node,
        "every certificate is whole and has at least 30 days left",
        script,
        "`lab up` renews what ends soon and puts back what was changed",
    )
}

/// Each worker's pod subnet must be reached through that worker.
fn pod_routes(lab: &Lab, node: &Node) -> Check {
    let mut script = String::from("bad=0\n");
    for other in lab.with_role(Role::Worker).filter(|other| other.name != node.name) {
        if let Some(subnet) = other.pod_subnet {
            // What leads nowhere has no next hop; without a tunnel it is the worker itself.
            let next = match lab.kubernetes.pod_network {
                PodNetwork::Routed => format!("via {} ", other.address),
                PodNetwork::Overlay => "via ".to_owned(),
            };
            script.push_str(&format!(
                "ip -4 route show {subnet} | grep -qF '{next}' || {{ echo \"no way to {subnet}, the pods of {}\"; bad=1; }}\n",
                other.name
            ));
        }
    }
    let service = lab.kubernetes.service_cidr;
    script.push_str(&format!(
        "ip -4 -o address show to {service} | grep -q . && {{ echo \"an interface has an address of the service network {service}\"; bad=1; }}\nexit $bad\n"
    ));
    one(
        "pod-routes",
        node,
        "there is a way to every worker's pods",
        &script,
        "systemctl status lab-pod-network; ip route",
    )
}

fn members(lab: &Lab, node: &Node, all: &mut Vec<Check>) {
    let ctl = format!("ETCDCTL_API=3 etcdctl {}", etcd::CLIENT);
    all.push(one(
        "etcd-health",
        node,
        "the etcd member answers and the cluster has a leader",
        &format!("{ctl} endpoint health 2>&1"),
        "journalctl -u etcd",
    ));
    let mut names: Vec<&str> = lab.with_role(Role::Etcd).map(|n| n.name.as_str()).collect();
    names.sort_unstable();
    all.push(one(
        "etcd-members",
        node,
        "the members are those of the topology, and all vote",
        &format!(
            "list=$({ctl} member list)\n\
             seen=$(echo \"$list\" | awk -F', ' '$2 == \"started\" && $6 == \"false\" {{print $3}}' | LC_ALL=C sort | tr '\\n' ' ')\n\
             echo \"$seen\"\ntest \"$seen\" = '{} '\n",
            names.join(" ")
        ),
        "etcdctl member list; `lab up`",
    ));
}

fn controller(node: &Node, all: &mut Vec<Check>) {
    all.push(one(
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
    all.push(answers(node, "kube-controller-manager", 10257));
    all.push(answers(node, "kube-scheduler", 10259));
    all.push(one(
        "no-open-ports",
        node,
        "controller manager and scheduler serve this node alone",
        "open=$(ss -Hltn | awk '{print $4}' | grep -E ':(10251|10252|10257|10259)$' | grep -v '^127.0.0.1:' || true)\n\
         echo \"$open\"\ntest -z \"$open\"",
        "--bind-address and --port of kube-controller-manager and kube-scheduler",
    ));
    all.push(one(
        "anonymous-refused",
        node,
        "the API refuses requests without a credential",
        &format!(
            "code=$(curl -sk --max-time 20 -o /dev/null -w '%{{http_code}}' https://{}:6443/api)\n\
             echo \"the API answered $code\"\ntest \"$code\" = 401",
            node.address
        ),
        "--anonymous-auth of the API server",
    ));
}

/// A worker's own way to the API. Without a credential the answer is a refusal, which is answer
/// enough: name, certificate and port are right.
fn reachable(lab: &Lab, node: &Node) -> Check {
    let endpoint = lab.api_endpoint().unwrap_or(node.address);
    one(
        "api-endpoint",
        node,
        &format!("the API answers at {endpoint}, where the kubelet looks for it"),
        &format!(
            "code=$(curl -s --max-time 20 --retry 3 --cacert /etc/kubernetes/pki/ca.crt -o /dev/null -w '%{{http_code}}' https://{endpoint}:6443/readyz)\n\
             echo \"the API answered $code\"\ntest \"$code\" = 401\n"
        ),
        "the holder of the floating address: `lab status`",
    )
}

/// Ways to the API that the node itself is part of.
fn balancing(lab: &Lab, node: &Node, all: &mut Vec<Check>) {
    for vip in lab.vips_of(node) {
        all.push(active(node, "keepalived"));
        all.push(one(
            "api-at-vip",
            node,
            &format!("the API answers at {} ({})", vip.address, vip.name),
            &format!(
                "curl -fsS -o /dev/null --max-time 20 --retry 3 --cacert /etc/lab/pki/ca.crt --cert /etc/lab/pki/health.crt \
                 --key /etc/lab/pki/health.key https://{}:6443/readyz",
                vip.address
            ),
            "journalctl -u keepalived -u haproxy",
        ));
    }
    if node.is(Role::LoadBalancer) {
        all.push(one(
            "balancer-health",
            node,
            "HAProxy has an API server that is ready",
            "curl -fsS -o /dev/null --max-time 20 --unix-socket /run/haproxy/health.sock http://haproxy/api",
            "journalctl -u haproxy",
        ));
    }
}
