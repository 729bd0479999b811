//! Taking nodes out of a running cluster before anything of them is removed: pods move away, the
//! etcd member leaves while its cluster has a quorum. Asked of nodes that stay; done twice is done once.

use std::net::Ipv4Addr;

use crate::engine::cluster::quorum;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::Duty;
use crate::model::name::check_label;
use crate::model::{Lab, Node, Role, code};
use crate::plan::{Change, ChangeKind, Object, Observed};

/// A node on its way out.
#[derive(Debug, PartialEq, Eq)]
struct NodeRemoval {
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
fn leaving(
    lab: &Lab,
    flavour: &Flavour,
    changes: &[Change],
    before: Option<&Lab>,
) -> Vec<NodeRemoval> {
    let mut all: Vec<NodeRemoval> = Vec::new();
    for change in changes {
        let Some(node) = &change.node else { continue };
        let old = before.and_then(|lab| lab.node(node));
        let address = old.or_else(|| lab.node(node)).map(|node| node.address);
        let (pods, member) = match (change.kind, change.object, change.name.as_str()) {
            (ChangeKind::Remove, Object::Domain | Object::Machine, _) => match old {
                Some(old) => (lab.kubernetes.has_pods(&old.roles), old.is(Role::Etcd)),
                None => (true, true),
            },
            // Made anew, a member joins again by itself; elsewhere nobody would know it as the same.
            (ChangeKind::Replace, Object::Domain, _) => {
                let moves = lab.node(node).map(|node| node.address) != address;
                (true, moves && old.is_some_and(|old| old.is(Role::Etcd)))
            }
            (ChangeKind::Retire, _, name) => {
                let has = |duty| flavour.stage(name).is_some_and(|stage| stage.has(duty));
                (has(Duty::Pods), has(Duty::Member))
            }
            _ => continue,
        };
        let whole = change.kind != ChangeKind::Retire;
        match all.iter_mut().find(|leaving| leaving.node == *node) {
            Some(known) => {
                known.pods |= pods;
                known.member |= member;
                known.whole |= whole;
            }
            None => all.push(NodeRemoval { node: node.clone(), pods, member, address, whole }),
        }
    }
    all
}

/// Nodes that do `duty`, those first that stay as they are: whom to ask. One that loses something
/// else has it all the same, and so does one that loses it later in this run.
fn peers<'s>(
    session: &'s Session,
    observed: &Observed,
    leaving: &[NodeRemoval],
    duty: Duty,
) -> Vec<&'s Node> {
    let flavour = session.flavour();
    let has = |node: &&Node| {
        observed.markers.get(&node.name).is_some_and(|markers| flavour.has(markers.keys(), duty))
    };
    let mut all: Vec<&Node> = session.lab.nodes.iter().filter(has).collect();
    all.sort_by_key(|node| leaving.iter().any(|leaving| leaving.node == node.name));
    all
}

/// Nodes that run and did not say how far they are might be the ones to ask: then nobody knows whether
/// there is a cluster to leave.
fn refuse_ignorance(
    session: &Session,
    observed: &Observed,
    leaving: &[NodeRemoval],
) -> Result<(), EngineError> {
    for (role, duty) in [(Role::ControlPlane, Duty::Api), (Role::Etcd, Duty::Member)] {
        let silent = session.lab.with_role(role).find(|node| {
            observed.inventory.machine(node).is_some() && !observed.markers.contains_key(&node.name)
        });
        let Some(silent) = silent.filter(|_| !leaving.is_empty()) else { continue };
        if peers(session, observed, leaving, duty).is_empty() {
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
    let mut all = leaving(&session.lab, session.flavour(), changes, before.as_ref());
    all.retain(|leaving| leaving.pods || leaving.member);
    if !force {
        refuse_ignorance(session, observed, &all)?;
    }
    let (operations, templates) = (&session.flavour().operations, &session.templates);
    let controllers = peers(session, observed, &all, Duty::Api);
    let members = peers(session, observed, &all, Duty::Member);
    for one in &all {
        // The name may come from a domain's metadata, which others can write.
        check_label("node name", &one.node, 63)
            .map_err(|flaw| EngineError::internal(flaw.message))?;
        let mut asked = controllers.iter().filter(|node| node.name != one.node || !one.whole);
        if let Some(controller) = asked.next().filter(|_| one.pods) {
            let (task, script) = match force {
                false => (format!("drain {}", one.node), (operations.drain)(templates, &one.node)?),
                true => {
                    (format!("forget {}", one.node), (operations.forget)(templates, &one.node)?)
                }
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
            let script = (operations.leave)(templates, &one.node, one.address)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_node_is_prepared_once_for_all_its_changes() {
        let change = |kind, object, name: &str| Change::of_node(kind, object, name, "n", "");
        let changes = [
            change(ChangeKind::Retire, Object::Stage, "worker"),
            change(ChangeKind::Retire, Object::Stage, "etcd"),
            change(ChangeKind::Create, Object::Volume, "n.qcow2"),
        ];
        let text = include_str!("../../../topologies/three.yaml");
        let owner = crate::model::Owner { machine: "m".into(), uid: 0 };
        let lab = crate::model::topology::load(text, &owner).unwrap().lab;
        let wanted =
            NodeRemoval { node: "n".into(), pods: true, member: true, address: None, whole: false };
        assert_eq!(leaving(&lab, crate::kubernetes::DEFAULT, &changes, None), [wanted]);
    }
}
