//! `verify`: makes the checks of [`crate::stages::checks`]: those of nodes side by side, those of
//! the cluster one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::error::EngineError;
use super::session::{Reach, Session};
use crate::drivers::guest::Output;
use crate::stages::checks::{Check, Judge, MISSING, Plan, checks, cis};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// What it checks was never installed, or cannot be looked at.
    Missing,
}

/// One check's result.
#[derive(Clone, Debug, Serialize)]
pub struct CheckResult {
    /// Stable name.
    pub name: String,
    /// Node, or nodes joined by commas, it was made on.
    pub node: String,
    /// What it proves.
    pub proves: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub output: String,
    /// What to look at when it does not hold.
    pub hint: String,
}

/// Says each result as it comes.
pub type Say<'s> = &'s (dyn Fn(&CheckResult) + Sync);

/// Makes every check.
///
/// # Errors
/// When the lab has no keys here, so that no node can be asked.
pub async fn verify(session: &Session, say: Say<'_>) -> Result<Vec<CheckResult>, EngineError> {
    let keys = session.load_keys()?;
    let reach = session.reach(&keys, Duration::from_secs(15))?;
    verify_with(session, &reach, say).await
}

/// `verify` by a given way to the nodes.
///
/// # Errors
/// When a task of ours dies.
pub async fn verify_with(
    session: &Session,
    reach: &Reach,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let Plan { nodes, cluster, afterwards } = checks(&session.lab);
    let run: u32 = rand::random();
    let run = format!("{run:08x}");
    let mut lanes: BTreeMap<String, Vec<Check>> = BTreeMap::new();
    for check in nodes {
        let node = check.nodes.first().cloned().unwrap_or_default();
        lanes.entry(node).or_default().push(check);
    }
    let mut running = tokio::task::JoinSet::new();
    for node in &session.lab.nodes {
        let checks = lanes.remove(&node.name).unwrap_or_default();
        let (guest, run) = (reach(node), run.clone());
        running.spawn(async move {
            let mut results = Vec::new();
            for check in checks {
                let answer = guest.run(&script(&check, &run)).await.map_err(|e| e.to_string());
                let name = check.nodes.first().cloned().unwrap_or_default();
                results.extend(judge(&check, &[(name, answer)]));
            }
            results
        });
    }
    let mut results = Vec::new();
    while let Some(lane) = running.join_next().await {
        let lane = lane.map_err(|error| EngineError::new(format!("run a check: {error}")))?;
        lane.iter().for_each(say);
        results.extend(lane);
    }
    for check in cluster {
        let made = on_all(session, reach, &check, &run).await?;
        let made = judge(&check, &made);
        made.iter().for_each(say);
        results.extend(made);
    }
    if let Some((node, script)) = afterwards
        && let Some(node) = session.lab.node(&node)
    {
        // What it clears away has a name of this run's own; a failure shows in the checks.
        let _ = reach(node).run(&format!("LAB_RUN={run}\n{script}")).await;
    }
    Ok(results)
}

type Seen = (String, Result<Output, String>);

async fn on_all(
    session: &Session,
    reach: &Reach,
    check: &Check,
    run: &str,
) -> Result<Vec<Seen>, EngineError> {
    let mut asked = tokio::task::JoinSet::new();
    for name in &check.nodes {
        let Some(node) = session.lab.node(name) else { continue };
        let (guest, script, name) = (Arc::clone(&reach(node)), script(check, run), name.clone());
        asked.spawn(async move { (name, guest.run(&script).await.map_err(|e| e.to_string())) });
    }
    let mut seen = Vec::new();
    while let Some(answer) = asked.join_next().await {
        seen.push(answer.map_err(|error| EngineError::new(format!("run a check: {error}")))?);
    }
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(seen)
}

fn script(check: &Check, run: &str) -> String {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    format!("LAB_NOW={now}\nLAB_RUN={run}\n{}", check.script)
}

fn judge(check: &Check, seen: &[Seen]) -> Vec<CheckResult> {
    let result = |verdict, output: String| CheckResult {
        name: check.name.into(),
        node: check.nodes.join(","),
        proves: check.proves.clone(),
        verdict,
        output: output.trim().to_owned(),
        hint: check.hint.clone(),
    };
    let text = |answer: &Result<Output, String>| match answer {
        Ok(output) => output.text(),
        Err(error) => error.clone(),
    };
    let status = |answer: &Result<Output, String>| answer.as_ref().map_or(255, |o| o.status);
    match check.judge {
        Judge::Succeeds => {
            let bad = seen.iter().find(|(_, answer)| status(answer) != 0);
            let shown = bad.or_else(|| seen.first()).map(|(_, answer)| answer.clone());
            let shown = shown.unwrap_or_else(|| Err("no node was asked".into()));
            let verdict = match status(&shown) {
                0 => Verdict::Passed,
                MISSING => Verdict::Missing,
                _ => Verdict::Failed,
            };
            vec![result(verdict, text(&shown))]
        }
        Judge::OnOneNode => {
            let holders: Vec<&str> =
                seen.iter().filter(|(_, a)| status(a) == 0).map(|(n, _)| n.as_str()).collect();
            let verdict = if holders.len() == 1 { Verdict::Passed } else { Verdict::Failed };
            let shown = if holders.is_empty() { "nobody".into() } else { holders.join(", ") };
            vec![result(verdict, shown)]
        }
        Judge::Verdicts => {
            let all: Vec<String> = seen.iter().map(|(_, answer)| text(answer)).collect();
            let lines: Vec<CheckResult> =
                all.iter().flat_map(|text| text.lines()).filter_map(|l| line(check, l)).collect();
            match lines.is_empty() {
                true => vec![result(Verdict::Failed, all.join("\n"))],
                false => lines,
            }
        }
    }
}

/// One verdict of many.
fn line(check: &Check, line: &str) -> Option<CheckResult> {
    let mut parts = line.split('\t');
    let (id, verdict, seen) = (parts.next()?, parts.next()?, parts.next()?);
    let title = cis::title(id)?;
    Some(CheckResult {
        name: format!("{}-{id}", check.name),
        node: check.nodes.join(","),
        proves: title.into(),
        verdict: if verdict == "PASS" { Verdict::Passed } else { Verdict::Failed },
        output: seen.into(),
        hint: check.hint.clone(),
    })
}
