//! A stage that a node no longer has is taken off it: whatever its steps brought goes, on real files, and
//! what the node's other stages have stays.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::engine::{Prepared, Session};
use lab::kubernetes::operations::retire;
use lab::kubernetes::stage::{Retire, Stage};
use lab::kubernetes::{FLAVOURS, Step, marker};
use lab::model::Role;
use lab::model::lab::KUBEADM;
use lab::model::platform::Acceleration;
use lab::model::role::ROLES;

use crate::rig;

/// A node whose files are below a directory of this computer.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = rig::home();
        // What the system has itself.
        for path in ["etc/systemd/system", "usr/local/bin", "var/lib/lab/stages", "var/log"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        rig::program(
            &dir.path().join("systemctl"),
            "#!/bin/sh\necho \"$*\" >> \"$(dirname \"$0\")/told\"\n",
        );
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    /// Carries out what leaves something behind.
    fn apply(&self, stage: &Stage, steps: &[Step]) {
        for step in steps {
            match step {
                Step::File(file) => self.write(&file.path),
                Step::Binary(binary) => self.write(&binary.path),
                Step::Directory(directory) => fs::create_dir_all(self.at(&directory.path)).unwrap(),
                _ => {}
            }
        }
        self.write(&format!("{}{}", marker::DIRECTORY, stage.name));
    }

    /// Runs a script that names paths of the whole computer on these.
    fn run(&self, script: &str) {
        let root = self.dir.path().display().to_string();
        let mut script = script.to_owned();
        for place in ["/etc/", "/var/", "/usr/"] {
            script = script.replace(&format!(" {place}"), &format!(" {root}{place}"));
        }
        let path = format!("{root}:{}", std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        let output = command.args(["-euc", &script]).env("PATH", path).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}\n{script}");
    }

    /// What systemd was told.
    fn told(&self) -> String {
        fs::read_to_string(self.at("told")).unwrap_or_default()
    }

    /// Every path of the node, as the node itself names it; nothing of /run, which ends with the guest.
    fn all(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for place in ["etc", "usr", "var"] {
            self.below(&self.at(place), &mut found);
        }
        found
    }

    fn below(&self, dir: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            found.insert(format!("/{}", path.strip_prefix(self.dir.path()).unwrap().display()));
            if path.is_dir() {
                self.below(&path, found);
            }
        }
    }
}

/// The stages of a node, with their steps.
fn stages(session: &Session, prepared: &Prepared, node: &str) -> Vec<(&'static Stage, Vec<Step>)> {
    let node = session.lab.node(node).unwrap();
    let stages = session.flavour().stages_of(&session.lab, node);
    stages.map(|stage| (stage, prepared.steps(session, stage, node).unwrap())).collect()
}

fn units(steps: &[Step]) -> Vec<&String> {
    fn unit(step: &Step) -> Option<&String> {
        match step {
            Step::Unit(unit) => Some(&unit.name),
            _ => None,
        }
    }
    steps.iter().filter_map(unit).collect()
}

/// Takes a role off a node and with it the stages that it brought; how many there were.
fn lose(topology: &str, name: &str, role: Role) -> usize {
    let home = rig::home();
    let mut session = rig::session(&rig::shipped(topology), home.path());
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    let before = stages(&session, &prepared, name);
    let node = session.lab.nodes.iter_mut().find(|node| node.name == name).unwrap();
    node.roles.remove(&role);
    if role == Role::Worker {
        node.pod_subnet = None;
    }
    let after = stages(&session, &prepared, name);

    let (had, has) = (Files::new(), Files::new());
    let mut taken = 0;
    let stays = |stage: &Stage| after.iter().any(|(other, _)| other.name == stage.name);
    // Stages that stay are carried out anew before others are taken off.
    let gone = before.iter().filter(|(stage, _)| !stays(stage));
    gone.chain(&after).for_each(|(stage, steps)| had.apply(stage, steps));
    after.iter().for_each(|(stage, steps)| has.apply(stage, steps));
    for (stage, steps) in before.iter().filter(|(stage, _)| !stays(stage)) {
        let Retire::WithData(data) = stage.retire else {
            // Theirs goes with the control plane's; only that they were here is still written down.
            has.write(&format!("{}{}", marker::DIRECTORY, stage.name));
            continue;
        };
        data.iter().for_each(|place| had.write(&format!("{place}/gathered/there")));
        let node = session.lab.node(name).unwrap();
        let context = prepared.context(&session);
        let script = retire::script(session.flavour(), stage, &context, node).unwrap();
        had.run(&script);
        // Somebody may do it again.
        had.run(&script);
        for unit in units(steps) {
            let kept = after.iter().any(|(_, steps)| units(steps).contains(&unit));
            let ended = had.told().contains(&format!("disable --quiet --now {unit}"));
            assert!(ended != kept, "{unit} of {name}: {}", had.told());
        }
        taken += 1;
    }
    let (had, has) = (had.all(), has.all());
    let left: Vec<_> = had.difference(&has).collect();
    assert!(left.is_empty(), "{topology}: {name} without {role} keeps {left:?}");
    let lost: Vec<_> = has.difference(&had).collect();
    assert!(lost.is_empty(), "{topology}: {name} without {role} lost {lost:?}");
    taken
}

#[test]
fn nothing_stays_of_a_stage_that_a_node_no_longer_has() {
    let mut taken = 0;
    for topology in rig::SHIPPED {
        let home = rig::home();
        let lab = rig::session(&rig::shipped(topology), home.path()).lab;
        let mut seen = BTreeSet::new();
        // Of nodes that have the same roles one will do.
        for node in lab.nodes.iter().filter(|node| seen.insert(node.roles.clone())) {
            for role in ROLES.iter().filter(|role| node.is(**role)) {
                // Workers are told the way to the API; somebody must be there.
                let last = lab.with_role(Role::ControlPlane).count() == 1;
                if *role != Role::ControlPlane || !last || !node.is(Role::Worker) {
                    taken += lose(topology, &node.name, *role);
                }
            }
        }
    }
    assert!(taken > 15, "only {taken} stages were taken off");
}

#[test]
fn the_units_of_a_stage_are_those_that_its_steps_run() {
    let mut run: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for (_, topology) in rig::many() {
        let home = rig::home();
        let session = rig::session(&topology, home.path());
        let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
        for node in &session.lab.nodes {
            for (stage, steps) in stages(&session, &prepared, &node.name) {
                // Mounts of disks are those of a topology.
                let of_disks: Vec<String> =
                    node.disks.iter().filter_map(lab::model::disk::Disk::unit).collect();
                let own = units(&steps).into_iter().filter(|unit| !of_disks.contains(unit));
                let of = (session.flavour().name, stage.name);
                run.entry(of).or_default().extend(own.cloned());
            }
        }
    }
    for flavour in FLAVOURS.iter().filter(|flavour| flavour.is_a_cluster()) {
        for stage in flavour.stages {
            let mut told: BTreeSet<String> =
                stage.units.iter().map(|unit| (*unit).to_owned()).collect();
            // No shipped topology of pods has load balancers of their own.
            if flavour.name == KUBEADM {
                told.remove("haproxy.service");
            }
            assert_eq!(
                told,
                run.get(&(flavour.name, stage.name)).cloned().unwrap_or_default(),
                "{} of {}",
                stage.name,
                flavour.name
            );
        }
    }
}
