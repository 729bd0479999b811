//! What must be so of etcd: members answer, are those of the topology, and hold the same.

use minijinja::context;

use crate::kubernetes::checks::{Check, Health, Needs, Peer, Plan, Port, Scope};
use crate::kubernetes::hard_way::etcd::client::{CLIENT, HEALTH, TLS};
use crate::model::{Lab, Node, Role, port};
use crate::render::RenderError;

pub(crate) const NEEDS: Needs = Needs {
    memory: 128,
    disk: 512,
    ports: &[
        Port::of(port::ETCD_CLIENT, "etcd").open_to(&[Peer::Members, Peer::Controllers]),
        Port::of(port::ETCD_PEER, "etcd").open_to(&[Peer::Members]),
    ],
    programs: &["etcd", "etcdctl"],
};

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    let mut names: Vec<&str> = members(scope.lab).map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    let listed =
        scope.script("etcd-members", context! { client => CLIENT, names => names.join(" ") })?;
    for node in members(scope.lab) {
        let proves = "the etcd member answers and the cluster has a leader";
        let asked = format!("{HEALTH} 2>&1");
        let answers = scope.one("etcd-health", node, proves, asked, "journalctl -u etcd");
        let proves = "the members are those of the topology, and all vote";
        let hint = "etcdctl member list; `lab up`";
        plan.nodes.extend([
            answers.health(&[Health::Failover]),
            scope.one("etcd-members", node, proves, &listed, hint),
        ]);
    }
    if let Some(member) = members(scope.lab).next() {
        plan.cluster.push(hashes(scope, member)?);
    }
    Ok(plan)
}

fn members(lab: &Lab) -> impl Iterator<Item = &Node> {
    lab.with_role(Role::Etcd)
}

/// Members hash what they hold at one revision; a member that is behind is asked again. The revision
/// is that of a read which a quorum agreed to: of the key "lab", which nobody has. Asked over HTTP:
/// starting etcdctl costs an emulated node more than the whole question. Before 3.5.10 what hashes one
/// revision was called `hash`, which since then hashes the whole file at once.
fn hashes(scope: &Scope<'_>, member: &Node) -> Result<Check, RenderError> {
    let all: Vec<String> = members(scope.lab).map(|node| node.address.to_string()).collect();
    let first = member.address.to_string();
    let script =
        scope.script("etcd-hashes", context! { tls => TLS, member => first, members => all })?;
    let proves = "a quorum of etcd answers, and all its members hold the same";
    let hint = "etcdctl endpoint hashkv; etcdctl alarm list";
    Ok(scope.one("etcd-hashes", member, proves, script, hint).health(&[Health::Restore]))
}

/// Version of the member, and whether it leads.
pub(crate) fn info(scope: &Scope<'_>, _node: &Node) -> Result<String, RenderError> {
    scope.script("node-info", context! { client => CLIENT })
}
