//! The three things that a lesson does to a lab.

use std::time::Duration;

use crate::engine::lab::open::Session;
use crate::engine::lab::prepare::prepare;
use crate::engine::lab::prepared::Prepared;
use crate::engine::lab::reach::Reach;
use crate::engine::stages::by_hand::run_stage_with;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::engine::task::stop::Stop;
use crate::engine::verify::probe::{CheckResult, ProbeEnv};
use crate::engine::verify::run::{Say, make};
use crate::kubernetes::lessons;
use crate::model::lesson::{Asked, Placed, Solution};
use crate::model::{Node, code};

/// Patience until a node lets us in.
const PATIENCE: Duration = Duration::from_secs(20);

/// A lab that lessons are done in.
pub struct Classroom<'s> {
    /// The lab.
    pub session: &'s Session,
    /// What stages are made from.
    pub prepared: Prepared,
    /// The way to its nodes.
    pub reach: Reach,
    /// Whether to stop.
    pub stop: &'s Stop,
    /// Who is told.
    pub events: &'s Events,
}

impl std::fmt::Debug for Classroom<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Classroom({})", self.session.lab.name)
    }
}

/// Asks what a step asks, of a lab that is up.
///
/// # Errors
/// When the lab has no keys here, when it was stopped, or names what the lab does not have.
pub async fn judge(
    session: &Session,
    asked: &[Asked],
    stop: &Stop,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let keys = session.load_keys()?;
    let reach = session.reach(&keys, Duration::from_secs(15))?;
    judge_with(session, &reach, asked, stop, say).await
}

/// [`judge`] by a given way to the nodes.
///
/// # Errors
/// When it was stopped, or names what the lab does not have.
pub async fn judge_with(
    session: &Session,
    reach: &Reach,
    asked: &[Asked],
    stop: &Stop,
    say: Say<'_>,
) -> Result<Vec<CheckResult>, EngineError> {
    let plan = session.flavour().checks(&session.lab, &session.templates)?;
    let unknown = lessons::unanswered(&plan, asked);
    if !unknown.is_empty() {
        let message = format!("ask what this lab has no check for: {}", unknown.join(", "));
        return Err(EngineError::of(&code::BAD_LESSON, message)
            .hint("`lab verify` shows the checks that there are, `lab stage list` the stages"));
    }
    // Whoever learns asks again.
    let env = ProbeEnv { tries: Some(1), ..ProbeEnv::new(None) };
    make(session, reach, lessons::checks(plan, asked), env, stop, say).await
}

impl<'s> Classroom<'s> {
    /// Of a lab that is up.
    ///
    /// # Errors
    /// When its keys, certificates or binaries are not there.
    pub fn open(
        session: &'s Session,
        stop: &'s Stop,
        events: &'s Events,
    ) -> Result<Self, EngineError> {
        let prepared = prepare(session, events)?;
        let reach = session.reach(&prepared.keys, PATIENCE)?;
        Ok(Self { session, prepared, reach, stop, events })
    }

    /// Breaks something, or runs another script of a lesson.
    ///
    /// # Errors
    /// When the script fails, with what it said.
    pub async fn run(&self, placed: &Placed) -> Result<(), EngineError> {
        let node = self.node(&placed.node)?;
        let output = (self.reach)(node).run(&lessons::script(placed)).await?;
        if output.status == 0 {
            return Ok(());
        }
        let message =
            format!("run a script of the lesson on {}: {}", node.name, output.text().trim());
        Err(EngineError::of(&code::BAD_LESSON, message)
            .hint("`lab lesson solve` puts right what was broken, and so does `lab up --yes`"))
    }

    /// Puts right what was broken, or does what the step asks for. False when a stage failed, which was said as an
    /// event.
    ///
    /// # Errors
    /// When a script fails, or the lab lacks what a solution names.
    pub async fn solve(&self, all: &[Solution]) -> Result<bool, EngineError> {
        for one in all {
            let done = match one {
                Solution::Script(placed) => self.run(placed).await.map(|()| true)?,
                Solution::Stage(name, node) => self.stage(name, node.as_deref()).await?,
            };
            if !done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Carries a stage out on one node, or on all that have it, one after the other.
    async fn stage(&self, name: &str, only: Option<&str>) -> Result<bool, EngineError> {
        let session = self.session;
        let stage = session.flavour().stage(name).ok_or_else(|| {
            EngineError::of(&code::BAD_LESSON, format!("carry out a stage that is none: '{name}'"))
                .hint("`lab stage list` lists them")
        })?;
        let mut nodes = (stage.nodes)(&session.lab);
        // Some stages are one node's for all of them.
        if nodes.iter().any(|node| Some(node.name.as_str()) == only) {
            nodes.retain(|node| Some(node.name.as_str()) == only);
        }
        if nodes.is_empty() {
            let message = format!("carry out the stage {name}, which does nothing in this lab");
            return Err(EngineError::of(&code::BAD_LESSON, message).hint("`lab stage list`"));
        }
        for node in nodes {
            let guest = (self.reach)(node);
            let place = (node, stage);
            let run =
                run_stage_with(session, &self.prepared, &*guest, place, self.stop, self.events);
            if !run.await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn node(&self, name: &str) -> Result<&Node, EngineError> {
        let none = || EngineError::of(&code::BAD_LESSON, format!("find the node '{name}'"));
        self.session.lab.node(name).ok_or_else(none)
    }
}
