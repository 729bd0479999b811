//! A lesson tried by the program itself: what is broken is noticed, what is said to help helps.

use std::time::{Duration, Instant};

use crate::engine::stages::lesson::carry::{Classroom, judge_with};
use crate::engine::task::error::EngineError;
use crate::engine::verify::probe::CheckResult;
use crate::model::lesson::{Asked, Dealt};

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// What came of trying a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsed {
    /// It is as it should be: what failed while it was broken, and how long the two halves took.
    Well(Vec<String>, Duration),
    /// Everything held although it was broken, or not done yet.
    Unnoticed(Vec<String>),
    /// What never may be lost was lost.
    Lost(Vec<String>),
    /// What is said to do it does not.
    Unsolved(Vec<String>),
}

/// What does not hold, in words.
fn missing(results: &[CheckResult]) -> Vec<String> {
    let bad = results.iter().filter(|result| !result.holds());
    bad.map(|result| format!("{} on {}: {}", result.name, result.node, result.proves)).collect()
}

/// What was seen of a step.
#[derive(Default)]
struct Seen {
    failing: Vec<String>,
    holding: Vec<String>,
}

/// Waits until what is broken is seen: everything that a fault names fails, or, where nothing was broken, anything that is
/// asked. False when that takes longer than a time.
///
/// # Errors
/// When the lab lacks what the step names.
pub async fn noticed(
    room: &Classroom<'_>,
    dealt: &Dealt,
    patience: Duration,
) -> Result<bool, EngineError> {
    let seen = until(room, &groups(dealt), patience, |seen| seen.holding.is_empty()).await?;
    Ok(seen.holding.is_empty())
}

/// Tries a step: broken it must fail, solved it must hold, each within a time.
///
/// # Errors
/// When a script fails, or the lab lacks what the step names.
pub async fn rehearse(
    room: &Classroom<'_>,
    dealt: &Dealt,
    patience: Duration,
) -> Result<Rehearsed, EngineError> {
    let start = Instant::now();
    if let Some(broken) = &dealt.broken {
        room.run(broken).await?;
    }
    let seen = until(room, &groups(dealt), patience, |seen| seen.holding.is_empty()).await?;
    let lost = missing(&ask(room, &dealt.never).await?);
    let is_solved = room.solve(&dealt.solve).await?;
    if !seen.holding.is_empty() {
        return Ok(Rehearsed::Unnoticed(seen.holding));
    }
    let all = vec![dealt.verify.clone()];
    let left = if is_solved {
        until(room, &all, patience, |seen| seen.failing.is_empty()).await?
    } else {
        Seen::default()
    };
    if !is_solved || !left.failing.is_empty() {
        return Ok(Rehearsed::Unsolved(left.failing));
    }
    let lost = [lost, missing(&ask(room, &dealt.never).await?)].concat();
    match lost.is_empty() {
        true => Ok(Rehearsed::Well(seen.failing, start.elapsed())),
        false => Ok(Rehearsed::Lost(lost)),
    }
}

async fn ask(room: &Classroom<'_>, asked: &[Asked]) -> Result<Vec<CheckResult>, EngineError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut results = judge_with(room.session, &room.reach, asked, room.stop, &|_| {}).await?;
    // Pods that are made for a check are a check of their own, which nobody asked for.
    let is_meant = |result: &CheckResult| {
        asked.iter().any(|one| !matches!(one, Asked::Check(name) if *name != result.name))
    };
    results.retain(is_meant);
    Ok(results)
}

/// Asks until what is seen is enough, or time is up.
async fn until(
    room: &Classroom<'_>,
    groups: &[Vec<Asked>],
    patience: Duration,
    enough: impl Fn(&Seen) -> bool,
) -> Result<Seen, EngineError> {
    let late = Instant::now() + patience;
    loop {
        let mut seen = Seen::default();
        for group in groups {
            let results = ask(room, group).await?;
            match missing(&results) {
                none if none.is_empty() => {
                    seen.holding.extend(results.into_iter().map(|result| result.proves));
                }
                some => seen.failing.extend(some),
            }
        }
        if enough(&seen) || Instant::now() >= late {
            return Ok(seen);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What must fail while it is broken: everything that a fault names, each for itself; of a step that is to be done
/// anything.
fn groups(dealt: &Dealt) -> Vec<Vec<Asked>> {
    match dealt.fault {
        Some(_) => dealt.seen.iter().map(|one| vec![one.clone()]).collect(),
        None => vec![dealt.verify.clone()],
    }
}
