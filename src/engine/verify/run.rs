//! `verify`: makes the checks that the stages bring: those of nodes side by side, as far as the
//! computer can take it, those of the cluster one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::stop::Stop;
use crate::engine::verify::probe::{CheckResult, Probe, ProbeEnv};
use crate::kubernetes::checks::{Afterwards, Check, Plan};
use crate::kubernetes::stage::Stage;

/// Says each result as it comes.
pub type Say<'s> = &'s (dyn Fn(&CheckResult) + Sync);

/// Makes every check, or those that judge the work of one stage.
///
/// # Errors
/// When the lab has no keys here, so that no node can be asked, and when it was stopped.
pub async fn verify(
    session: &Session,
    stage: Option<&Stage>,
    stop: &Stop,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let keys = session.load_keys()?;
    let reach = session.reach(&keys, Duration::from_secs(15))?;
    verify_with(session, &reach, stage, stop, say).await
}

/// Asks whether nodes are fit for their roles: all of them, or those named.
///
/// # Errors
/// When the lab has no keys here, so that no node can be asked.
pub async fn inspect(
    session: &Session,
    nodes: &[String],
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let keys = session.load_keys()?;
    let reach = session.reach(&keys, Duration::from_secs(15))?;
    inspect_with(session, &reach, nodes, say).await
}

/// [`inspect`] by a given way to the nodes.
///
/// # Errors
/// When a script cannot be rendered, or a task of ours dies.
pub(crate) async fn inspect_with(
    session: &Session,
    reach: &Reach,
    nodes: &[String],
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let mut plan = session.flavour().inspection(&session.lab, &session.templates)?;
    plan.nodes.retain(|check| nodes.is_empty() || check.nodes.iter().all(|n| nodes.contains(n)));
    make(session, reach, plan, ProbeEnv::new(None), &Stop::default(), say).await
}

/// [`verify`] by a given way to the nodes.
///
/// # Errors
/// When it was stopped, a script cannot be rendered, or a task of ours dies.
pub async fn verify_with(
    session: &Session,
    reach: &Reach,
    stage: Option<&Stage>,
    stop: &Stop,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let plan = match stage {
        Some(stage) => stage.plan(&session.lab, &session.templates)?,
        None => session.flavour().checks(&session.lab, &session.templates)?,
    };
    make(session, reach, plan, ProbeEnv::new(None), stop, say).await
}

/// Makes the checks of a plan, and clears away what they made, also when they are given up.
///
/// # Errors
/// When it was stopped, or a task of ours dies.
pub(crate) async fn make(
    session: &Session,
    reach: &Reach,
    plan: Plan,
    env: ProbeEnv,
    stop: &Stop,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let Plan { nodes, cluster, afterwards, .. } = plan;
    let asked = async {
        let mut results = of_nodes(session, reach, nodes, &env, say).await?;
        for check in cluster {
            let made = Probe::new(&session.lab, reach, check).ask(&env).await?.results;
            made.iter().for_each(say);
            results.extend(made);
        }
        Ok(results)
    };
    let results = stop.or("make all checks", asked).await;
    let cleared = clear(session, reach, afterwards, &env).await;
    // Where the checks ended by themselves, what keeps it from being cleared away shows in them.
    results.map_err(|error| if cleared { error } else { error.hint(LEFT) })
}

const LEFT: &str =
    "what was made for the checks is still there; `lab verify` removes it when it is an hour old";

/// Removes what the checks made, by names of this run's own. False when that failed.
async fn clear(
    session: &Session,
    reach: &Reach,
    afterwards: Option<Afterwards>,
    env: &ProbeEnv,
) -> bool {
    let Some(Afterwards { node, script }) = afterwards else { return true };
    let Some(node) = session.lab.node(&node) else { return true };
    let done = reach(node).run(&format!("LAB_RUN={}\n{script}", env.run)).await;
    done.is_ok_and(|output| output.status == 0)
}

/// Makes the checks of single nodes: on each one after the other, nodes side by side.
async fn of_nodes(
    session: &Session,
    reach: &Reach,
    checks: Vec<Check>,
    env: &ProbeEnv,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let mut lanes: BTreeMap<String, Vec<Probe>> = BTreeMap::new();
    for check in checks {
        let node = check.nodes.first().cloned().unwrap_or_default();
        lanes.entry(node).or_default().push(Probe::new(&session.lab, reach, check));
    }
    let places = Arc::new(Semaphore::new(session.timeouts().checked()));
    let mut running = tokio::task::JoinSet::new();
    for (_, probes) in lanes {
        let (env, places) = (env.clone(), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire().await;
            let mut results = Vec::new();
            for probe in probes {
                results.extend(probe.ask(&env).await?.results);
            }
            Ok::<_, EngineError>(results)
        });
    }
    let mut results = Vec::new();
    while let Some(lane) = running.join_next().await {
        let lane =
            lane.map_err(|error| EngineError::internal(format!("run a check: {error}")))??;
        lane.iter().for_each(say);
        results.extend(lane);
    }
    Ok(results)
}
