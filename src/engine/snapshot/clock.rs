//! The guests' clocks, set to that of this computer: a guest that stood still believes that no time
//! went by.

use std::sync::OnceLock;
use std::time::Duration;

use time::OffsetDateTime;

use crate::drivers::guest::Guest;
use crate::engine::error::EngineError;
use crate::engine::session::Reach;
use crate::model::Node;
use crate::model::code;
use crate::stages::recovery::{CLOCK_IS_RIGHT, CLOCK_TOLERANCE, SET_CLOCK};

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
        let found = ended.map_err(|error| EngineError::internal(error.to_string()))??;
        behind = behind.max(found);
    }
    Ok(if stood_still { behind } else { 0.0 })
}

async fn one(guest: &dyn Guest, name: &str) -> Result<f64, EngineError> {
    let first = OnceLock::new();
    let output = guest.talk(SET_CLOCK, &|theirs| reply(theirs, &first)).await?;
    if output.status != 0 {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EngineError::of(&code::NOT_WHOLE, format!("set the clock of {name}: {why}")));
    }
    Ok(first.get().copied().unwrap_or_default())
}

/// What to tell a guest that shows its time; keeps by how many seconds it was behind at first. Words
/// that are no time end in the script's own failure.
fn reply(theirs: &str, first: &OnceLock<f64>) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
    let now = Duration::from_nanos(u64::try_from(now).unwrap_or(0)).as_secs_f64();
    let Some(theirs) = theirs.trim().parse().ok().filter(|time: &f64| time.is_finite()) else {
        return "nothing".into();
    };
    let behind = now - theirs;
    first.get_or_init(|| behind);
    match behind.abs() <= CLOCK_TOLERANCE {
        true => CLOCK_IS_RIGHT.into(),
        false => format!("{behind:.6}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_told_how_far_it_is_behind_until_it_is_right() {
        let first = OnceLock::new();
        let now = OffsetDateTime::now_utc().unix_timestamp() as f64;
        let told: f64 = reply(&format!("{:.6}", now - 86_400.0), &first).parse().unwrap_or(0.0);
        assert!((86_400.0..86_402.0).contains(&told), "{told}");
        assert_eq!(reply("no time", &first), "nothing");
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() as f64 / 1e9;
        assert_eq!(reply(&format!("{now:.6}"), &first), CLOCK_IS_RIGHT);
        assert!(first.get().is_some_and(|first| (first - told).abs() < 0.001));
    }
}
