//! Everything rendered from the shipped topologies: plans, libvirt documents, seeds and the steps
//! of every stage on every node. `make golden` writes the files anew.

use lab::engine::{Prepared, Session};
use lab::kubernetes::drift::Upkeep;
use lab::kubernetes::operations::retire;
use lab::kubernetes::stage::Retire;
use lab::kubernetes::{DEFAULT, Step, step};
use lab::model::platform::Acceleration;
use lab::model::version::NEWEST_MINOR;
use lab::plan::{Observed, diff};

use crate::rig;

fn title(text: &str) -> String {
    format!("\n=== {text} ===\n")
}

fn steps_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let json = serde_json::to_value(step).unwrap();
        text.push_str(&format!("\n--- {}\n", step.title()));
        for (key, value) in json.as_object().unwrap() {
            match value.as_str() {
                Some(long) if long.contains('\n') => text.push_str(&format!("{key}:\n{long}")),
                Some(short) => text.push_str(&format!("{key}: {short}\n")),
                None if key == "mode" => {
                    text.push_str(&format!("mode: {:o}\n", value.as_u64().unwrap()));
                }
                None => text.push_str(&format!("{key}: {value}\n")),
            }
        }
    }
    text
}

fn render_all(session: &Session, prepared: &Prepared, dir: &str, wrong: &mut Vec<String>) {
    let lab = &session.lab;
    let all: Vec<_> = DEFAULT.stages.iter().collect();
    let desired = prepared.desired(session, &all).unwrap();
    let changes = diff(&desired, &Observed::default());
    let plan: Vec<String> = changes.iter().map(ToString::to_string).collect();
    rig::golden(&format!("{dir}/plan.txt"), &(plan.join("\n") + "\n"), wrong);
    rig::golden(&format!("{dir}/network.xml"), &desired.network.as_ref().unwrap().xml, wrong);
    rig::golden(&format!("{dir}/pool.xml"), &desired.pool.as_ref().unwrap().xml, wrong);
    let mut seeds = String::new();
    for (node, domain) in lab.nodes.iter().zip(&desired.domains) {
        rig::golden(&format!("{dir}/{}.domain.xml", node.name), &domain.xml, wrong);
        let seed = lab::render::seed(
            &session.templates,
            lab,
            node,
            "<host key>\n",
            "<host public key>",
            "<login key>",
            None,
        )
        .unwrap();
        seeds.push_str(&title(&format!("{} meta-data", node.name)));
        seeds.push_str(&seed.meta_data);
        seeds.push_str(&title(&format!("{} user-data", node.name)));
        seeds.push_str(&seed.user_data);
        seeds.push_str(&title(&format!("{} network-config", node.name)));
        seeds.push_str(&seed.network_config);
    }
    rig::golden(&format!("{dir}/seeds.txt"), &seeds, wrong);
    for stage in DEFAULT.stages {
        let mut text = String::new();
        for node in (stage.nodes)(lab) {
            text.push_str(&title(&format!("{} on {}", stage.name, node.name)));
            text.push_str(&steps_text(&prepared.steps(session, stage, node).unwrap()));
        }
        rig::golden(&format!("{dir}/stage-{}.txt", stage.name), &text, wrong);
    }
}

#[test]
fn shipped_topologies_render_as_before() {
    let home = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for name in rig::SHIPPED {
        let session = rig::session(&rig::shipped(name), home.path());
        let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
        render_all(&session, &prepared, name, &mut wrong);
    }
    let session = rig::session(&rig::shipped("three"), home.path());
    let prepared = rig::prepared(&session, "1.20.2", Acceleration::Emulated);
    render_all(&session, &prepared, "three-emulated-1.20", &mut wrong);
    assert!(wrong.is_empty(), "not as before:\n{}", wrong.join("\n"));
}

/// Among these stages, every kind of step is there.
#[test]
fn people_see_stages_as_before() {
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("three"), home.path());
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    let node = session.lab.node("worker1").unwrap();
    let (mut text, mut wrong) = (String::new(), Vec::new());
    for name in ["os", "runtime", "worker"] {
        text.push_str(&title(name));
        let stage = DEFAULT.stage(name).unwrap();
        let steps = prepared.steps(&session, stage, node).unwrap();
        let batches = step::batches(&steps, &session.templates).unwrap();
        text.push_str(&step::shown(&batches).concat());
    }
    rig::golden("three/shown.txt", &text, &mut wrong);
    assert!(wrong.is_empty(), "not as before:\n{}", wrong.join("\n"));
}

/// What takes stages off a node, and what asks whether they still stand.
#[test]
fn scripts_beside_the_steps_are_as_before() {
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("three"), home.path());
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    let (mut text, mut wrong) = (String::new(), Vec::new());
    let context = prepared.context(&session);
    for stage in DEFAULT.stages.iter().filter(|stage| stage.retire != Retire::Never) {
        for node in (stage.nodes)(&session.lab) {
            text.push_str(&title(&format!("{} goes from {}", stage.name, node.name)));
            text.push_str(&retire::script(DEFAULT, stage, &context, node).unwrap());
        }
    }
    let all: Vec<_> = DEFAULT.stages.iter().collect();
    let desired = prepared.desired(&session, &all).unwrap();
    for node in &session.lab.nodes {
        let goals = desired.stages.iter().filter(|goal| goal.node == node.name);
        text.push_str(&title(&format!("is all of {} still so", node.name)));
        text.push_str(
            &Upkeep::all(goals.map(|goal| &goal.upkeep)).script(&session.templates).unwrap(),
        );
    }
    rig::golden("three/beside.txt", &text, &mut wrong);
    assert!(wrong.is_empty(), "not as before:\n{}", wrong.join("\n"));
}

#[test]
fn the_schema_is_as_before() {
    let mut wrong = Vec::new();
    let schema =
        serde_json::to_string_pretty(&lab::model::topology::schema::json_schema()).unwrap();
    rig::golden("schema.json", &(schema + "\n"), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_supported_version_renders() {
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("three"), home.path());
    for minor in 20..=NEWEST_MINOR {
        let prepared = rig::prepared(&session, &format!("1.{minor}.0"), Acceleration::Kvm);
        let all: Vec<_> = DEFAULT.stages.iter().collect();
        prepared.desired(&session, &all).unwrap();
    }
}

/// A flag that a release does not know keeps its program from starting; the borders are those of
/// Kubernetes' own change logs.
#[test]
fn programs_are_given_only_what_their_release_understands() {
    /// A stage, a flag, the first and the last minor release that is given it.
    const FLAGS: [(&str, &str, u32, u32); 6] = [
        ("worker", "--network-plugin=cni", 20, 23),
        ("worker", "seccompDefault: true", 25, NEWEST_MINOR),
        ("control-plane", "--port=0", 20, 22),
        ("control-plane", "DenyServiceExternalIPs", 21, NEWEST_MINOR),
        ("control-plane", "--feature-gates=APIPriorityAndFairness=false", 20, 25),
        ("control-plane", "--etcd-readycheck-timeout=10s", 25, NEWEST_MINOR),
    ];
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("three"), home.path());
    for minor in 20..=NEWEST_MINOR {
        let version = format!("1.{minor}.0");
        let prepared = rig::prepared(&session, &version, Acceleration::Emulated);
        for (stage, flag, first, last) in FLAGS {
            let stage = DEFAULT.stages.iter().find(|one| one.name == stage).unwrap();
            let node = (stage.nodes)(&session.lab)[0];
            let text = steps_text(&prepared.steps(&session, stage, node).unwrap());
            assert_eq!(text.contains(flag), (first..=last).contains(&minor), "{flag} in {version}");
        }
    }
}

#[test]
fn no_step_shows_a_secret_outside_of_secret_files() {
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&rig::shipped("book"), home.path());
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    for stage in DEFAULT.stages {
        for node in (stage.nodes)(&session.lab) {
            for step in prepared.steps(&session, stage, node).unwrap() {
                if let Step::File(file) = &step {
                    // Keys inside kubeconfigs are base64 of the marker.
                    let hidden = file.content.contains("<redacted")
                        || file.content.contains("client-key-data");
                    assert_eq!(hidden, file.secret, "{} in {}", file.path, stage.name);
                    assert!(!file.secret || file.mode == 0o600, "{} is {:o}", file.path, file.mode);
                } else {
                    let text = serde_json::to_string(&step).unwrap();
                    assert!(!text.contains("<redacted"), "{text}");
                }
            }
        }
    }
}

/// Values are quoted by the template engine, what stands beside them is not: every document must still
/// be one.
#[test]
fn every_yaml_file_of_a_stage_is_yaml() {
    let home = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for name in rig::SHIPPED {
        let session = rig::session(&rig::shipped(name), home.path());
        let prepared = rig::prepared(&session, "1.36.2", Acceleration::Emulated);
        for stage in DEFAULT.stages {
            for node in (stage.nodes)(&session.lab) {
                for step in prepared.steps(&session, stage, node).unwrap() {
                    let Step::File(file) = step else { continue };
                    if !file.path.ends_with(".yaml") && !file.path.ends_with("/config.conf") {
                        continue;
                    }
                    for event in saphyr_parser::Parser::new_from_str(&file.content) {
                        event.unwrap_or_else(|error| {
                            panic!("{} of {}: {error}\n{}", file.path, node.name, file.content)
                        });
                    }
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} files");
}
