//! Waiting until a lab, or a part of it, is whole: checks are put to the nodes until they hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::verify::probe::{CheckResult, Probe, ProbeEnv, Verdict};
use crate::kubernetes::checks::Check;
use crate::model::{Lab, code};

/// Between two times that a question is put which did not come out well.
const PAUSE: Duration = Duration::from_millis(300);

/// Waits until all `checks` hold, those of different nodes side by side.
///
/// # Errors
/// The check that did not hold in time, with what was seen last.
pub(crate) async fn wait(
    lab: &Lab,
    reach: &Reach,
    checks: Vec<Check>,
    since: Option<i64>,
    patience: Duration,
) -> Result<(), EngineError> {
    let env = ProbeEnv::new(since);
    let deadline = Instant::now() + patience;
    let mut lanes: BTreeMap<String, Vec<Probe>> = BTreeMap::new();
    for check in checks {
        let node = check.nodes.first().cloned().unwrap_or_default();
        lanes.entry(node).or_default().push(Probe::new(lab, reach, check));
    }
    let mut running = tokio::task::JoinSet::new();
    for (_, probes) in lanes {
        let env = env.clone();
        running.spawn(async move {
            for probe in probes {
                until_it_holds(&probe, &env, deadline).await?;
            }
            Ok::<_, EngineError>(())
        });
    }
    while let Some(lane) = running.join_next().await {
        lane.map_err(|error| EngineError::internal(format!("run a check: {error}")))??;
    }
    Ok(())
}

async fn until_it_holds(
    probe: &Probe,
    env: &ProbeEnv,
    deadline: Instant,
) -> Result<(), EngineError> {
    loop {
        let answer = probe.ask(env).await?;
        let holds = |verdict| matches!(verdict, Verdict::Passed | Verdict::Warning);
        let Some(bad) = answer.results.iter().find(|result| !holds(result.verdict)) else {
            return Ok(());
        };
        if answer.is_final || Instant::now() > deadline {
            return Err(failed(bad));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn failed(bad: &CheckResult) -> EngineError {
    EngineError::of(
        &code::NOT_WHOLE,
        format!("wait until the lab is whole: on {}: {}: {}", bad.node, bad.proves, bad.output),
    )
    .hint(format!("{}; `lab status`, `lab verify`", bad.hint))
}
