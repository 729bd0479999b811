//! What `lab inspect` asks: whether nodes are fit for the roles that the topology gives them, before a stage
//! runs and at any time after. Nothing is changed on them.

use crate::kubernetes::checks::{Check, MISSING, Plan, node, one};
use crate::model::lab::PodNetwork;
use crate::model::{Lab, Node, Role};

/// Milliseconds that a connection between nodes may take: etcd's heartbeat has a hundred.
const NEAR: u32 = 50;

/// What a role needs on its node.
struct Needs {
    role: Role,
    /// MiB of memory that its programs take, measured with Kubernetes 1.20 and nothing else to do.
    memory: u32,
    /// MiB of disk that it fills soon.
    disk: u32,
    /// Ports, and the programs that may have them, as the kernel cuts their names.
    ports: &'static [(u16, &'static str)],
    /// Programs that its stages install.
    programs: &'static [&'static str],
}

const NEEDS: &[Needs] = &[
    Needs {
        role: Role::Etcd,
        memory: 128,
        disk: 512,
        ports: &[(2379, "etcd"), (2380, "etcd")],
        programs: &["etcd", "etcdctl"],
    },
    Needs {
        role: Role::ControlPlane,
        memory: 640,
        disk: 512,
        ports: &[
            (6443, "kube-apiserver|haproxy"),
            (10257, "kube-controller"),
            (10259, "kube-scheduler"),
        ],
        programs: &[],
    },
    Needs {
        role: Role::Worker,
        memory: 320,
        disk: 2048,
        ports: &[(10250, "kubelet"), (10256, "kube-proxy")],
        programs: &["containerd", "runc"],
    },
    Needs {
        role: Role::LoadBalancer,
        memory: 64,
        disk: 128,
        ports: &[(6443, "kube-apiserver|haproxy"), (80, "haproxy"), (443, "haproxy")],
        programs: &["haproxy"],
    },
];

/// Every question, node by node.
pub fn inspection(lab: &Lab) -> Plan {
    let mut plan = Plan::default();
    for node in &lab.nodes {
        plan.nodes.extend(of_node(lab, node));
    }
    plan
}

fn of_node(lab: &Lab, node: &Node) -> Vec<Check> {
    let mut all =
        vec![system(node), node::clock(node), name(node), node::dns(lab, node), near(lab, node)];
    let needs: Vec<&Needs> = NEEDS.iter().filter(|needs| node.is(needs.role)).collect();
    all.push(memory(node, needs.iter().map(|needs| needs.memory).sum()));
    all.push(disk(node, needs.iter().map(|needs| needs.disk).sum()));
    all.push(ports(node, &needs));
    all.push(programs(node, &needs));
    all.push(firewall(node));
    if node.is(Role::Worker) {
        all.push(swap(node));
        all.push(control_groups(node));
        all.push(modules(lab, node));
    }
    all
}

fn system(node: &Node) -> Check {
    one(
        "system",
        node,
        "the system runs on systemd and lets lab become root",
        "test \"$(id -u)\" = 0 || { echo 'not root'; exit 1; }\ntest -d /run/systemd/system || { echo 'systemd is not its first process'; exit 1; }\n\
         . /etc/os-release\necho \"$PRETTY_NAME, kernel $(uname -r)\"\n",
        "an image of the catalogue: `lab images list`",
    )
}

fn name(node: &Node) -> Check {
    one(
        "host-name",
        node,
        "its name is that of the topology",
        &format!("seen=$(uname -n)\necho \"$seen\"\ntest \"${{seen%%.*}}\" = {}\n", node.name),
        "`hostnamectl`; somebody renamed it, or it is another machine",
    )
}

fn memory(node: &Node, needed: u32) -> Check {
    one(
        "memory",
        node,
        &format!("it has the {needed} MiB of memory that its roles take"),
        &format!(
            "read _ kib _ < /proc/meminfo\necho \"$((kib / 1024)) MiB\"\ntest $((kib / 1024)) -ge {needed}\n"
        ),
        "more `memory` in the topology, then `lab up`",
    )
}

/// Space that is free, or was taken by what it is for.
fn disk(node: &Node, needed: u32) -> Check {
    one(
        "disk",
        node,
        &format!("its disk has room for the {needed} MiB that its roles fill"),
        &format!(
            "set -- $(df -Pm / | tail -n 1)\nused=$(du -smx /var/lib/etcd /var/lib/containerd /var/lib/kubelet /var/log/kubernetes 2>/dev/null | awk '{{s += $1}} END {{print s + 0}}')\n\
             echo \"$4 MiB free\"\ntest $(($4 + used)) -ge {needed}\n"
        ),
        "a larger `disk` in the topology (the node is made anew), or `lab exec -- sudo journalctl --vacuum-size=50M`",
    )
}

fn ports(node: &Node, needs: &[&Needs]) -> Check {
    let mut script = String::from("bad=0\n");
    for (port, owner) in needs.iter().flat_map(|needs| needs.ports) {
        script.push_str(&format!(
            "who=$(ss -Hltnp 'sport = :{port}' | sed -n 's/.*((\"\\([^\"]*\\)\".*/\\1/p' | sort -u | tr '\\n' ' ')\n\
             for one in $who; do echo \"$one\" | grep -qxE '{owner}' || {{ echo \"port {port} is taken by $one\"; bad=1; }}; done\n"
        ));
    }
    script.push_str("exit $bad\n");
    one(
        "ports",
        node,
        "the ports of its roles are free, or have whom they are for",
        &script,
        "`ss -ltnp` names the process; stop and disable its unit",
    )
}

fn programs(node: &Node, needs: &[&Needs]) -> Check {
    let of_roles = needs.iter().flat_map(|needs| needs.programs.iter().copied());
    let list: Vec<&str> = ["curl", "ip", "nft", "openssl"].into_iter().chain(of_roles).collect();
    one(
        "programs",
        node,
        "the programs that its stages install are here",
        &format!(
            "none=\nfor p in {}; do command -v $p >/dev/null || none=\"$none $p\"; done\n\
             test -z \"$none\" || {{ echo \"not here yet:$none\"; exit {MISSING}; }}\n",
            list.join(" ")
        ),
        "`lab up` installs them; where it cannot, the image must have them",
    )
}

/// Rules of others would be asked before ours.
fn firewall(node: &Node) -> Check {
    one(
        "firewall",
        node,
        "no firewall of its own stands between nodes",
        "bad=0\nfor u in firewalld ufw; do systemctl is-active -q $u && { echo \"$u runs\"; bad=1; }; done\nexit $bad\n",
        "`sudo systemctl disable --now firewalld` (or ufw)",
    )
}

fn swap(node: &Node) -> Check {
    one(
        "swap",
        node,
        "nothing is swapped out: the kubelet refuses to run beside it",
        "on=$(tail -n +2 /proc/swaps)\necho \"$on\"\ntest -z \"$on\"\n",
        "`sudo swapoff -a`, and its line in /etc/fstab",
    )
}

fn control_groups(node: &Node) -> Check {
    one(
        "control-groups",
        node,
        "the kernel can limit processors, memory and processes",
        "if test -e /sys/fs/cgroup/cgroup.controllers; then have=$(cat /sys/fs/cgroup/cgroup.controllers)\n\
         else have=$(awk '$4 == 1 {print $1}' /proc/cgroups | tr '\\n' ' '); fi\nbad=0\n\
         for c in cpu memory pids; do echo \" $have \" | grep -q \" $c \" || { echo \"no $c\"; bad=1; }; done\nexit $bad\n",
        "the kernel's command line: cgroup_enable=memory",
    )
}

fn modules(lab: &Lab, node: &Node) -> Check {
    let mut list = vec!["overlay", "nf_conntrack", "nf_tables"];
    if lab.kubernetes.pod_network == PodNetwork::Overlay {
        list.push("vxlan");
    }
    one(
        "modules",
        node,
        "the kernel has what containers and their networks need",
        &format!(
            "bad=0\nfor m in {}; do test -d /sys/module/$m || modprobe -n -q $m || {{ echo \"no $m\"; bad=1; }}; done\nexit $bad\n",
            list.join(" ")
        ),
        "the package of the kernel's modules, or another image",
    )
}

/// Connections to every other node, what answers is its SSH server. The best counts: one of three, of
/// twelve where a node answers late, which may be no more than a busy computer.
fn near(lab: &Lab, node: &Node) -> Check {
    let mut script = format!(
        "command -v curl >/dev/null || {{ echo 'there is no curl on this node to ask with'; exit {MISSING}; }}\nbad=0 slowest=0\n"
    );
    for other in lab.nodes.iter().filter(|other| other.name != node.name) {
        script.push_str(&format!(
            "best=\nfor i in $(seq 12); do\n  t=$(curl -s -o /dev/null -m 5 -w '%{{time_connect}}' http://{0}:22/ | tr , . | awk '{{printf \"%d\", $1 * 1000000}}')\n  \
             if test \"$t\" -gt 0; then if test -z \"$best\" || test $t -lt $best; then best=$t; fi; fi\n  \
             if test $i -lt 3; then continue; fi\n  if test -z \"$best\" || test $best -le {2}000; then break; fi\n  sleep 0.3\ndone\n\
             if test -z \"$best\"; then echo '{1} ({0}) is not reached'; bad=1\n\
             else test $best -le $slowest || slowest=$best\n  test $best -le {2}000 || {{ echo \"{1} is $((best / 1000)) ms away\"; bad=1; }}; fi\n",
            other.address, other.name, NEAR
        ));
    }
    script.push_str("test $bad = 1 || echo \"at most $((slowest / 1000)).$((slowest / 100 % 10)) ms\"\nexit $bad\n");
    one(
        "near",
        node,
        &format!("every other node is reached within {NEAR} ms"),
        &script,
        "`ip route`, `ip neigh`; is the computer out of processors?",
    )
}
