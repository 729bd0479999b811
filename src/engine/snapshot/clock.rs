//! The guests' clocks, set to that of this computer: a guest that stood still believes that no time
//! went by.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::drivers::guest::Guest;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::kubernetes::recovery::{self, CLOCK_IS_RIGHT, CLOCK_TOLERANCE, TELL_THE_TIME};
use crate::model::{Node, code};
use crate::render::Templates;

/// How often a guest is asked for its time before what is known has to do.
const QUESTIONS: u32 = 30;

/// Sets the clocks of `nodes`, side by side, by a talk with each. The largest number of seconds that one was behind.
///
/// # Errors
/// When a node does not answer, or its clock cannot be set; when the script cannot be rendered.
pub(super) async fn set(
    nodes: &[&Node],
    reach: &Reach,
    templates: &Templates,
) -> Result<f64, EngineError> {
    let script = recovery::set_clock(templates)?;
    let mut running = tokio::task::JoinSet::new();
    for node in nodes {
        let (guest, name, script) = (reach(node), node.name.clone(), script.clone());
        running.spawn(async move { one(&*guest, &name, &script).await });
    }
    let mut behind = Ok(0.0_f64);
    while let Some(ended) = running.join_next().await {
        let found = ended.unwrap_or_else(|error| Err(EngineError::internal(error.to_string())));
        // One that fails does not keep the others from the right time.
        behind = behind.and_then(|most| found.map(|found| most.max(found)));
    }
    behind
}

async fn one(guest: &dyn Guest, name: &str, script: &str) -> Result<f64, EngineError> {
    let clock = Mutex::new(Clock::default());
    let known = || clock.lock().unwrap_or_else(PoisonError::into_inner);
    let output = guest.talk(script, &|line| known().reply(line, now())).await?;
    if output.status != 0 {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EngineError::of(&code::NOT_WHOLE, format!("set the clock of {name}: {why}")));
    }
    Ok(known().first.unwrap_or_default())
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
    Duration::from_nanos(u64::try_from(now).unwrap_or(0)).as_secs_f64()
}

/// What is known of a guest's clock. An answer was written after it was asked for and before it
/// arrived, however long it was on its way; between these two lies the truth, and of several answers
/// where they agree.
#[derive(Debug)]
struct Clock {
    /// Seconds by which it was behind at first.
    first: Option<f64>,
    /// When it was asked last.
    asked: Option<f64>,
    questions: u32,
    /// Seconds by which it is behind, at least and at most.
    behind: (f64, f64),
}

const UNKNOWN: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

impl Default for Clock {
    fn default() -> Self {
        Self { first: None, asked: None, questions: 0, behind: UNKNOWN }
    }
}

impl Clock {
    /// What to say to a guest's line that arrived at `now`. A line that is no time, after the first,
    /// ends in the script's own failure.
    fn reply(&mut self, line: &str, now: f64) -> String {
        let answer = match self.asked {
            None => TELL_THE_TIME.into(),
            Some(asked) => match line.trim().parse().ok().filter(|time: &f64| time.is_finite()) {
                Some(theirs) => self.learn(asked - theirs, now - theirs),
                None => "nothing".into(),
            },
        };
        self.asked = Some(now);
        answer
    }

    fn learn(&mut self, at_least: f64, at_most: f64) -> String {
        let (low, high) = (self.behind.0.max(at_least), self.behind.1.min(at_most));
        // Answers that contradict each other: it, or ours, was moved meanwhile.
        self.behind = if low <= high { (low, high) } else { (at_least, at_most) };
        let (low, high) = self.behind;
        let middle = f64::midpoint(low, high);
        self.first.get_or_insert(middle);
        self.questions += 1;
        let right = low >= -CLOCK_TOLERANCE && high <= CLOCK_TOLERANCE;
        let wrong = low > CLOCK_TOLERANCE || high < -CLOCK_TOLERANCE;
        if right || (self.questions >= QUESTIONS && !wrong) {
            return CLOCK_IS_RIGHT.into();
        }
        if self.questions >= QUESTIONS {
            return "enough".into();
        }
        if wrong || high - low <= CLOCK_TOLERANCE {
            self.behind = UNKNOWN;
            return format!("{middle:.6}");
        }
        TELL_THE_TIME.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guest whose clock is `behind`; question and answer take as long as `ways` says, then no
    /// time. By how much it is behind in the end.
    fn talk(mut behind: f64, ways: &[(f64, f64)], clock: &mut Clock) -> Option<f64> {
        let mut now = 1_800_000_000.0;
        let mut ways = ways.iter().copied().chain(std::iter::repeat((0.001, 0.001)));
        let mut line = "ready".to_owned();
        for _ in 0..=QUESTIONS {
            let said = clock.reply(&line, now);
            match said.as_str() {
                CLOCK_IS_RIGHT => return Some(behind),
                TELL_THE_TIME => {}
                by => behind -= by.parse::<f64>().ok()?,
            }
            let (there, back) = ways.next().unwrap_or_default();
            line = format!("{:.9}", now + there - behind);
            now += there + back;
        }
        // It never ends.
        None
    }

    #[test]
    fn a_clock_is_set_however_far_it_is_off() {
        for off in [0.0, 0.7, -0.7, 86_400.0, -86_400.0, 1.8e9] {
            let mut clock = Clock::default();
            let left = talk(off, &[], &mut clock);
            assert!(left.is_some_and(|left| left.abs() <= CLOCK_TOLERANCE), "{off} {left:?}");
            assert!(clock.first.is_some_and(|first| (first - off).abs() < 0.01), "{clock:?}");
        }
    }

    #[test]
    fn what_takes_long_on_the_way_is_not_taken_for_a_clock_that_is_off() {
        let ways = [(0.1, 2.0), (0.1, 2.1), (1.5, 0.1), (2.0, 2.0), (0.2, 0.1)];
        for off in [0.0, 0.3, 1.4, -1.4, 86_400.0] {
            let left = talk(off, &ways, &mut Clock::default());
            assert!(left.is_some_and(|left| left.abs() <= CLOCK_TOLERANCE), "{off} {left:?}");
        }
    }

    #[test]
    fn a_guest_that_is_always_slow_is_not_refused_and_not_left_far_off() {
        let ways = [(1.0, 1.0); 40];
        let left = talk(86_400.0, &ways, &mut Clock::default());
        assert!(left.is_some_and(|left| left.abs() <= 1.0 + CLOCK_TOLERANCE));
    }

    #[test]
    fn what_is_no_time_ends_the_talk() {
        let mut clock = Clock::default();
        assert_eq!(clock.reply("ready", 1.0), TELL_THE_TIME);
        assert_eq!(clock.reply("no time", 2.0), "nothing");
    }

    #[test]
    fn a_clock_that_does_not_keep_what_it_is_set_to_is_given_up() {
        let mut clock = Clock::default();
        let mut said = clock.reply("ready", 1e9);
        for _ in 0..QUESTIONS {
            said = clock.reply("5.0", 1e9);
        }
        assert_eq!(said, "enough");
    }
}
