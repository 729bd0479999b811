//! Rotation of what every node trusts. Each phase is written down first, then `up` brings it to all nodes, then
//! the cluster is asked for what follows from it; only then comes the next. Cut anywhere, it goes on there.

use time::OffsetDateTime;

use crate::engine::cluster::script;
use crate::engine::lab::kubeconfig;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::kubernetes::flavour::{Aftermath, Where};
use crate::kubernetes::stage::Duty;
use crate::model::{Node, code};
use crate::pki::{Bundle, Phase, Root};

/// How long each thing is waited for that the cluster does after a phase.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(540);

/// Roots of which a rotation is under way, each with the phase that nodes are to be brought.
pub type Phases = Vec<(Root, Phase)>;

/// Those of `roots` of which a rotation is under way.
///
/// # Errors
/// When the lab's keys cannot be read.
pub fn phases(session: &Session, roots: &[Root]) -> Result<Phases, EngineError> {
    Ok(under_way(&session.store.bundle()?, roots))
}

fn under_way(bundle: &Bundle, roots: &[Root]) -> Phases {
    let phase = |root: &Root| Some((*root, bundle.standing(*root).phase?));
    roots.iter().filter_map(phase).collect()
}

/// Has a rotation of each of `roots` be under way: begins those that are not.
///
/// # Errors
/// As [`advance`].
pub fn begin(session: &Session, roots: &[Root]) -> Result<Phases, EngineError> {
    let begun = phases(session, roots)?;
    let is_new = |root: &&Root| !begun.iter().any(|(other, _)| other == *root);
    let new: Vec<Root> = roots.iter().filter(is_new).copied().collect();
    advance(session, &new)?;
    phases(session, roots)
}

/// Writes down the next phase of each of `roots`. After the last one, keys that nobody trusts any more go, and
/// people's kubeconfigs that have the lab get what they need. Returns those that go on.
///
/// # Errors
/// When keys cannot be read, made or written.
pub fn advance(session: &Session, roots: &[Root]) -> Result<Phases, EngineError> {
    let mut bundle = session.of_flavour(session.store.bundle()?);
    let mut made = Vec::new();
    if roots.contains(&Root::Ca) && bundle.standing(Root::Ca).phase.is_some() {
        // All nodes have this phase by now: what people have must fit it, and the next one.
        kubeconfig::refresh(session)?;
    }
    for root in roots {
        made.extend(bundle.advance(*root, OffsetDateTime::now_utc())?);
        let standing = bundle.standing(*root);
        if standing.phase.is_none() {
            // Before it is written down that the rotation has ended: cut here, it ends once more.
            session.store.remove_former(*root, standing)?;
        }
    }
    session.store.save_bundle(&bundle, &made)?;
    Ok(under_way(&bundle, roots))
}

/// What follows once all nodes have the phase.
///
/// # Errors
/// The first thing that the cluster does not do.
pub async fn settle(
    session: &Session,
    reach: &Reach,
    root: Root,
    events: &Events,
) -> Result<(), EngineError> {
    let bundle = session.store.bundle()?;
    let rotated = session.flavour().operations.rotated;
    let follows = rotated(&session.templates, &bundle, root)?;
    for aftermath in &follows {
        for node in nodes(session, aftermath.at) {
            let work = carry(reach, node, aftermath);
            events.timed(Some(&node.name), aftermath.title, work).await?;
        }
        aftermath.note.into_iter().for_each(|note| events.note(note));
    }
    Ok(())
}

/// The nodes on which something is done.
fn nodes(session: &Session, at: Where) -> Vec<&Node> {
    let having = |duty: Duty| {
        let stages = session.flavour().stages.iter().filter(move |stage| stage.has(duty));
        let is_one =
            move |node: &&Node| stages.clone().any(|stage| stage.is_on(&session.lab, node));
        session.lab.nodes.iter().filter(is_one)
    };
    match at {
        Where::Any(duty) => having(duty).take(1).collect(),
        Where::Every(duty) => having(duty).collect(),
    }
}

async fn carry(reach: &Reach, node: &Node, aftermath: &Aftermath) -> Result<(), EngineError> {
    let guest = reach(node);
    let work = script::run(&*guest, node, aftermath.title, &aftermath.script);
    let done = match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(script::failed(node, aftermath.title, "it took too long")),
    };
    done.map_err(|error| match error.code == &code::STEP {
        true => error.hint("the same command goes on from here"),
        false => error,
    })
}
