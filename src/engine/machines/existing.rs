//! Machines that are there anyway: whose they are, and how they become nodes and are given back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drivers::guest::{Guest, GuestError, Put};
use crate::engine::lab::open::Session;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::verify::probe::{CheckResult, Verdict};
use crate::engine::verify::run::inspect_with;
use crate::kubernetes::operations::machine;
use crate::model::{Node, code};

/// Whose a machine is.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// Nobody's: no lab knows it as a node.
    Free,
    /// This lab's.
    Ours,
    /// Another's, in words.
    Other(String),
    /// It does not say; why.
    Silent(GuestError),
}

/// Asks machines whose they are, side by side.
pub(crate) async fn standings(
    mine: &str,
    machines: impl Iterator<Item = (String, Arc<dyn Guest>)>,
) -> BTreeMap<String, Standing> {
    let mut asked = tokio::task::JoinSet::new();
    for (name, guest) in machines {
        let mine = mine.to_owned();
        asked.spawn(async move { (name, standing(&*guest, &mine).await) });
    }
    let mut all = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        all.extend(answer);
    }
    all
}

async fn standing(guest: &dyn Guest, mine: &str) -> Standing {
    match guest.run(machine::OWNER).await {
        Ok(output) if output.status == 0 => match output.text().trim() {
            "" => Standing::Free,
            owner if owner == mine => Standing::Ours,
            owner => Standing::Other(owner.to_owned()),
        },
        Ok(output) => {
            let text = output.text();
            let hint = "`lab` becomes root by `sudo -n`: let the user do that without a password, or log in as root";
            let text = format!("become root: {}", text.trim());
            let (code, hint) = (&code::LOGIN, Some(hint.into()));
            Standing::Silent(GuestError { code, hint, retry: false, ..GuestError::new(text) })
        }
        Err(error) => Standing::Silent(error),
    }
}

/// Refuses machines that cannot become nodes, before anything of them is changed: they are another's, they do not
/// answer, or what they are is not enough for their roles.
pub(crate) async fn refuse_unfit(session: &Session, overcommit: bool) -> Result<(), EngineError> {
    if session.lab.machines().next().is_none() {
        return Ok(());
    }
    session.refuse_moved()?;
    for node in session.lab.machines() {
        session.host_keys(node)?;
    }
    let reach = session.way_to_machines()?;
    let machines = session.lab.machines().map(|node| (node.name.clone(), reach(node)));
    let standings = standings(&machine::owner(&session.lab), machines).await;
    let is_new = session.store.record()?.is_none();
    let mut free = Vec::new();
    for (name, standing) in &standings {
        match standing {
            Standing::Ours => {}
            Standing::Free => free.push(name.clone()),
            Standing::Other(owner) => {
                let text = format!("use the machine of {name}: it is a node of {owner}");
                return Err(EngineError::of(&code::CONFLICT, text)
                    .hint("`lab down` of that lab gives it back")
                    .preflight());
            }
            // One that is off may come back; one that is another machine never does.
            Standing::Silent(error) if is_new || !error.retry => {
                let error = EngineError::from(error.clone()).preflight();
                return Err(match error.hint {
                    Some(_) => error,
                    None => error.hint("is it on, and is its address right?"),
                });
            }
            Standing::Silent(..) => {}
        }
    }
    if free.is_empty() {
        return Ok(());
    }
    refuse_twins(session, &reach).await?;
    let results = inspect_with(session, &reach, &free, &|_| {}).await?;
    refuse_results(&results, overcommit)
}

/// Refuses machines that are copies of each other: Kubernetes and systemd tell them apart by this id.
async fn refuse_twins(session: &Session, reach: &Reach) -> Result<(), EngineError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for node in session.lab.machines() {
        let Ok(output) = reach(node).run(machine::IDENTITY).await else { continue };
        let id = output.text().trim().to_owned();
        if id.is_empty() {
            continue;
        }
        if let Some(twin) = seen.insert(id, &node.name) {
            let text = format!(
                "use {twin} and {}: both have the same /etc/machine-id, as copies have",
                node.name
            );
            return Err(EngineError::of(&code::UNFIT_MACHINE, text)
                .hint("on one of them: `rm /etc/machine-id && systemd-machine-id-setup`, then restart it; a copy needs host keys of its own, too")
                .preflight());
        }
    }
    Ok(())
}

/// What was asked of machines that are to become nodes must hold. What is installed later may lack.
fn refuse_results(results: &[CheckResult], overcommit: bool) -> Result<(), EngineError> {
    let of_size = |result: &CheckResult| overcommit && ["memory", "disk"].contains(&&*result.name);
    let bad = results.iter().filter(|result| result.verdict == Verdict::Failed);
    let bad: Vec<String> = bad
        .filter(|result| !of_size(result))
        .map(|result| {
            let seen = result.output.lines().collect::<Vec<_>>().join("; ");
            format!("{}: {} ({}: {seen})", result.node, result.proves, result.name)
        })
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    let text = format!("use the existing machines: this does not hold:\n  {}", bad.join("\n  "));
    Err(EngineError::of(&code::UNFIT_MACHINE, text)
        .hint("`lab inspect` asks again, one line for each question; nothing was changed")
        .preflight())
}

/// Has a machine be a node of the lab; fine when it is.
///
/// # Errors
/// When it does not answer, or is another lab's.
pub(crate) async fn take(
    session: &Session,
    prepared: &Prepared,
    guest: &dyn Guest,
    node: &Node,
) -> Result<(), EngineError> {
    session.hit("take a machine")?;
    let script = machine::take(session.flavour(), &prepared.context(session), node)?;
    let output = guest.run(&script).await?;
    if output.status != 0 {
        let text = format!("make {} a node of the lab: {}", node.name, output.text().trim());
        return Err(EngineError::of(&code::STEP, text));
    }
    Ok(guest.put(&[Put::File(machine::mark(&session.lab))]).await?)
}

/// A machine that may be given back, and how.
#[derive(Clone)]
pub(crate) struct Lent {
    /// The node.
    pub node: String,
    /// The way to it.
    pub guest: Arc<dyn Guest>,
    script: String,
}

impl Lent {
    pub(crate) fn new(
        session: &Session,
        prepared: &Prepared,
        reach: &Reach,
        node: &Node,
    ) -> Result<Self, EngineError> {
        let script = machine::give_back(session.flavour(), &prepared.context(session), node)?;
        Ok(Self { node: node.name.clone(), guest: reach(node), script })
    }

    /// Gives it back; fine when it is nobody's. What stays there, in words.
    ///
    /// # Errors
    /// When it does not answer, or is another lab's.
    pub(crate) async fn give_back(&self) -> Result<Option<String>, EngineError> {
        let output = self.guest.run(&self.script).await?;
        let text = output.text();
        if output.status != 0 {
            let text = format!("take lab off {}: {}", self.node, text.trim());
            return Err(EngineError::of(&code::STEP, text));
        }
        let said = text.lines().find(|line| line.starts_with("packages that"));
        Ok(said.map(|said| format!("{}: {said}", self.node)))
    }
}
