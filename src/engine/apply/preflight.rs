//! What is refused before anything is touched, and what is recorded before it exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::drivers::host;
use crate::drivers::host::footprint::HostFootprint;
use crate::drivers::provider::Provider;
use crate::drivers::state::Record;
use crate::engine::apply::{capacity, joined};
use crate::engine::cluster::upgrade::Upgrade;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepare::preview;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::machines::{existing, provision};
use crate::engine::task::error::EngineError;
use crate::kubernetes;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::Duty;
use crate::model::inventory::Inventory;
use crate::model::network::Mode;
use crate::model::{Lab, Node, Role, Version, code};
use crate::plan::{Change, ChangeKind, Desired, Object, Observed, conflicts};

/// What the lab's nodes stand on must be what the provider can give them.
pub(crate) fn refuse_unable(session: &Session, provider: &dyn Provider) -> Result<(), EngineError> {
    if session.lab.guests().next().is_some() {
        refuse_routed(session)?;
        provider.machines()?;
        provider.power()?;
        provider.storage()?;
        provider.networks()?;
    }
    if session.lab.machines().next().is_some() {
        provider.deliveries()?;
    }
    Ok(())
}

/// Behind a private provider's uplink nobody knows guests by their own addresses.
fn refuse_routed(session: &Session) -> Result<(), EngineError> {
    match (&session.provider, session.lab.network.mode) {
        (ProviderKind::Private(_), Mode::Routed) => Err(EngineError::of(
            &code::LACKS,
            "make a routed network: the provider private has a network of its own, which nothing leads to",
        )
        .hint("`--provider system`, or `mode: nat`")
        .preflight()),
        _ => Ok(()),
    }
}

pub(crate) fn refuse_conflicts(
    session: &Session,
    desired: &Desired,
    inventory: &Inventory,
) -> Result<(), EngineError> {
    let host = match session.provider {
        // A private provider has a network namespace of its own: nothing there can collide.
        ProviderKind::Private(_) => Vec::new(),
        // Whoever made the machines made their network.
        ProviderKind::Existing(_) => Vec::new(),
        ProviderKind::System { .. } => host::used_networks(),
    };
    let found = conflicts(&session.lab, desired, inventory, &host);
    let Some(first) = found.first() else { return joined::refuse(session, inventory) };
    let text: Vec<&str> = found.iter().map(|conflict| conflict.message.as_str()).collect();
    Err(EngineError::of(&code::CONFLICT, format!("make room for the lab: {}", text.join("; ")))
        .hint(first.help.clone())
        .preflight())
}

/// What overlays stand on must be as it was: another byte below them is damage that nobody reports.
pub(crate) async fn refuse_changed_bases(
    desired: &Desired,
    inventory: &Inventory,
    provider: &Arc<dyn Provider>,
) -> Result<(), EngineError> {
    let Some(pool) = &desired.pool else { return Ok(()) };
    let there = inventory.pools.iter().filter(|found| found.uuid == pool.uuid);
    let pool = pool.name.clone();
    let volumes: Vec<String> = there.flat_map(|found| found.volumes.clone()).collect();
    let shared = desired.volumes.iter().filter(|(node, _)| node.is_none()).map(|(_, name)| name);
    let shared: Vec<String> = shared.filter(|name| volumes.contains(name)).cloned().collect();
    let changed = provision::call(provider, move |h| {
        let mut changed = Vec::new();
        for name in shared {
            if h.storage()?.volume_changed(&pool, &name)? {
                changed.push(name);
            }
        }
        Ok(changed)
    })
    .await?;
    if changed.is_empty() {
        return Ok(());
    }
    let nodes =
        desired.volumes.iter().filter(|(node, name)| node.is_some() && volumes.contains(name));
    let nodes: BTreeSet<&str> = nodes.filter_map(|(node, _)| node.as_deref()).collect();
    let nodes: Vec<&str> = nodes.into_iter().collect();
    Err(EngineError::of(&code::CHANGED_BASE, format!(
        "start guests on {}: it was written to since lab made it, and the disks of {} stand on it",
        changed.join(", "),
        nodes.join(", ")
    ))
    .hint("what the guests read may be damaged: `lab down`, then `lab up` makes everything anew")
    .preflight())
}

/// Changes as a saved plan holds them. Whether a provider must be started first is left out: a plan may
/// be made while it rests.
pub fn as_agreed(changes: &[Change]) -> serde_json::Value {
    let changes: Vec<&Change> = changes.iter().filter(|c| c.object != Object::Provider).collect();
    serde_json::to_value(changes).unwrap_or_default()
}

/// What was agreed to is done, or nothing.
pub(crate) fn refuse_stale(
    changes: &[Change],
    agreed: Option<&serde_json::Value>,
) -> Result<(), EngineError> {
    match agreed {
        Some(agreed) if as_agreed(changes) != *agreed => Err(EngineError::of(
            &code::STALE_PLAN,
            "carry out the saved plan: the lab, or its topology, is no longer what it was made for",
        )
        .hint("look at `lab plan`, and save it again")
        .preflight()),
        _ => Ok(()),
    }
}

pub(crate) fn refuse_loss(changes: &[Change], yes: bool) -> Result<(), EngineError> {
    let (mut disks, mut parts, mut machines) = (Vec::new(), Vec::new(), Vec::new());
    let mut further = Vec::new();
    for change in changes.iter().filter(|change| change.is_destructive()) {
        let name = change.name.clone();
        match (change.kind, change.object, &change.node) {
            (ChangeKind::Retire, _, Some(node)) => parts.push(format!("{name} of {node}")),
            (_, Object::Machine, _) => machines.push(name),
            (_, Object::Volume, _) => further.push(name),
            _ => disks.push(name),
        }
    }
    if yes || [&disks, &parts, &machines, &further].into_iter().all(Vec::is_empty) {
        return Ok(());
    }
    let mut lost = Vec::new();
    if !machines.is_empty() {
        lost.push(format!("what lab put on {} would be removed there", machines.join(", ")));
    }
    if !disks.is_empty() {
        lost.push(format!("{} would be removed with their disks", disks.join(", ")));
    }
    if !further.is_empty() {
        lost.push(format!("the disk {} would be lost", further.join(", ")));
    }
    if !parts.is_empty() {
        lost.push(format!("{} would be removed with what it keeps there", parts.join(", ")));
    }
    let error = EngineError::of(&code::CONSENT, format!("change the lab: {}", lost.join("; ")));
    Err(error.hint("look at `lab plan`, then `lab up --yes`").preflight().asks())
}

/// API servers understand what the release before theirs wrote, and nothing newer or older.
/// `found` are the oldest and the newest of the control planes.
pub(crate) fn refuse_version(
    wanted: Version,
    found: Option<(Version, Version)>,
) -> Result<(), EngineError> {
    let Some((oldest, newest)) = found else { return Ok(()) };
    let refused = |from: Version, why: &str, hint: String| {
        let doing = format!("change Kubernetes from {from} to {wanted}");
        let error = EngineError::of(&code::VERSION, format!("{doing}: {why}"));
        Err(error.hint(hint).preflight())
    };
    if wanted < newest {
        let why = "what the newer one wrote, the older one does not understand";
        return refused(newest, why, "`lab snapshot restore` goes back, disks and all".into());
    }
    if wanted.minor > oldest.minor + 1 {
        let hint = format!("first to a 1.{}, then on", oldest.minor + 1);
        return refused(oldest, "it goes up one minor release at a time", hint);
    }
    Ok(())
}

/// What is known of the lab on this computer. Who founded its etcd stays as it is.
///
/// # Errors
/// When the record of before cannot be read.
pub(crate) fn record(session: &Session) -> Result<Record, EngineError> {
    let (lab, place) = (&session.lab, &session.provider);
    let mut record = Record::new(&lab.name, lab.id, place.name(), &place.uri());
    record.artifacts = session.chosen_artifacts();
    record.archives = session.chosen_archives();
    record.base.clone_from(&session.base);
    record.images = lab.systems().into_iter().map(str::to_owned).collect();
    if let ProviderKind::Private(libvirt) = place {
        record.run = Some(libvirt.run.clone());
    }
    let before = session.store.record()?;
    let (stood, etcd) = before.map(|before| (before.digests, before.etcd)).unwrap_or_default();
    for os in lab.systems() {
        // What disks stand on stays written down, whatever the cache has by now.
        let here = || session.images.image(os).ok().map(|image| image.digest);
        let digest = stood.get(os).cloned().or_else(here);
        record.digests.extend(digest.map(|digest| (os.to_owned(), digest)));
    }
    record.etcd = etcd;
    record.router_ids = lab.vips.iter().map(|vip| (vip.name.clone(), vip.router_id)).collect();
    Ok(record)
}

/// Refuses to make another kind of lab out of nodes that went through stages of the one before: what those brought
/// would stay, and nobody would look after it.
pub(crate) fn refuse_other_flavour(
    flavour: &Flavour,
    markers: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<(), EngineError> {
    let foreign = |stage: &&String| flavour.stage(stage).is_none();
    let of_node = |(node, stages): (&String, &BTreeMap<String, String>)| {
        Some((node.clone(), stages.keys().find(foreign)?.clone()))
    };
    match markers.iter().find_map(of_node) {
        None => Ok(()),
        Some((node, stage)) => Err(EngineError::of(
            &code::CONSENT,
            format!(
                "make the lab one of the flavour '{}': {node} went through the stage {stage} of another one",
                flavour.name
            ),
        )
        .hint("`lab down`, then `lab up`")
        .preflight()),
    }
}

/// What stands in the way is said before anything is downloaded or made: what others have, and what
/// this computer has not.
pub(crate) async fn early(session: &Session, overcommit: bool) -> Result<(), EngineError> {
    existing::refuse_unfit(session, overcommit).await?;
    let inventory = early_conflicts(session).await?;
    capacity::admit(session, &inventory, overcommit)
}

/// What others have that is in the lab's way. Gives what there is.
pub(crate) async fn early_conflicts(session: &Session) -> Result<Inventory, EngineError> {
    if !session.provider.is_running() {
        return Ok(Inventory::default());
    }
    let desired = preview(session)?.desired(session, &[])?;
    let provider = session.provider.connect()?;
    refuse_unable(session, &*provider)?;
    let inventory = provision::call(&provider, |h| h.inventory()).await?;
    refuse_conflicts(session, &desired, &inventory)?;
    Ok(inventory)
}

/// File that holds the picture of the computer before the lab first came up.
const PICTURE: &str = "before.json";

/// A picture of the computer, and of its libvirt where the lab uses that one.
pub fn footprint(session: &Session) -> HostFootprint {
    let provider = match &session.provider {
        ProviderKind::System { .. } => session.provider.connect().ok(),
        // What is inside a private provider goes with it; of others' machines nothing is here.
        ProviderKind::Private(_) | ProviderKind::Existing(_) => None,
    };
    HostFootprint::take(session.lab.id, provider.as_deref())
}

/// The picture taken before the lab first came up.
///
/// # Errors
/// When it cannot be read.
pub fn footprint_before(session: &Session) -> Result<Option<HostFootprint>, EngineError> {
    let text = session.store.read(PICTURE)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Takes the picture, once, before anything is made.
pub(crate) fn remember_before(session: &Session) -> Result<(), EngineError> {
    if session.store.record()?.is_some() || session.store.read(PICTURE)?.is_some() {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&footprint(session)).unwrap_or_default();
    Ok(session.store.write(PICTURE, &text)?)
}

/// Controllers come before workers, and nobody is left behind.
pub(crate) fn refuse_part_of_an_upgrade(upgrade: Option<Upgrade>) -> Result<(), EngineError> {
    match upgrade {
        Some(upgrade) => Err(EngineError::of(
            &code::USAGE,
            format!("upgrade some nodes alone, as `--limit` asks: {}", upgrade.told()),
        )
        .hint("leave `--limit` away: nodes are upgraded one after the other, controllers first")
        .preflight()),
        None => Ok(()),
    }
}

/// What nodes of the lab as it was brought up last would have to become, and cannot while they are there.
pub(crate) fn refuse_what_stays(session: &Session, observed: &Observed) -> Result<(), EngineError> {
    let Some(before) = session.before()? else { return Ok(()) };
    refuse_other_port(session, &before, observed)?;
    refuse_other_way(session, &before, observed)?;
    refuse_other_roles(session, &before, observed)
}

/// Kubelets, kubeconfigs and load balancers know the API by its port; one after the other they would look for it in vain.
fn refuse_other_port(
    session: &Session,
    before: &Lab,
    observed: &Observed,
) -> Result<(), EngineError> {
    let wanted = session.lab.kubernetes.api_port;
    let serves = observed.kubernetes(session.flavour()).is_some();
    let was = before.kubernetes.api_port;
    if !serves || was == wanted {
        return Ok(());
    }
    let text = format!("move the API from port {was} to {wanted}: its nodes know it there");
    Err(EngineError::of(&code::CONSENT, text)
        .hint(format!("write `api_port: {was}`; or `lab down`, then `lab up`"))
        .preflight())
}

/// What one flavour set up is in the way of the other.
fn refuse_other_way(
    session: &Session,
    before: &Lab,
    observed: &Observed,
) -> Result<(), EngineError> {
    let (wanted, was) = (session.flavour(), kubernetes::flavour(before));
    let began = |duty| observed.markers.values().any(|of| was.has(of.keys(), duty));
    let is_same = was.name == wanted.name || !was.is_a_cluster() || !wanted.is_a_cluster();
    if is_same || ![Duty::Member, Duty::Api, Duty::Pods].into_iter().any(began) {
        return Ok(());
    }
    let (was, wanted) = (was.name, wanted.name);
    let text = format!("set Kubernetes up by `{wanted}`: this lab's nodes have it by `{was}`");
    Err(EngineError::of(&code::CONSENT, text)
        .hint(format!("write `flavour: {was}`; or `lab down`, then `lab up`"))
        .preflight())
}

/// Where a node is a controller or a worker for as long as it is there, it does not become another.
fn refuse_other_roles(
    session: &Session,
    before: &Lab,
    observed: &Observed,
) -> Result<(), EngineError> {
    if session.flavour().roles_come_and_go {
        return Ok(());
    }
    let of_cluster = |node: &Node| [Role::ControlPlane, Role::Worker].map(|role| node.is(role));
    let changes = |node: &&Node| {
        observed.markers.get(&node.name).is_some_and(|stages| {
            session.flavour().has(stages.keys(), Duty::Pods)
                && before.node(&node.name).is_some_and(|was| of_cluster(was) != of_cluster(node))
        })
    };
    let Some(node) = session.lab.nodes.iter().find(changes) else { return Ok(()) };
    let (name, flavour) = (&node.name, session.flavour().name);
    let text =
        format!("give {name} other roles: by `{flavour}` a node keeps them while it is there");
    Err(EngineError::of(&code::CONSENT, text)
        .hint(format!("take {name} out of the topology and `lab up`, then put it in again"))
        .preflight())
}
