//! One check, put to the nodes it is made on, and how the answers are judged.

use std::sync::Arc;

use serde::Serialize;

use crate::drivers::guest::{Guest, GuestError, Output};
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::kubernetes::checks::{Check, Judge, MISSING, WARNING};
use crate::model::Lab;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It holds, and there is something to know.
    Warning,
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
    /// Node it was made on, a few joined by commas, or how many.
    pub node: String,
    /// What it proves.
    pub proves: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub output: String,
    /// What to look at when it does not hold.
    pub hint: String,
    /// Told in a table only where it does not hold.
    #[serde(skip)]
    pub quiet: bool,
}

impl CheckResult {
    /// True where it holds, be there something to know or not.
    pub fn holds(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Warning)
    }
}

/// What scripts of checks are told, besides the time.
#[derive(Clone, Debug)]
pub(crate) struct ProbeEnv {
    /// A word of this run's own.
    pub run: String,
    /// What counts as news: seconds since 1970; two minutes ago when not said.
    pub since: Option<i64>,
    /// How often what may take a while is asked; as often as its check thinks right when not said.
    pub tries: Option<u32>,
}

impl ProbeEnv {
    /// For one run.
    pub fn new(since: Option<i64>) -> Self {
        let run: u32 = rand::random();
        Self { run: format!("{run:08x}"), since, tries: None }
    }

    fn script(&self, check: &Check) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let since = self.since.unwrap_or(now - 120);
        let tries = self.tries.map(|tries| format!(" LAB_TRIES={tries}")).unwrap_or_default();
        let told = format!("LAB_NOW={now} LAB_SINCE={since} LAB_RUN={}{tries}", self.run);
        format!("{told}\n{}", check.script)
    }
}

/// A check with the nodes it is put to.
#[derive(Clone)]
pub(crate) struct Probe {
    pub check: Check,
    guests: Vec<(String, Arc<dyn Guest>)>,
}

type Seen = (String, Result<Output, GuestError>);

/// What came of asking.
pub(crate) struct Answer {
    /// How the check came out; several results for checks of many verdicts.
    pub results: Vec<CheckResult>,
    /// True when asking again cannot help: a node has another host key, or refuses the login.
    pub is_final: bool,
}

impl Probe {
    /// Nodes that the lab does not have are left out.
    pub fn new(lab: &Lab, reach: &Reach, check: Check) -> Self {
        let nodes = check.nodes.iter().filter_map(|name| lab.node(name));
        let guests = nodes.map(|node| (node.name.clone(), reach(node))).collect();
        Self { check, guests }
    }

    /// Asks all nodes at once.
    ///
    /// # Errors
    /// When a task of ours dies.
    pub async fn ask(&self, env: &ProbeEnv) -> Result<Answer, EngineError> {
        let mut asked = tokio::task::JoinSet::new();
        for (name, guest) in self.guests.clone() {
            let script = env.script(&self.check);
            asked.spawn(async move { (name, guest.run(&script).await) });
        }
        let mut seen = Vec::new();
        while let Some(answer) = asked.join_next().await {
            seen.push(
                answer.map_err(|error| EngineError::internal(format!("run a check: {error}")))?,
            );
        }
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        let is_final = seen.iter().any(|(_, answer)| answer.as_ref().is_err_and(|e| !e.retry));
        Ok(Answer { results: evaluate(&self.check, &seen), is_final })
    }
}

fn evaluate(check: &Check, seen: &[Seen]) -> Vec<CheckResult> {
    let nodes = match check.nodes.len() {
        0..4 => check.nodes.join(","),
        many => format!("{many} nodes"),
    };
    let result = |verdict, output: String| CheckResult {
        name: check.name.clone().into_owned(),
        node: nodes.clone(),
        proves: check.proves.clone(),
        verdict,
        output: output.trim().to_owned(),
        hint: check.hint.clone(),
        quiet: check.quiet,
    };
    let text = |answer: &Result<Output, GuestError>| match answer {
        Ok(output) => output.text(),
        Err(error) => error.to_string(),
    };
    let status = |answer: &Result<Output, GuestError>| answer.as_ref().map_or(255, |o| o.status);
    match check.judge {
        Judge::Succeeds => {
            let bad = seen.iter().find(|(_, answer)| status(answer) != 0);
            let shown = bad.or_else(|| seen.first()).map(|(_, answer)| answer.clone());
            let shown = shown.unwrap_or_else(|| Err(GuestError::new("no node was asked")));
            let verdict = match status(&shown) {
                0 => Verdict::Passed,
                MISSING => Verdict::Missing,
                WARNING => Verdict::Warning,
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
        Judge::Verdicts { title } => {
            let all: Vec<String> = seen.iter().map(|(_, answer)| text(answer)).collect();
            let lines = all.iter().flat_map(|text| text.lines());
            let lines: Vec<CheckResult> = lines.filter_map(|l| line(check, title, l)).collect();
            match lines.is_empty() {
                true => vec![result(Verdict::Failed, all.join("\n"))],
                false => lines,
            }
        }
    }
}

/// One verdict of many.
fn line(check: &Check, title: fn(&str) -> Option<&'static str>, line: &str) -> Option<CheckResult> {
    let mut parts = line.split('\t');
    let (id, verdict, seen) = (parts.next()?, parts.next()?, parts.next()?);
    Some(CheckResult {
        name: format!("{}-{id}", check.name),
        node: check.nodes.join(","),
        proves: title(id)?.into(),
        verdict: if verdict == "PASS" { Verdict::Passed } else { Verdict::Failed },
        output: seen.into(),
        hint: check.hint.clone(),
        quiet: check.quiet,
    })
}
