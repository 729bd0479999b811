//! Every script that checks, restores and retirements of shipped topologies have nodes run, by name.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use lab::engine::Session;
use lab::kubernetes::checks::Check;
use lab::kubernetes::operations::retire;
use lab::kubernetes::{failover, lessons, recovery};
use lab::model::lesson::{self, Placed, faults};
use lab::model::platform::Acceleration;

use crate::rig;

/// Names and scripts; of scripts that are the same under one name there is one.
pub fn all() -> Vec<(String, String)> {
    let mut found = BTreeMap::new();
    for (topology, text) in rig::many() {
        let home = rig::home();
        let session = rig::session(&text, home.path());
        let mut add = |name: String, script: String| {
            found.entry((name, script)).or_insert(topology);
        };
        checks(&session).into_iter().for_each(|(name, script)| add(name, script));
        others(&session).into_iter().for_each(|(name, script)| add(name, script));
        retirements(&session).into_iter().for_each(|(name, script)| add(name, script));
    }
    for script in of_lessons() {
        found.insert(script, "lessons");
    }
    found.into_iter().map(|((name, script), in_)| (format!("{name} of {in_}"), script)).collect()
}

/// What lessons and faults run, with what their scripts find.
fn of_lessons() -> Vec<(String, String)> {
    let faults = faults().iter().map(|fault| (&fault.name, &fault.files));
    let all = lesson::all().iter().map(|lesson| (&lesson.name, &lesson.files)).chain(faults);
    let scripts = all.flat_map(|(name, files)| files.iter().map(move |file| (name, file)));
    let scripts = scripts.filter(|(_, (file, _))| file.ends_with(".sh"));
    let placed = |text: &String| Placed { script: text.clone(), node: "worker1".into() };
    scripts
        .map(|(name, (file, text))| (format!("{name}/{file}"), lessons::script(&placed(text))))
        .collect()
}

/// The checks of `lab verify`, `lab inspect` and a restore.
fn checks(session: &Session) -> Vec<(String, String)> {
    let (lab, templates) = (&session.lab, &session.templates);
    let flavour = session.flavour();
    let plan = flavour.checks(lab, templates).unwrap();
    let inspection = flavour.inspection(lab, templates).unwrap();
    let restored = flavour.restored(lab, templates, &|_| true, &["worker1"]).unwrap();
    let all = plan.nodes.into_iter().chain(plan.cluster);
    let all = all.chain(inspection.nodes).chain(restored);
    let named = |check: Check| (format!("check {}", check.name), check.script);
    let clear = plan.afterwards.map(|after| ("clear checks away".into(), after.script));
    all.map(named).chain(clear).collect()
}

/// What nodes say of themselves, the scripts of `verify --failover` and of a restore.
fn others(session: &Session) -> Vec<(String, String)> {
    let (lab, templates) = (&session.lab, &session.templates);
    let mut all = vec![("set the clock".to_owned(), recovery::set_clock(templates).unwrap())];
    for node in &lab.nodes {
        let info = session.flavour().node_info(lab, templates, node).unwrap();
        all.push(("node info".into(), info));
        let announce = recovery::announce(templates, lab, node).unwrap();
        all.extend(announce.map(|script| ("announce".into(), script)));
        let Some(trial) = failover::trial(lab, node) else { continue };
        let scripts = trial.scripts(templates, "0000abcd").unwrap();
        for (name, script) in [
            ("prepare", scripts.prepare),
            ("start a writer", scripts.start_writer),
            ("ask the API", scripts.ask_api),
            ("ask the service", scripts.ask_service),
            ("count writes", scripts.count_writes),
            ("clear", scripts.clear),
        ] {
            all.push((format!("failover: {name}"), script));
        }
    }
    all
}

/// Every stage taken off every node that has it.
fn retirements(session: &Session) -> Vec<(String, String)> {
    let prepared = rig::prepared(session, "1.36.2", Acceleration::Kvm);
    let flavour = session.flavour();
    let mut all = Vec::new();
    for stage in flavour.stages {
        for node in (stage.nodes)(&session.lab) {
            let context = prepared.context(session);
            let script = retire::script(flavour, stage, &context, node).unwrap();
            all.push((format!("retire {}", stage.name), script));
        }
    }
    all
}
