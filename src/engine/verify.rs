//! `verify`: runs the checks of [`crate::stages::checks`] on the nodes, side by side.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::error::EngineError;
use super::session::Session;
use crate::stages::checks::{Check, checks};

/// One check's result.
#[derive(Clone, Debug, Serialize)]
pub struct CheckResult {
    /// Stable name.
    pub name: String,
    /// Node it was made on.
    pub node: String,
    /// What it proves.
    pub proves: String,
    /// True when it holds.
    pub passed: bool,
    /// What was seen, when it does not.
    pub output: String,
    /// What to look at then.
    pub hint: String,
}

/// Makes every check. The result is in the order of the checks.
///
/// # Errors
/// When the lab has no keys here, so that no node can be asked.
pub async fn verify(session: &Session) -> Result<Vec<CheckResult>, EngineError> {
    let keys = session.load_keys()?;
    let reach = session.reach(&keys, Duration::from_secs(15))?;
    let mut running = tokio::task::JoinSet::new();
    for (index, check) in checks(&session.lab).into_iter().enumerate() {
        let Some(node) = session.lab.node(&check.node) else { continue };
        let guest = Arc::clone(&reach(node));
        running.spawn(async move {
            let answer = guest.run(&check.script).await;
            let (passed, output) = match answer {
                Ok(output) => (output.status == 0, output.text()),
                Err(error) => (false, error.to_string()),
            };
            (index, result(check, passed, &output))
        });
    }
    let mut results = Vec::new();
    while let Some(done) = running.join_next().await {
        results.push(done.map_err(|error| EngineError::new(format!("run a check: {error}")))?);
    }
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn result(check: Check, passed: bool, output: &str) -> CheckResult {
    CheckResult {
        name: check.name.into(),
        node: check.node,
        proves: check.proves,
        passed,
        output: if passed { String::new() } else { output.trim().to_owned() },
        hint: check.hint,
    }
}
