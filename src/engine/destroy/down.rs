//! `down`: everything the lab made goes, and nothing else. Works from what libvirt's metadata says
//! and from stable ids, so it also finds what no record knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::drivers::host::hosts_file;
use crate::drivers::provider::Hypervisor;
use crate::drivers::state::store::Store;
use crate::engine::lab::kubeconfig;
use crate::engine::lab::provider::Place;
use crate::engine::machines::clone;
use crate::engine::machines::provision::call;
use crate::engine::task::blocking::blocking;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::inventory::Inventory;
use crate::model::{Lab, code};
use uuid::Uuid;

/// What `down` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Disks with the snapshots in them, keys and certificates: what a restore needs.
    Snapshots,
}

/// One thing that `down` removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A domain: name and id.
    Domain(String, Uuid),
    /// A network: name and id.
    Network(String, Uuid),
    /// A pool with its volumes: name and id.
    Pool(String, Uuid),
    /// The private engine with everything in it.
    Engine,
    /// Private engines in which golden guests were being made.
    Workshops,
    /// The private engine's processes; disks and definitions stay.
    Processes,
    /// The lab's block in this computer's hosts file.
    HostsBlock(String),
    /// The lab in somebody's kubeconfig: the file and the context.
    Context(PathBuf, String),
    /// The lab's directory: keys, certificates, logs.
    Files(String),
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Removal::Domain(name, _) => write!(f, "- domain {name}"),
            Removal::Network(name, _) => write!(f, "- network {name}"),
            Removal::Pool(name, _) => write!(f, "- pool {name} and its volumes"),
            Removal::Engine => write!(f, "- the private libvirt"),
            Removal::Workshops => write!(f, "- what is left of a golden guest's making"),
            Removal::Processes => write!(f, "- the private libvirt's processes"),
            Removal::HostsBlock(_) => write!(f, "- its names in {}", hosts_file::PATH),
            Removal::Context(path, name) => write!(f, "- the context {name} in {}", path.display()),
            Removal::Files(path) => write!(f, "- {path}"),
        }
    }
}

fn found(lab: &Lab, inventory: &Inventory) -> Vec<Removal> {
    let mut all = Vec::new();
    for domain in &inventory.domains {
        if domain.node_of(lab.id).is_some() {
            all.push(Removal::Domain(domain.name.clone(), domain.uuid));
        }
    }
    for network in &inventory.networks {
        // The stable id stands in for the metadata that old libvirts drop from networks.
        let marked = network.mark.as_ref().is_some_and(|mark| mark.lab == lab.id);
        if marked || network.uuid == lab.network.uuid {
            all.push(Removal::Network(network.name.clone(), network.uuid));
        }
    }
    let pool = lab.pool_id();
    for found in inventory.pools.iter().filter(|found| found.uuid == pool) {
        all.push(Removal::Pool(found.name.clone(), found.uuid));
    }
    all
}

/// What `down` would remove, in order. Changes nothing.
///
/// # Errors
/// When the hypervisor does not answer.
pub async fn removals(
    lab: &Lab,
    place: &Place,
    store: &Store,
    keep: Keep,
) -> Result<Vec<Removal>, EngineError> {
    let mut all = Vec::new();
    if !clone::workshops(place, store.root()).is_empty() {
        all.push(Removal::Workshops);
    }
    match place {
        Place::Private(engine) if keep == Keep::Snapshots => {
            if engine.is_running() {
                all.push(Removal::Processes);
            }
        }
        Place::Private(engine) => {
            if engine.is_running() || engine.dir.exists() || engine.run.exists() {
                all.push(Removal::Engine);
            }
        }
        Place::System { .. } => {
            let hypervisor = place.connect()?;
            let inventory = call(&hypervisor, |h| h.inventory()).await?;
            all.extend(found(lab, &inventory));
        }
    }
    if keep == Keep::Snapshots {
        let stays = |removal: &Removal| matches!(removal, Removal::Pool(..));
        all.retain(|removal| !stays(removal));
        return Ok(all);
    }
    let label = hosts_file::label(lab);
    if hosts_file::has_block(Path::new(hosts_file::PATH), &label) {
        all.push(Removal::HostsBlock(label));
    }
    let kubeconfigs = kubeconfig::still_there(lab, store)?.into_iter();
    all.extend(kubeconfigs.map(|path| Removal::Context(path, kubeconfig::context(lab))));
    if store.root().exists() || !store.leftovers().is_empty() {
        all.push(Removal::Files(store.root().display().to_string()));
    }
    Ok(all)
}

/// Removes everything that [`removals`] finds.
///
/// # Errors
/// The first thing that cannot be removed; the next `down` goes on with it.
pub async fn down(
    lab: &Lab,
    place: &Place,
    store: &Store,
    keep: Keep,
    events: &Events,
) -> Result<Vec<Removal>, EngineError> {
    let all = removals(lab, place, store, keep).await?;
    let hypervisor = match place {
        Place::System { .. } if !all.is_empty() => Some(place.connect()?),
        _ => None,
    };
    take_away(&all, place, store, hypervisor.as_ref(), events).await?;
    Ok(all)
}

/// Removes `all`, one after the other.
///
/// # Errors
/// The first thing that cannot be removed.
async fn take_away(
    all: &[Removal],
    place: &Place,
    store: &Store,
    hypervisor: Option<&Arc<dyn Hypervisor>>,
    events: &Events,
) -> Result<(), EngineError> {
    for removal in all {
        let work = remove(removal, place, store, hypervisor);
        events.timed(None, &removal.to_string(), work).await?;
    }
    Ok(())
}

/// `down` on a given hypervisor: what tests call with fakes.
///
/// # Errors
/// As [`down`].
pub async fn down_with(
    lab: &Lab,
    place: &Place,
    store: &Store,
    hypervisor: &Arc<dyn Hypervisor>,
    keep: Keep,
    events: &Events,
) -> Result<(), EngineError> {
    let inventory = call(hypervisor, |h| h.inventory()).await?;
    let mut all = found(lab, &inventory);
    match keep {
        Keep::Snapshots => all.retain(|removal| !matches!(removal, Removal::Pool(..))),
        Keep::Nothing => all.push(Removal::Files(store.root().display().to_string())),
    }
    take_away(&all, place, store, Some(hypervisor), events).await
}

async fn remove(
    removal: &Removal,
    place: &Place,
    store: &Store,
    hypervisor: Option<&Arc<dyn Hypervisor>>,
) -> Result<(), EngineError> {
    match (removal, hypervisor, place) {
        (Removal::Domain(_, uuid), Some(hypervisor), _) => {
            let uuid = *uuid;
            call(hypervisor, move |h| h.remove_domain(uuid)).await
        }
        (Removal::Network(_, uuid), Some(hypervisor), _) => {
            let uuid = *uuid;
            call(hypervisor, move |h| h.remove_network(uuid)).await
        }
        (Removal::Pool(_, uuid), Some(hypervisor), _) => {
            let uuid = *uuid;
            call(hypervisor, move |h| h.remove_pool(uuid)).await
        }
        (Removal::Workshops, ..) => {
            for workshop in clone::workshops(place, store.root()) {
                clone::end(workshop).await?;
            }
            Ok(())
        }
        (Removal::Engine, _, Place::Private(engine)) => {
            let engine = engine.clone();
            Ok(blocking(move || engine.remove()).await??)
        }
        (Removal::Processes, _, Place::Private(engine)) => {
            let engine = engine.clone();
            Ok(blocking(move || engine.stop()).await??)
        }
        (Removal::HostsBlock(label), _, _) => forget_names(store, label),
        (Removal::Context(path, name), _, _) => kubeconfig::remove(store, path, name),
        (Removal::Files(_), _, _) => Ok(store.remove()?),
        _ => Ok(()),
    }
}

fn forget_names(store: &Store, label: &str) -> Result<(), EngineError> {
    let path = Path::new(hosts_file::PATH);
    hosts_file::set_block(store.failpoints(), path, label, None).map(drop).map_err(|error| {
        EngineError::of(
            &code::COMPUTER,
            format!("take the lab's names out of {}: {error}", path.display()),
        )
        .hint("`sudo lab hosts --remove`, then `lab down` again")
    })
}
