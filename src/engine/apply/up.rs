//! `plan` and `up`: observe, compare, change.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::drivers::provider::Provider;
use crate::engine::apply::outcome::{Outcome, UpOptions, within};
use crate::engine::apply::preflight;
use crate::engine::apply::run::one_at_a_time::OneAtATime;
use crate::engine::apply::run::{Run, at_rest, shared_changes};
use crate::engine::cluster::upgrade::Upgrade;
use crate::engine::cluster::{drain, quorum};
use crate::engine::lab::bases;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepare;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::lab::reach::Drivers;
use crate::engine::machines::{clone, observe, provision};
use crate::engine::snapshot::interrupted;
use crate::engine::stages::lanes::Board;
use crate::engine::task::blocking::blocking;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::{Event, Events};
use crate::engine::task::stop::Stop;
use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::stage::Stage;
use crate::model::inventory::Inventory;
use crate::plan::{Change, Desired, Object, Observed, diff};
use crate::render::PoolSpec;

/// What `up` would do. Changes nothing.
///
/// # Errors
/// When something cannot be read, or stands in the lab's way.
pub async fn plan(
    session: &Session,
    prepared: &Prepared,
    stages: &[&'static Stage],
) -> Result<Vec<Change>, EngineError> {
    let desired = prepared.desired(session, stages)?;
    let mut observed =
        Observed { provider_running: session.provider.is_running(), ..Observed::default() };
    if observed.provider_running {
        let provider = session.provider.connect()?;
        observed.inventory = provision::call(&provider, |h| h.inventory()).await?;
        surroundings(session, &provider, &desired, &mut observed)?;
        preflight::refuse_conflicts(session, &desired, &observed.inventory)?;
        if let Some(reach) = session.glance()? {
            observe::look(session, &desired, &reach, &mut observed).await?;
            preflight::refuse_version(
                prepared.platform.version,
                observed.kubernetes(session.flavour()),
            )?;
        }
    }
    Ok(diff(&desired, &observed))
}

/// What there is. A pool that is only stopped is started first: what is in it cannot be seen before.
async fn inventory(
    provider: &Arc<dyn Provider>,
    desired: &Desired,
) -> Result<Inventory, EngineError> {
    let found = provision::call(provider, |h| h.inventory()).await?;
    let rests = |pool: &PoolSpec| found.pools.iter().any(|p| p.uuid == pool.uuid && !p.active);
    let Some(pool) = desired.pool.clone().filter(rests) else { return Ok(found) };
    provision::call(provider, move |h| {
        h.storage()?.ensure_pool(&pool)?;
        h.inventory()
    })
    .await
}

/// The computer's routes to the lab's pods, and the guests' way out. Where there is no computer around,
/// there is nothing to set, and nothing lacks.
fn surroundings(
    session: &Session,
    provider: &Arc<dyn Provider>,
    desired: &Desired,
    observed: &mut Observed,
) -> Result<(), EngineError> {
    match provider.surroundings() {
        Ok(around) => {
            observed.routes = around.routes(&session.lab.network.bridge)?;
            observed.uplink = around.has_uplink(session.lab.network.uplink.spares_the_computer());
        }
        Err(_) => observed.uplink = desired.uplink.is_some(),
    }
    Ok(())
}

/// Makes the lab what its topology says.
///
/// # Errors
/// When nothing could be begun; failures of single nodes are in the outcome.
pub async fn up(
    session: Arc<Session>,
    options: UpOptions,
    stop: Stop,
    events: Events,
) -> Result<Outcome, EngineError> {
    preflight::early(&session, options.overcommit).await?;
    preflight::remember_before(&session)?;
    let preparing = {
        let (session, events) = (Arc::clone(&session), events.clone());
        blocking(move || prepare::prepare(&session, &events))
    };
    let prepared = preparing.await??;
    start_provider(&session, &events).await?;
    let provider = session.provider.connect()?;
    let reach = session.reach(&prepared.keys, session.lab.options.boot_patience())?;
    up_with(session, prepared, Drivers { provider, reach, again: None }, options, stop, events)
        .await
}

/// Counts `from` and all stages after it as not done.
fn forget_from(from: &Stage, flavour: &Flavour, observed: &mut Observed) {
    let later = flavour.stages.iter().skip_while(|stage| stage.name != from.name);
    let again: Vec<&str> = later.map(|stage| stage.name).collect();
    for markers in observed.markers.values_mut() {
        markers.retain(|stage, _| !again.contains(&stage.as_str()));
    }
}

async fn start_provider(session: &Session, events: &Events) -> Result<(), EngineError> {
    let ProviderKind::Private(libvirt) = &session.provider else { return Ok(()) };
    if libvirt.is_running() {
        return Ok(());
    }
    // Recorded before it exists: whoever comes after a crash knows where to look.
    session.store.save_record(&preflight::record(session)?)?;
    session.hit("start the private provider")?;
    let (libvirt, hide) = (libvirt.clone(), session.is_emulated());
    let work = async { Ok(blocking(move || libvirt.ensure(hide)).await??) };
    events.timed(None, "provider", work).await.map(drop)
}

/// `up` on given drivers: what tests call with fakes.
///
/// # Errors
/// As [`up`].
pub async fn up_with(
    session: Arc<Session>,
    mut prepared: Prepared,
    drivers: Drivers,
    options: UpOptions,
    stop: Stop,
    events: Events,
) -> Result<Outcome, EngineError> {
    let Drivers { provider, reach, .. } = drivers;
    preflight::refuse_unable(&session, &*provider)?;
    interrupted::recover_interrupted(&session, &provider, &reach, &events).await?;
    let flavour = session.flavour();
    let desired = prepared.desired(&session, &options.stages(flavour))?;
    let mut observed = Observed { provider_running: true, ..Observed::default() };
    observed.inventory = inventory(&provider, &desired).await?;
    surroundings(&session, &provider, &desired, &mut observed)?;
    preflight::refuse_conflicts(&session, &desired, &observed.inventory)?;
    preflight::refuse_changed_bases(&desired, &observed.inventory, &provider).await?;
    observe::look(&session, &desired, &reach, &mut observed).await?;
    let markers = observed.markers.clone();
    if let Some(from) = options.from {
        forget_from(from, flavour, &mut observed);
    }
    preflight::refuse_version(prepared.platform.version, observed.kubernetes(session.flavour()))?;
    preflight::refuse_other_flavour(flavour, &markers)?;
    preflight::refuse_what_stays(&session, &observed)?;
    let all = diff(&desired, &observed);
    let (changes, others) = within(session.flavour(), all.clone(), options.limit.as_ref());
    // What runs again was done all the same: those who have it can be asked.
    observed.markers.clone_from(&markers);
    preflight::refuse_stale(&changes, options.agreed.as_ref())?;
    // Also for labs of before, which nothing else changes.
    bases::keep(&session, &prepared)?;
    if changes.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    let version = prepared.platform.version;
    if others > 0 {
        // Members of before are forgotten by nobody, whoever is changed first.
        quorum::refuse_loss(&session, &observed, &all)?;
        preflight::refuse_part_of_an_upgrade(Upgrade::of(&session, &observed, version, false))?;
        events.note(format!("{others} changes of other nodes are left"));
    }
    preflight::refuse_loss(&changes, options.yes)?;
    quorum::refuse_loss(&session, &observed, &changes)?;
    if quorum::is_founded_anew(&session, &observed, &changes) {
        prepared.etcd_founders = session.etcd_members();
    }
    if changes.iter().any(|change| change.object == Object::Domain) {
        events.note(format!("guests run with {}", prepared.acceleration));
    }
    events.send(Event::Planned { changes: changes.clone() });
    session.still_open()?.into_iter().for_each(|open| events.note(open));
    let about = |stage: &&Stage| changes.iter().any(|change| change.name == stage.name);
    for stage in flavour.stages.iter().filter(about) {
        if let Some(lacking) = (stage.lacks)(&session.lab, &prepared.platform) {
            events.warn(lacking);
        }
    }
    session.store.save_record(&preflight::record(&session)?)?;
    drain::prepare(&session, &reach, &observed, &changes, options.force, &events).await?;
    // What other nodes were stays known until they are changed, too.
    if others == 0 || session.store.read("topology.yaml")?.is_none() {
        session.remember_machines_that_left()?;
        session.store.write("topology.yaml", &session.source)?;
    }
    shared_changes(&session, &prepared, &desired, &provider, &changes, &events).await?;

    let goldens = clone::choose(&session, &prepared, &provider, &changes, &events).await?;
    let upgrade = Upgrade::of(&session, &observed, prepared.platform.version, !options.force);
    if let Some(upgrade) = &upgrade {
        events.note(upgrade.told());
    }
    let boots = options.concurrency.unwrap_or_else(|| session.timeouts().boots());
    let at_rest = at_rest::at_rest(&session, &reach, &changes, &markers, &events).await;
    let run = Arc::new(Run {
        at_rest,
        boots: Semaphore::new(boots.max(1)),
        board: Board::new(&[]),
        session,
        prepared,
        desired,
        provider,
        reach,
        stop,
        events,
        changes,
        markers,
        one_at_a_time: OneAtATime::default(),
        upgrade,
        goldens,
    });
    run.lanes().await
}
