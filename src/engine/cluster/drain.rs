//! Taking nodes out of a running cluster before anything of them is removed: pods move away, the
//! etcd member leaves while its cluster has a quorum. Asked of nodes that stay; done twice is done once.

use std::net::Ipv4Addr;

use crate::engine::cluster::quorum;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::kubernetes::hard_way::etcd;
use crate::model::name::check_label;
use crate::model::{Lab, Node, Role, code};
use crate::plan::{Change, ChangeKind, Observed};

/// A node on its way out.
#[derive(Debug, PartialEq, Eq)]
struct Leaving {
    node: String,
    /// Its pods go elsewhere, and Kubernetes forgets the node.
    pods: bool,
    /// Its etcd member leaves.
    member: bool,
    /// Where its member was. One that was announced and never started has no name in etcd's list.
    address: Option<Ipv4Addr>,
    /// The node itself goes, not only a part of it.
    whole: bool,
}

/// `before` is the lab as it was: nodes it does not know may have had any role.
fn leaving(lab: &Lab, changes: &[Change], before: Option<&Lab>) -> Vec<Leaving> {
    let mut all: Vec<Leaving> = Vec::new();
    for change in changes {
        let Some(node) = &change.node else { continue };
        let old = before.and_then(|lab| lab.node(node));
        let address = old.or_else(|| lab.node(node)).map(|node| node.address);
        let (pods, member) = match (change.kind, change.object, change.name.as_str()) {
            (ChangeKind::Remove, "domain", _) => match old {
                Some(old) => (old.is(Role::Worker), old.is(Role::Etcd)),
                None => (true, true),
            },
            // Made anew, a member joins again by itself; elsewhere nobody would know it as the same.
            (ChangeKind::Replace, "domain", _) => {
                let moves = lab.node(node).map(|node| node.address) != address;
                (true, moves && old.is_some_and(|old| old.is(Role::Etcd)))
            }
            (ChangeKind::Retire, _, "worker") => (true, false),
            (ChangeKind::Retire, _, "etcd") => (false, true),
            _ => continue,
        };
        let whole = change.kind != ChangeKind::Retire;
        match all.iter_mut().find(|leaving| leaving.node == *node) {
            Some(known) => {
                known.pods |= pods;
                known.member |= member;
                known.whole |= whole;
            }
            None => all.push(Leaving { node: node.clone(), pods, member, address, whole }),
        }
    }
    all
}

/// Nodes that have the stage, those first that stay as they are: whom to ask. One that loses something
/// else has it all the same, and so does one that loses it later in this run.
fn witnesses<'s>(
    session: &'s Session,
    observed: &Observed,
    leaving: &[Leaving],
    stage: &str,
) -> Vec<&'s Node> {
    let has =
        |node: &&Node| observed.markers.get(&node.name).is_some_and(|m| m.contains_key(stage));
    let mut all: Vec<&Node> = session.lab.nodes.iter().filter(has).collect();
    all.sort_by_key(|node| leaving.iter().any(|leaving| leaving.node == node.name));
    all
}

/// Nodes that run and did not say how far they are might be the ones to ask: then nobody knows whether
/// there is a cluster to leave.
fn refuse_ignorance(
    session: &Session,
    observed: &Observed,
    leaving: &[Leaving],
) -> Result<(), EngineError> {
    for role in [Role::ControlPlane, Role::Etcd] {
        let stage = role.name();
        let silent = session.lab.with_role(role).find(|node| {
            let domain = observed.inventory.domains.iter().find(|d| d.uuid == node.uuid);
            domain.is_some() && !observed.markers.contains_key(&node.name)
        });
        let Some(silent) = silent.filter(|_| !leaving.is_empty()) else { continue };
        if witnesses(session, observed, leaving, stage).is_empty() {
            let name = &silent.name;
            let text =
                format!("remove nodes: {name} does not answer, and nobody else can let them go");
            let hint =
                format!("start {name} first; or `lab up --yes --force` removes them as they are");
            return Err(EngineError::of(&code::UNREACHABLE, text).hint(hint).preflight());
        }
    }
    Ok(())
}

/// Prepares every node that leaves. Does nothing where there is no cluster yet.
///
/// # Errors
/// When pods cannot be moved or a member cannot leave; nothing was removed then.
pub(crate) async fn prepare(
    session: &Session,
    reach: &Reach,
    observed: &Observed,
    changes: &[Change],
    force: bool,
    events: &Events,
) -> Result<(), EngineError> {
    if quorum::is_founded_anew(session, observed, changes) {
        return Ok(());
    }
    let before = session.before()?;
    let mut all = leaving(&session.lab, changes, before.as_ref());
    all.retain(|leaving| leaving.pods || leaving.member);
    if !force {
        refuse_ignorance(session, observed, &all)?;
    }
    let controllers = witnesses(session, observed, &all, "control-plane");
    let members = witnesses(session, observed, &all, "etcd");
    for one in &all {
        // The name may come from a domain's metadata, which others can write.
        check_label("node name", &one.node, 63).map_err(|(why, _)| EngineError::internal(why))?;
        let mut asked = controllers.iter().filter(|node| node.name != one.node || !one.whole);
        if let Some(controller) = asked.next().filter(|_| one.pods) {
            let (task, script) = match force {
                false => (format!("drain {}", one.node), drain(&one.node)),
                true => (format!("forget {}", one.node), forget(&one.node)),
            };
            let work = ask(reach, controller, &one.node, &script, "move its pods away");
            match events.timed(None, &task, work).await {
                // It was asked to go as it is.
                Err(error) if force => events.warn(error.message),
                done => done?,
            }
        }
        let other = members.iter().find(|member| member.name != one.node);
        if let Some(member) = other.filter(|_| one.member) {
            let task = format!("etcd member {} leaves", one.node);
            let script = leave(one);
            let work = ask(reach, member, &one.node, &script, "take it out of etcd");
            events.timed(None, &task, work).await?;
        }
    }
    Ok(())
}

async fn ask(
    reach: &Reach,
    witness: &Node,
    leaving: &str,
    script: &str,
    doing: &str,
) -> Result<(), EngineError> {
    let output = reach(witness).run(script).await?;
    if output.status == 0 {
        return Ok(());
    }
    Err(EngineError::of(
        &code::STEP,
        format!("remove {leaving}: {doing}, asked of {}: {}", witness.name, output.text().trim()),
    )
    .hint("mend what is said there; or `lab up --yes --force` removes it without draining"))
}

fn drain(node: &str) -> String {
    format!(
        "export KUBECONFIG=/etc/kubernetes/admin.conf\n\
         found=$(kubectl get node {node} --ignore-not-found -o name)\n\
         test -n \"$found\" || exit 0\n\
         {}\n\
         kubectl delete node {node} >/dev/null\n",
        move_pods(node)
    )
}

/// Kubernetes forgets a node whose pods nobody moves.
fn forget(node: &str) -> String {
    format!(
        "export KUBECONFIG=/etc/kubernetes/admin.conf\n\
         kubectl delete node {node} --ignore-not-found --wait=false 2>&1\n"
    )
}

/// Command that has the pods of a node go elsewhere, and none come. A kubelet that is dead never says that
/// its pods ended: they are waited for no longer than two minutes beyond their time.
pub(crate) fn move_pods(node: &str) -> String {
    format!(
        "kubectl drain {node} --ignore-daemonsets --delete-emptydir-data --force \
         --skip-wait-for-delete-timeout=120 --timeout=300s 2>&1"
    )
}

fn leave(leaving: &Leaving) -> String {
    let node = &leaving.node;
    // No peer has this address where none is known.
    let address = leaving.address.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let etcdctl = format!("ETCDCTL_API=3 etcdctl --command-timeout=10s {}", etcd::CLIENT);
    format!(
        "tries=0
while :; do
  list=$({etcdctl} member list) || list=unknown
  if test \"$list\" != unknown; then
    id=$(printf '%s\\n' \"$list\" | awk -F', ' '$3 == \"{node}\" || $3 == \"\" && $4 == \"https://{address}:2380\" {{print $1}}')
    test -n \"$id\" || exit 0
    {etcdctl} member remove \"$id\" >/dev/null && exit 0
  fi
  tries=$((tries + 1)); test $tries -lt 30 || exit 1; sleep 2
done
"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_node_is_prepared_once_for_all_its_changes() {
        let change = |kind, object, name: &str| Change::of_node(kind, object, name, "n", "");
        let changes = [
            change(ChangeKind::Retire, "stage", "worker"),
            change(ChangeKind::Retire, "stage", "etcd"),
            change(ChangeKind::Create, "volume", "n.qcow2"),
        ];
        let text = include_str!("../../../topologies/three.yaml");
        let owner = crate::model::Owner { machine: "m".into(), uid: 0 };
        let lab = crate::model::topology::resolve::load(text, &owner).unwrap().lab;
        let wanted =
            Leaving { node: "n".into(), pods: true, member: true, address: None, whole: false };
        assert_eq!(leaving(&lab, &changes, None), [wanted]);
    }
}
