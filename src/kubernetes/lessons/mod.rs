//! Lessons, as scripts for nodes and as checks: what is asked of a step is asked as `lab verify` asks.

use crate::kubernetes::checks::{Check, Judge, Plan};
use crate::kubernetes::stages::verify::workload;
use crate::model::lesson::{Asked, Placed};

/// What scripts of lessons find.
const TOOLS: &str = include_str!("tools.sh");

/// The stage that checks of a lesson's own are said to be of.
const OF_LESSONS: &str = "lesson";

/// A script of a lesson, with what it finds.
pub fn script(placed: &Placed) -> String {
    format!("{TOOLS}{}", placed.script)
}

/// Names of questions that nothing answers to: checks and stages that are not among those of the lab.
pub fn unanswered(plan: &Plan, asked: &[Asked]) -> Vec<String> {
    let all = plan.nodes.iter().chain(&plan.cluster);
    let is_known = |asked: &&Asked| match asked {
        Asked::Check(name) => all.clone().any(|check| check.name == *name),
        Asked::Stage(name) => all.clone().any(|check| check.stage == name),
        Asked::Script(..) => true,
    };
    let mut unknown = Vec::new();
    for one in asked.iter().filter(|one| !is_known(one)) {
        let (Asked::Check(name) | Asked::Stage(name) | Asked::Script(_, name)) = one;
        unknown.push(name.clone());
    }
    unknown
}

/// Those of a lab's checks that answer to questions, with the lesson's own.
pub fn checks(mut plan: Plan, asked: &[Asked]) -> Plan {
    let is_asked = |check: &Check| {
        asked.iter().any(|asked| match asked {
            Asked::Check(name) => check.name == *name,
            Asked::Stage(name) => check.stage == name,
            Asked::Script(..) => false,
        })
    };
    plan.nodes.retain(is_asked);
    // What pods say is asked of pods that have to be made first.
    let first =
        plan.cluster.iter().find(|check| check.name == workload::FIRST).map(|check| check.stage);
    let needs_pods = plan.cluster.iter().any(|check| Some(check.stage) == first && is_asked(check));
    plan.cluster.retain(|check| is_asked(check) || (needs_pods && check.name == workload::FIRST));
    plan.restored.clear();
    for one in asked {
        if let Asked::Script(placed, says) = one {
            plan.cluster.push(own(placed, says));
        }
    }
    if !needs_pods {
        plan.afterwards = None;
    }
    plan
}

/// A script of the lesson's own, as a check.
fn own(placed: &Placed, says: &str) -> Check {
    Check {
        name: OF_LESSONS.into(),
        stage: OF_LESSONS,
        nodes: vec![placed.node.clone()],
        proves: says.to_owned(),
        script: script(placed),
        hint: "`lab lesson hint` helps".into(),
        judge: Judge::Succeeds,
        health: &[],
        quiet: false,
    }
}
