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
use lab::kubernetes::operations::machine;
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
fn nothing_is_brought_where_there_are_no_binaries() {
    let (mut rig, carrier) = three();
    rig.artifacts = "";
    rig.up(Up::PLAIN).0.unwrap();
    assert!(carrier.0.lock().unwrap().is_empty());
}

/// Also `down` of a lab whose keys are damaged asks for none of them.
#[test]
fn the_way_to_machines_wants_no_key_of_guests() {
    let (rig, _) = three();
    let session = rig.session();
    session.store.create().unwrap();
    session.store.write("ssh/known_hosts", "controller1,x ssh-ed25519 AAAA\n").unwrap();
    assert!(session.load_keys().is_err());
    session.way_to_machines().unwrap();
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

/// Carries `down` out. What it removed, in words, and what it said.
fn down(rig: &Rig) -> (Vec<String>, Vec<Event>) {
    let session = rig.session();
    let (lab, place, store) = (&session.lab, &session.provider, &session.store);
    assert!(matches!(place, ProviderKind::Existing(_)));
    run(async {
        let (events, mut heard) = Events::channel();
        let teardown = Teardown::look(lab, place, store).await.unwrap();
        let teardown = teardown.with_machines_by(&session, &rig.reach()).await.unwrap();
        let removed = teardown.run(Keep::Nothing, &events).await.unwrap();
        drop(events);
        let mut said = Vec::new();
        while let Some(event) = heard.recv().await {
            said.push(event);
        }
        (removed.iter().map(|change| told(lab, change)).collect(), said)
    })
}

#[test]
fn down_gives_the_machines_back_and_removes_the_labs_own_files() {
    let (mut rig, _) = three();
    rig.up(Up::PLAIN).0.unwrap();
    // Whoever takes away needs no logins of registries.
    rig.becomes(format!("{}kubernetes: {{registry_logins: gone.json}}\n", rig.text));
    let owner = format!("the lab three ({})\n", rig.lab().id);
    for guest in rig.guests.values() {
        assert_eq!(guest.files()["/var/lib/lab/owner/lab"], owner);
    }
    let root = rig.session().store.root().to_owned();
    let (removed, _) = down(&rig);
    let of = |name: &String| format!("- what lab put on the machine {name}");
    let mut wanted: Vec<String> = rig.guests.keys().map(of).collect();
    wanted.push(format!("- {}", root.display()));
    assert_eq!(removed, wanted);
    assert!(!root.exists());
    for (name, guest) in &rig.guests {
        assert!(guest.files().is_empty(), "{name}: {:?}", guest.files().keys());
    }
    let (removed, _) = down(&rig);
    assert_eq!(removed, [] as [&str; 0], "done twice");
}

#[test]
fn a_machine_of_another_lab_is_neither_taken_nor_given_back() {
    let (rig, _) = three();
    let other = "the lab attic (00000000-0000-0000-0000-000000000000)\n";
    let files = BTreeMap::from([("/var/lib/lab/owner/lab".to_owned(), other.to_owned())]);
    let (name, guest) = rig.guests.first_key_value().unwrap();
    guest.replace_files(files.clone());
    rig.session().store.create().unwrap();
    let (removed, _) = down(&rig);
    assert!(!removed.iter().any(|line| line.ends_with(name)), "{removed:?}");
    assert_eq!(guest.files(), files);
}

#[test]
fn a_machine_that_does_not_answer_is_left_out_with_a_word() {
    let (rig, _) = three();
    rig.up(Up::PLAIN).0.unwrap();
    let (name, guest) = rig.guests.first_key_value().unwrap();
    guest.lose_at(1);
    let (removed, said) = down(&rig);
    assert!(removed.iter().any(|line| line.ends_with(name)), "{removed:?}");
    let text = format!("{name} is left as it is");
    let is_told =
        |event: &Event| matches!(event, Event::Warning { text: told } if told.starts_with(&text));
    assert!(said.iter().any(is_told), "{said:?}");
    assert!(!rig.session().store.root().exists());
}

/// What one machine had written down when it became a node follows from what stages may write there.
#[test]
fn what_stages_write_over_is_kept_before_the_first_of_them() {
    let (rig, _) = three();
    rig.up(Up::PLAIN).0.unwrap();
    let session = rig.session();
    let prepared = crate::rig::prepared_for_real(&session, &rig.secrets);
    for node in &session.lab.nodes {
        let context = prepared.context(&session);
        let take = machine::take(session.flavour(), &context, node).unwrap();
        let back = machine::give_back(session.flavour(), &context, node).unwrap();
        for path in rig.guests[&node.name].files().keys() {
            let own = path.starts_with("/var/lib/lab/") || path.starts_with("/run/");
            let is_there = |script: &str| script.contains(&format!(" {path}"));
            assert!(own || (is_there(&take) && is_there(&back)), "{path} of {} stays", node.name);
        }
    }
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
