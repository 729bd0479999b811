//! When the majority of etcd's members is lost for good: what the others know, and a cluster of the one that knows
//! most. Everything that any of them had is kept beside.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::cluster::script::{failed, run};
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::kubernetes::flavour::Operations;
use crate::kubernetes::operations::etcd::{FILE, MemberState, parse, peer};
use crate::model::{File, Node, Put, Role, code};

/// How long a member is waited for before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How all members fare; `None` for one that does not answer.
#[derive(Debug)]
pub struct Survey(pub BTreeMap<String, Option<MemberState>>);

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// The cluster has its majority, and all members are of it.
    Nothing,
    /// The cluster serves; others have no data, and `up` lets them join.
    UpAlone,
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
        let all = self.0.len();
        let with_data = self.0.values().flatten().filter(|state| state.has_data).count();
        if let Some(cluster) = self.reference(session)? {
            // Who has data and is not of this cluster may even serve, with others of its kind.
            let is_of_it = |name: &String, state: &MemberState| {
                let node = session.lab.node(name);
                node.is_some_and(|node| cluster.members.contains(&peer(node)))
                    && (!state.serves || state.members == cluster.members)
            };
            let foreign = |name: &&String| {
                known(name).is_some_and(|state| state.has_data && !is_of_it(name, state))
            };
            let strangers: Vec<String> = self.0.keys().filter(foreign).cloned().collect();
            return Ok(match strangers.is_empty() {
                true if with_data == all => Cure::Nothing,
                true => Cure::UpAlone,
                false => Cure::JoinAnew(strangers),
            });
        }
        if with_data * 2 > all {
            return refused(
                format!(
                    "found etcd anew: {with_data} of {all} members have their data, so nothing is lost for good"
                ),
                "`lab up` brings them together; `lab logs etcd` says what keeps them apart",
            );
        }
        let furthest = self.0.keys().filter_map(|name| Some((known(name)?.revision?, name))).max();
        match furthest {
            Some((_, name)) => Ok(Cure::Alone(name.clone())),
            None if with_data > 0 => refused(
                format!(
                    "found etcd anew: {with_data} of {all} members has data, and does not say how far it goes"
                ),
                "`lab logs etcd` says why it does not run; then try again",
            ),
            None => refused(
                "found etcd anew: no member that answers has data".into(),
                "`lab snapshot etcd restore FILE` or `lab snapshot restore NAME`, or `lab down` and `lab up`",
            ),
        }
    }

    /// The cluster that counts, where one serves: that of a founder, as far as one is of it.
    fn reference(&self, session: &Session) -> Result<Option<&MemberState>, EngineError> {
        let founders = session.etcd_founders()?;
        let is_founder = |name: &String| {
            let entry = session.lab.node(name).map(operations(session).founder);
            entry.is_some_and(|entry| founders.contains(&entry))
        };
        let known = self.0.iter().filter_map(|(name, state)| Some((name, state.as_ref()?)));
        let mut serving: Vec<_> = known.filter(|(_, state)| state.serves).collect();
        serving.sort_by_key(|(name, _)| !is_founder(name));
        Ok(serving.first().map(|(_, state)| *state))
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
        Cure::Nothing | Cure::UpAlone => Ok(()),
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
    let silent = survey.0.iter().filter(|(_, state)| state.is_none());
    let lost: Vec<&str> = silent.map(|(name, _)| name.as_str()).collect();
    let node = survey.0.keys().find(|name| !lost.contains(&name.as_str()));
    let node = node.and_then(|name| session.lab.node(name));
    // Those that do not hear of it go on as the cluster that they were, if they are most of it.
    let Some(node) = node.filter(|_| lost.len() * 2 < survey.0.len()) else {
        let text = format!("bring back what etcd knew: {} does not answer", lost.join(", "));
        return Err(EngineError::of(&code::UNREACHABLE, text).hint("`lab up` first").preflight());
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
    let (guest, kept) = (reach(node), kept());
    guest.put(&[file]).await?;
    // Each time a cluster of its own: members of the one before are strangers to it.
    let token = format!("{}-{kept}", session.lab.id);
    let unpack = (operations(session).unpack)(&session.templates, node, &token)?;
    run(&*guest, node, "read what was saved", &unpack).await?;
    let script = (operations(session).load)(&session.templates, &kept)?;
    found_by(session, reach, (node, script), events).await?;
    let news = (operations(session).news)(&session.templates)?;
    for node in &session.lab.nodes {
        // One that does not answer begins anew when it is back.
        let _ = tokio::time::timeout(PATIENCE, reach(node).run(&news)).await;
    }
    Ok(())
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
    // Whoever comes from now on joins it, and founds nothing, however this ends.
    session.remember_founders(&[(operations(session).founder)(node)])?;
    let others = session.lab.with_role(Role::Etcd).filter(|other| other.name != node.name);
    set_aside(session, reach, others, events).await?;
    let guest = reach(node);
    let founding = run(&*guest, node, "found etcd anew", &script);
    events.timed(Some(&node.name), "found etcd anew", founding).await?;
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

fn operations(session: &Session) -> &'static Operations {
    &session.flavour().operations
}

/// Under which word old data is kept.
fn kept() -> String {
    format!("before-{}", time::OffsetDateTime::now_utc().unix_timestamp())
}
