//! The guests' clocks, set to that of this computer: a guest that stood still believes that no time
//! went by.

use std::time::Duration;

use time::OffsetDateTime;

use crate::drivers::guest::Guest;
use crate::engine::error::EngineError;
use crate::engine::session::Reach;
use crate::model::Node;
use crate::stages::recovery::{CLOCK_TOLERANCE, READ_CLOCK, move_clock};

/// How often a clock is set before it is given up.
const TRIES: u32 = 4;

/// Sets the clocks of `nodes`, side by side. The largest number of seconds that one was behind.
/// Guests that booted read the time themselves; theirs may be off a little more before it is set.
///
/// # Errors
/// When a node does not answer, or its clock cannot be set.
pub(super) async fn set(
    nodes: &[&Node],
    reach: &Reach,
    stood_still: bool,
) -> Result<f64, EngineError> {
    let mut running = tokio::task::JoinSet::new();
    for node in nodes {
        let (guest, name) = (reach(node), node.name.clone());
        running.spawn(async move { one(&*guest, &name).await });
    }
    let mut behind: f64 = 0.0;
    while let Some(ended) = running.join_next().await {
        let found = ended.map_err(|error| EngineError::new(error.to_string()))??;
        behind = behind.max(found);
    }
    Ok(if stood_still { behind } else { 0.0 })
}

async fn one(guest: &dyn Guest, name: &str) -> Result<f64, EngineError> {
    let mut first = None;
    for _ in 0..TRIES {
        let Some((behind, sure)) = look(guest).await? else { return Ok(0.0) };
        let first = *first.get_or_insert(behind);
        // Being off by less than the way to the node takes cannot be told from being right.
        if behind.abs() <= CLOCK_TOLERANCE.max(sure) {
            return Ok(first);
        }
        let output = guest.run(&move_clock(behind)).await?;
        if output.status != 0 {
            let said = output.text();
            return Err(EngineError::new(format!("set the clock of {name}: {}", said.trim())));
        }
    }
    Err(EngineError::new(format!("set the clock of {name}: it does not keep what it is set to")))
}

/// Seconds that the guest's clock is behind, and how sure that is; `None` when it shows no time.
async fn look(guest: &dyn Guest) -> Result<Option<(f64, f64)>, EngineError> {
    let before = OffsetDateTime::now_utc();
    let output = guest.run(READ_CLOCK).await?;
    let took = OffsetDateTime::now_utc() - before;
    let middle = before + took / 2;
    let seconds = |at: OffsetDateTime| {
        Duration::from_nanos(u64::try_from(at.unix_timestamp_nanos()).unwrap_or(0)).as_secs_f64()
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let theirs: Option<f64> = text.trim().parse().ok().filter(|time: &f64| time.is_finite());
    Ok(theirs.map(|theirs| (seconds(middle) - theirs, took.as_seconds_f64() / 2.0)))
}
