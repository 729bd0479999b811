//! What is refused before anything is touched, and what is recorded before it exists.

use super::error::EngineError;
use super::place::Place;
use super::provision;
use super::session::Session;
use crate::drivers::host;
use crate::drivers::store::Record;
use crate::model::Role;
use crate::model::inventory::Inventory;
use crate::plan::{Change, Desired, Observed, conflicts};

pub(super) fn refuse_conflicts(
    session: &Session,
    desired: &Desired,
    inventory: &Inventory,
) -> Result<(), EngineError> {
    let host = match session.place {
        // A private engine has a network namespace of its own: nothing there can collide.
        Place::Private(_) => Vec::new(),
        Place::System { .. } => host::used_networks(),
    };
    let found = conflicts(&session.lab, desired, inventory, &host);
    let Some(first) = found.first() else { return Ok(()) };
    let text: Vec<&str> = found.iter().map(|conflict| conflict.message.as_str()).collect();
    Err(EngineError::new(format!("make room for the lab: {}", text.join("; ")))
        .hint(first.help.clone())
        .preflight())
}

pub(super) fn refuse_loss(changes: &[Change], yes: bool) -> Result<(), EngineError> {
    let lost: Vec<String> =
        changes.iter().filter(|change| change.is_destructive()).map(|c| c.name.clone()).collect();
    if lost.is_empty() || yes {
        return Ok(());
    }
    Err(EngineError::new(format!(
        "change the lab: {} would be removed with their disks",
        lost.join(", ")
    ))
    .hint("look at `lab plan`, then `lab up --yes`")
    .preflight())
}

pub(super) fn record(session: &Session) -> Record {
    let (lab, place) = (&session.lab, &session.place);
    let before = session.store.record().ok().flatten();
    let mut record = Record::new(&lab.name, lab.id, place.name(), &place.uri());
    record.artifacts = session.chosen_artifacts();
    record.archives = session.chosen_archives();
    record.base.clone_from(&session.base);
    record.images = lab.systems().into_iter().map(str::to_owned).collect();
    if let Place::Private(engine) = place {
        record.run = Some(engine.run.clone());
    }
    record.etcd = match before {
        Some(before) if !before.etcd.is_empty() => before.etcd,
        _ => etcd_members(session),
    };
    record
}

fn etcd_members(session: &Session) -> Vec<String> {
    session.lab.with_role(Role::Etcd).map(|node| node.name.clone()).collect()
}

/// Refuses to change who is in a running etcd cluster: a member that is only started, or only
/// taken away, costs the cluster its quorum.
pub(super) fn refuse_new_members(
    session: &Session,
    observed: &Observed,
) -> Result<(), EngineError> {
    let before = session.store.record()?.map(|record| record.etcd).unwrap_or_default();
    let formed = observed.markers.values().any(|markers| markers.contains_key("etcd"));
    let now = etcd_members(session);
    if !formed || before.is_empty() || before == now {
        return Ok(());
    }
    Err(EngineError::new(format!(
        "change the members of etcd from {} to {}: this version cannot do that to a running cluster",
        before.join(", "),
        now.join(", ")
    ))
    .hint("put the etcd nodes back as they were, or `lab down` and `lab up`")
    .preflight())
}

/// What stands in the way is said before anything is downloaded or made.
pub(super) async fn early_conflicts(session: &Session) -> Result<(), EngineError> {
    if !session.place.is_running() {
        return Ok(());
    }
    let desired = session.preview()?.desired(session, &[])?;
    let hypervisor = session.place.connect()?;
    let inventory = provision::call(&hypervisor, |h| h.inventory()).await?;
    refuse_conflicts(session, &desired, &inventory)
}
