//! Machines that are there anyway: a lab goes all its way on them without a hypervisor, and what needs
//! one is refused before anything begins.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use lab::drivers::provider::existing::Existing;
use lab::drivers::provider::{Deliveries, Delivery, Provider, Result};
use lab::engine::snapshot::{self, SnapshotRequest};
use lab::engine::{
    Change, EngineError, Event, Events, Outcome, ProviderKind, Stop, Teardown, power, status_with,
    told,
};
use lab::kubernetes::DEFAULT;
use lab::model::inventory::FoundMachine;
use lab::model::snapshot::Kind;
use lab::plan::{Keep, Object};

use crate::rig::fakes::{Rig, Up};

/// Binaries by node: their digest, and how often they were brought.
#[derive(Default)]
struct Carrier(Mutex<BTreeMap<String, (String, usize)>>);

impl Deliveries for Carrier {
    fn deliver(&self, node: &str, delivery: &Delivery) -> Result<()> {
        let mut all = self.0.lock().unwrap();
        let (digest, times) = all.entry(node.to_owned()).or_default();
        if *digest != delivery.digest {
            (*digest, *times) = (delivery.digest.clone(), *times + 1);
        }
        Ok(())
    }
}

/// The shipped lab of three, on machines that are there.
fn three() -> (Rig, Arc<Carrier>) {
    let mut rig = Rig::new("three");
    let carrier = Arc::<Carrier>::default();
    let machines = machines(&rig);
    rig.existing = Some(Existing::new(machines).delivered_by(carrier.clone()));
    (rig, carrier)
}

fn machines(rig: &Rig) -> Vec<FoundMachine> {
    let lab = rig.session().lab;
    lab.nodes.iter().map(|node| FoundMachine { lab: lab.id, node: node.name.clone() }).collect()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

/// What was refused before anything began: no call to a node, no file of the lab.
fn refused<T: std::fmt::Debug>(rig: &Rig, result: std::result::Result<T, EngineError>) -> String {
    let error = result.unwrap_err();
    assert!(error.preflight, "{error}");
    assert_eq!(error.code.id, "L0903", "{error}");
    assert_eq!(rig.calls(), 0);
    format!("{error}\n{}", error.hint.as_deref().unwrap_or_default())
}

#[test]
fn a_lab_goes_through_all_its_stages_without_a_hypervisor() {
    let (rig, carrier) = three();
    let (outcome, _) = rig.up(Up::PLAIN);
    let Ok(Outcome::Done(changes)) = outcome else { panic!("{outcome:?}") };
    assert!(changes.iter().all(|change| change.object == Object::Stage), "{changes:?}");
    for stage in DEFAULT.stages {
        for node in (stage.nodes)(&rig.session().lab) {
            let marker = format!("/var/lib/lab/stages/{}", stage.name);
            let files = rig.guests[&node.name].files();
            assert!(
                files.contains_key(&marker),
                "{} on {}: {:?}",
                stage.name,
                node.name,
                files.keys()
            );
        }
    }
    assert_eq!(rig.hypervisor.calls(), [] as [&str; 0], "nothing was asked of a hypervisor");
    let digest = rig.artifacts.repeat(4);
    let brought = carrier.0.lock().unwrap().clone();
    assert_eq!(brought.len(), rig.session().lab.nodes.len());
    assert!(brought.values().all(|found| *found == (digest.clone(), 1)), "{brought:?}");

    rig.clear();
    assert!(matches!(rig.up(Up::PLAIN).0, Ok(Outcome::Unchanged)));
    assert_eq!(rig.calls(), 0);
}

#[test]
fn status_tells_of_machines_as_it_does_of_guests() {
    let (rig, _) = three();
    rig.up(Up::PLAIN).0.unwrap();
    let (session, drivers) = (rig.session(), rig.drivers());
    let work = status_with(&session, Some(&drivers.provider), Some(&drivers.reach));
    let status = run(work).unwrap();
    assert!(status.nodes.iter().all(|node| node.state == "up"), "{:?}", status.nodes);
    assert!(status.stages.iter().all(|stage| stage.missing.is_empty()), "{:?}", status.stages);
    // One that is no machine of the lab is not there.
    let mut fewer = machines(&rig);
    let gone = fewer.pop().unwrap().node;
    let provider: Arc<dyn Provider> = Arc::new(Existing::new(fewer));
    let status = run(status_with(&session, Some(&provider), Some(&drivers.reach))).unwrap();
    let states = status.nodes.iter().map(|node| (&*node.name, &*node.state));
    assert!(
        states.eq(session
            .lab
            .nodes
            .iter()
            .map(|node| { (&*node.name, if node.name == gone { "absent" } else { "up" }) }))
    );
}

#[test]
fn what_needs_a_hypervisor_is_refused_before_anything_begins() {
    let (rig, _) = three();
    rig.up(Up::PLAIN).0.unwrap();
    rig.clear();
    let (session, drivers) = (rig.session(), rig.drivers());
    let wish = SnapshotRequest { name: "before".into(), kind: Kind::Disk };
    let (events, _heard) = Events::channel();
    let made =
        run(snapshot::create(&session, &drivers, &wish, &Stop::default(), &events)).map(drop);
    let text = refused(&rig, made);
    assert!(text.starts_with("use snapshots: the provider existing has no snapshots\n"), "{text}");
    assert!(text.contains("etcd's own snapshots"), "{text}");
    assert!(!session.store.path("snapshots").exists());
    let node = session.lab.nodes.first().unwrap();
    let text = refused(&rig, run(power(&session, &[node], Change::Stop, &events)));
    assert!(text.contains("the provider existing has no power switch"), "{text}");
    assert!(text.contains("`lab ssh NODE`"), "{text}");
    let console = drivers.provider.consoles().map(drop).map_err(EngineError::from);
    assert!(refused(&rig, console).contains("the provider existing has no consoles"));
}

#[test]
fn machines_without_a_way_to_get_binaries_are_refused_before_anything_begins() {
    let (mut rig, _) = three();
    rig.existing = Some(Existing::new(machines(&rig)));
    let error = rig.up(Up::PLAIN).0.unwrap_err();
    assert!(error.contains("the provider existing has no way to bring binaries"), "{error}");
    assert_eq!(rig.calls(), 0);
    assert!(rig.session().store.record().unwrap().is_none());
}

#[test]
fn guests_are_not_asked_of_who_has_machines_only() {
    let (mut rig, carrier) = three();
    rig.other = Some(Arc::new(Existing::new(machines(&rig)).delivered_by(carrier)));
    rig.existing = None;
    let error = rig.up(Up::PLAIN).0.unwrap_err();
    assert!(error.contains("the provider existing has no machines of its own"), "{error}");
    assert_eq!(rig.calls(), 0);
}

#[test]
fn down_removes_the_labs_own_files_and_says_that_the_machines_stay() {
    let (rig, _) = three();
    rig.up(Up::PLAIN).0.unwrap();
    rig.clear();
    let session = rig.session();
    let (lab, place, store) = (&session.lab, &session.provider, &session.store);
    assert!(matches!(place, ProviderKind::Existing(_)));
    let root = store.root().to_owned();
    let names = lab.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>().join(", ");
    let said = run(async {
        let (events, mut heard) = Events::channel();
        let teardown = Teardown::look(lab, place, store).await.unwrap();
        let removed = teardown.run(Keep::Nothing, &events).await.unwrap();
        let removed: Vec<String> = removed.iter().map(|change| told(lab, change)).collect();
        assert_eq!(removed, [format!("- {}", root.display())]);
        drop(events);
        let mut said = Vec::new();
        while let Some(event) = heard.recv().await {
            said.push(event);
        }
        said
    });
    let stays = |event: &Event| matches!(event, Event::Note { text } if text.starts_with("the machines stay") && text.ends_with(&names));
    assert!(said.iter().any(stays), "{said:?}");
    assert!(!root.exists());
    assert_eq!(rig.calls(), 0, "nothing was asked of the machines");
    let left = run(Teardown::look(lab, place, store)).unwrap().plan(Keep::Nothing);
    assert_eq!(left.unwrap(), []);
}

/// A provider is written by overriding the questions for what it has: few verbs for each, none required
/// but what tells who it is and what is there.
#[test]
fn capabilities_have_few_verbs() {
    let text = std::fs::read_to_string("src/drivers/provider/seam.rs").unwrap();
    let mut seen = BTreeMap::new();
    for item in syn::parse_file(&text).unwrap().items {
        let syn::Item::Trait(capability) = item else { continue };
        let verbs = capability.items.iter().filter_map(|item| match item {
            syn::TraitItem::Fn(verb) => Some(verb.default.is_none()),
            _ => None,
        });
        let required = verbs.filter(|required| *required).count();
        seen.insert(capability.ident.to_string(), required);
    }
    assert!(seen.len() >= 10, "{seen:?}");
    assert!(seen.values().all(|verbs| *verbs <= 8), "{seen:?}");
    assert_eq!(seen["Provider"], 4);
}
