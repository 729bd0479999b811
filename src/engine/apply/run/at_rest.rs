//! What nobody serves any more. One node at a time is for a cluster that serves; where all parts of a kind are
//! silent, as when their certificates have ended, the first one would wait for the others for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::event::Events;
use crate::kubernetes::stage::{Stage, Turns};
use crate::model::Node;
use crate::plan::{Change, ChangeKind};

/// How often nodes are asked before their silence is believed.
const QUESTIONS: u32 = 3;
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(4);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names of the stages that several nodes of a cluster go through in turn, and of which no node serves.
pub(crate) async fn at_rest(
    session: &Session,
    reach: &Reach,
    changes: &[Change],
    markers: &BTreeMap<String, BTreeMap<String, String>>,
    events: &Events,
) -> BTreeSet<&'static str> {
    let mut resting = BTreeSet::new();
    for stage in session.flavour().stages.iter().filter(|stage| stage.turns == Turns::Rolling) {
        let Some(question) = stage.serves else { continue };
        let has = |node: &&Node| {
            markers.get(&node.name).is_some_and(|markers| markers.contains_key(stage.name))
        };
        let nodes: Vec<&Node> = session.lab.nodes.iter().filter(has).collect();
        if goes_through(stage, changes) > 1
            && nodes.len() > 1
            && !serves(&nodes, reach, question).await
        {
            events.note(format!("{} serves on no node: all are changed at once", stage.title));
            resting.insert(stage.name);
        }
    }
    resting
}

fn goes_through(stage: &Stage, changes: &[Change]) -> usize {
    let runs = |change: &&Change| change.kind == ChangeKind::RunStage && change.name == stage.name;
    changes.iter().filter(runs).count()
}

/// True when one of the nodes says so.
async fn serves(nodes: &[&Node], reach: &Reach, question: &'static str) -> bool {
    for attempt in 0..QUESTIONS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let mut asked = tokio::task::JoinSet::new();
        for node in nodes {
            let guest = reach(node);
            asked.spawn(async move {
                let answer = tokio::time::timeout(PATIENCE, guest.run(question)).await;
                matches!(answer, Ok(Ok(output)) if output.status == 0)
            });
        }
        while let Some(answer) = asked.join_next().await {
            if answer.is_ok_and(|serves| serves) {
                return true;
            }
        }
    }
    false
}
