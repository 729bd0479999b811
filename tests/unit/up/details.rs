//! What a guest is like: the model of its processors, what a person adds to its definition, whether it starts with
//! the computer.

use lab::drivers::provider::Provider;
use lab::engine::ProviderKind;
use lab::render::DomainSpec;

use crate::rig;
use crate::rig::fakes::{Rig, Up};

const LAB: &str = "name: details\nkubernetes: none\nnetwork: {cidr: 10.240.0.0/24}\nnodes:\n  \
    one:\n    first_address: 10.240.0.10\n    cpus: 1\noptions: {boot_timeout: 60}\n";

fn document(rig: &Rig) -> DomainSpec {
    let session = rig.session();
    let prepared = rig::prepared(&session, "1.36.2", lab::model::platform::Acceleration::Emulated);
    prepared.desired(&session, &[]).unwrap().domains.remove(0)
}

#[test]
fn a_guest_sees_the_processors_of_its_topology() {
    let mut rig = Rig::of(LAB);
    rig.done(Up::PLAIN);
    assert!(document(&rig).xml.contains("<cpu mode=\"maximum\"/>"));
    rig.edit("cpus: 1", "cpus: 1\n    cpu_model: Nehalem");
    let xml = document(&rig).xml;
    assert!(xml.contains("<model fallback=\"forbid\">Nehalem</model>"), "{xml}");
    rig.clear();
    rig.done(Up::PLAIN);
    let calls = rig.hypervisor.calls();
    assert!(calls.iter().any(|call| call.starts_with("shut down")), "{calls:?}");
    // What somebody else chose is seen, and put right.
    rig.hypervisor.plant(|all| {
        for hardware in all.domains.iter_mut().filter_map(|domain| domain.hardware.as_mut()) {
            hardware.cpu = "maximum".into();
        }
    });
    rig.clear();
    rig.done(Up::PLAIN);
    rig.is_as_wanted();
}

#[test]
fn what_a_person_adds_is_in_the_definition() {
    let mut rig = Rig::of(LAB);
    rig.done(Up::PLAIN);
    let more = "cpus: 1\n    xml: |\n      <devices><watchdog model='i6300esb'/></devices>\n      <description>a &amp; b</description>";
    rig.edit("cpus: 1", more);
    let xml = document(&rig).xml;
    let at = |text: &str| xml.find(text).unwrap_or_else(|| panic!("no {text} in {xml}"));
    assert!(at("<rng ") < at("<watchdog model='i6300esb'/>") && at("<watchdog") < at("</devices>"));
    assert!(at("</devices>") < at("<description>a &amp; b</description>"));
    rig.clear();
    rig.done(Up::PLAIN);
    let calls = rig.hypervisor.calls();
    assert!(calls.iter().any(|call| call.starts_with("shut down")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("remove")), "{calls:?}");
    rig.clear();
    rig.is_as_wanted();
}

#[test]
fn whether_guests_start_with_the_computer_changes_while_they_run() {
    let mut rig = Rig::of(LAB);
    let starts = |rig: &Rig| rig.hypervisor.inventory().unwrap().domains[0].autostart;
    rig.done(Up::PLAIN);
    assert!(!starts(&rig));
    // What somebody else chose stays as long as nobody says anything.
    rig.hypervisor.plant(|all| all.domains[0].autostart = true);
    rig.clear();
    rig.is_as_wanted();
    for (from, to, wanted) in [
        ("options: {", "options: {autostart: false, ", false),
        ("autostart: false", "autostart: true", true),
    ] {
        rig.edit(from, to);
        rig.clear();
        rig.done(Up::PLAIN);
        assert_eq!(starts(&rig), wanted);
        let calls = rig.hypervisor.calls();
        assert!(
            !calls.iter().any(|call| call.starts_with("sh") || call.starts_with("stop")),
            "{calls:?}"
        );
        rig.clear();
        rig.is_as_wanted();
    }
}

#[test]
fn disks_are_where_the_topology_says_and_do_not_move() {
    let mut rig = Rig::of(LAB);
    rig.done(Up::PLAIN);
    rig.edit("options: {", "options: {storage: /srv/labs, ");
    rig.hypervisor.plant(|all| all.pools[0].path = "/elsewhere/lab-details".into());
    let message = rig.up(Up::AGREED).0.unwrap_err();
    assert!(message.contains("the lab's disks are in /elsewhere/lab-details"), "{message}");
    let system = ProviderKind::System { uri: "test:///default".into() };
    assert_eq!(system.layout(&rig.lab()).pool("lab-details"), "/srv/labs/lab-details");
    // The session's is a private one.
    let error = lab::engine::preview(&rig.session()).unwrap_err();
    assert_eq!(error.code.id, "L0308", "{error}");
}
