//! When the majority of etcd's members is lost for good: what the others know, and a cluster of the one that knows
//! most. Everything that any of them had is kept beside.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::drivers::guest::Guest;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::kubernetes::flavour::Operations;
use crate::kubernetes::operations::etcd::{FILE, MemberState, parse, peer};
use crate::model::{File, Node, Put, Role, code};

/// How long a member is waited for before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// How all members fare; `None` for one that does not answer.
#[derive(Debug)]
pub struct Survey(pub BTreeMap<String, Option<MemberState>>);

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// The cluster has its majority, and all members that answer are of it.
    Nothing,
    /// The cluster serves; these have the data of another one, and are to join anew.
    JoinAnew(Vec<String>),
    /// The majority is lost: this one is the cluster from now on, and the others join it.
    Alone(String),
}

impl Survey {
    /// What is to be done.
    ///
    /// # Errors
    /// When a majority has its data, so that nothing is lost; and when nobody has any.
    pub fn cure(&self, session: &Session) -> Result<Cure, EngineError> {
        let known = |name: &String| self.0.get(name).and_then(Option::as_ref);
        let refused = |text: String, hint: &str| {
            Err(EngineError::of(&code::QUORUM, text).hint(hint).preflight())
        };
        if let Some(members) = self.0.values().flatten().find(|state| state.serves) {
            let foreign = |name: &&String| {
                let is_of_it =
                    session.lab.node(name).is_some_and(|n| members.members.contains(&peer(n)));
                known(name).is_some_and(|state| state.has_data && !state.serves) && !is_of_it
            };
            let strangers: Vec<String> = self.0.keys().filter(foreign).cloned().collect();
            return Ok(if strangers.is_empty() {
                Cure::Nothing
            } else {
                Cure::JoinAnew(strangers)
            });
        }
        let with_data = self.0.values().flatten().filter(|state| state.has_data).count();
        if with_data * 2 > self.0.len() {
            return refused(
                format!(
                    "found etcd anew: {with_data} of {} members have their data, so nothing is lost for good",
                    self.0.len()
                ),
                "`lab up` brings them together; `lab logs etcd` says what keeps them apart",
            );
        }
        let furthest = self.0.keys().filter_map(|name| Some((known(name)?.revision?, name))).max();
        match furthest {
            Some((_, name)) => Ok(Cure::Alone(name.clone())),
            None => refused(
                "found etcd anew: no member that answers has data".into(),
                "`lab snapshot etcd restore FILE` or `lab snapshot restore NAME`, or `lab down` and `lab up`",
            ),
        }
    }
}

/// Asks all members how they fare. One that rests and has data is started for it.
///
/// # Errors
/// When the script cannot be rendered.
pub async fn survey(session: &Session, reach: &Reach) -> Result<Survey, EngineError> {
    let script = (operations(session).survey)(&session.templates)?;
    let mut asked = tokio::task::JoinSet::new();
    for node in session.lab.with_role(Role::Etcd) {
        let (guest, name, script) = (reach(node), node.name.clone(), script.clone());
        asked.spawn(async move {
            let answer = tokio::time::timeout(PATIENCE, guest.run(&script)).await;
            let output = answer.ok().and_then(Result::ok).filter(|output| output.status == 0);
            (name, output.map(|output| parse(&output.text())))
        });
    }
    let mut all = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        all.extend(answer.ok());
    }
    Ok(Survey(all))
}

/// Carries a cure out. Afterwards `up` lets the others join.
///
/// # Errors
/// The first step that fails; carried out again, it goes on.
pub async fn repair(
    session: &Session,
    reach: &Reach,
    cure: &Cure,
    events: &Events,
) -> Result<(), EngineError> {
    match cure {
        Cure::Nothing => Ok(()),
        Cure::JoinAnew(nodes) => {
            let nodes = session.lab.nodes.iter().filter(|node| nodes.contains(&node.name));
            set_aside(session, reach, nodes, events).await
        }
        Cure::Alone(name) => {
            let Some(node) = session.lab.node(name) else { return Ok(()) };
            let script = (operations(session).refound)(&session.templates, &kept())?;
            found_by(session, reach, (node, script), events).await
        }
    }
}

/// All that the cluster knows, compressed: what [`load`] takes.
///
/// # Errors
/// When no member answers, or it cannot be saved.
pub async fn save(session: &Session, reach: &Reach) -> Result<Vec<u8>, EngineError> {
    let survey = survey(session, reach).await?;
    let serves = |name: &&String| survey.0[*name].as_ref().is_some_and(|state| state.serves);
    let node = survey.0.keys().find(serves).and_then(|name| session.lab.node(name));
    let Some(node) = node else {
        let text = "save what etcd knows: no member serves";
        return Err(EngineError::of(&code::QUORUM, text)
            .hint("`lab verify`, `lab repair etcd`")
            .preflight());
    };
    let script = (operations(session).save)(&session.templates)?;
    let output = reach(node).run(&script).await?;
    match output.status {
        0 => Ok(output.stdout),
        _ => Err(failed(node, "save what etcd knows", &String::from_utf8_lossy(&output.stderr))),
    }
}

/// Brings back what [`save`] gave: one member begins with it, alone. Afterwards `up` lets the others join.
///
/// # Errors
/// When no member answers, or one cannot begin with it.
pub async fn load(
    session: &Session,
    reach: &Reach,
    saved: &[u8],
    events: &Events,
) -> Result<(), EngineError> {
    let survey = survey(session, reach).await?;
    let answers = |name: &&String| survey.0[*name].is_some();
    let node = survey.0.keys().find(answers).and_then(|name| session.lab.node(name));
    let Some(node) = node else {
        return Err(EngineError::of(
            &code::UNREACHABLE,
            "bring back what etcd knew: no member answers",
        )
        .hint("`lab up` first")
        .preflight());
    };
    let file = Put::File(File {
        path: FILE.into(),
        mode: 0o600,
        owner: "root:root".into(),
        content: crate::pki::base64(saved),
        secret: true,
        transient: true,
        unless: None,
    });
    reach(node).put(&[file]).await?;
    let token = session.lab.id.to_string();
    let script = (operations(session).load)(&session.templates, (node, &token), &kept())?;
    found_by(session, reach, (node, script), events).await
}

/// One member becomes the cluster by a script, while nobody uses it, and the others forget theirs.
async fn found_by(
    session: &Session,
    reach: &Reach,
    (node, script): (&Node, String),
    events: &Events,
) -> Result<(), EngineError> {
    let controllers: Vec<&Node> = session.lab.with_role(Role::ControlPlane).collect();
    api(session, reach, &controllers, "stop").await?;
    let others = session.lab.with_role(Role::Etcd).filter(|other| other.name != node.name);
    set_aside(session, reach, others, events).await?;
    let guest = reach(node);
    let founding = run(&*guest, node, "found etcd anew", &script);
    events.timed(Some(&node.name), "found etcd anew", founding).await?;
    // Whoever comes from now on joins it.
    session.remember_founders(&[(operations(session).founder)(node)])?;
    api(session, reach, &controllers, "start").await
}

async fn api(
    session: &Session,
    reach: &Reach,
    controllers: &[&Node],
    verb: &str,
) -> Result<(), EngineError> {
    let script = (operations(session).api)(&session.templates, verb)?;
    for node in controllers {
        // One that does not answer does not serve either.
        let _ = tokio::time::timeout(PATIENCE, reach(node).run(&script)).await;
    }
    Ok(())
}

async fn set_aside(
    session: &Session,
    reach: &Reach,
    nodes: impl Iterator<Item = &Node>,
    events: &Events,
) -> Result<(), EngineError> {
    let script = (operations(session).set_aside)(&session.templates, &kept())?;
    for node in nodes {
        let guest = reach(node);
        let done = run(&*guest, node, "put its data aside", &script);
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Err(error)) if error.code == &code::STEP => return Err(error),
            Ok(Ok(())) => {}
            _ => events.warn(format!(
                "{} does not answer: when it is back, `lab repair etcd` again has it join",
                node.name
            )),
        }
    }
    Ok(())
}

async fn run(guest: &dyn Guest, node: &Node, task: &str, script: &str) -> Result<(), EngineError> {
    let output = guest.run(script).await?;
    match output.status {
        0 => Ok(()),
        _ => Err(failed(node, task, &output.text())),
    }
}

fn failed(node: &Node, task: &str, said: &str) -> EngineError {
    EngineError::of(&code::STEP, format!("{task} on {}: {}", node.name, said.trim()))
}

fn operations(session: &Session) -> &'static Operations {
    &session.flavour().operations
}

/// Under which word old data is kept.
fn kept() -> String {
    format!("before-{}", time::OffsetDateTime::now_utc().unix_timestamp())
}
