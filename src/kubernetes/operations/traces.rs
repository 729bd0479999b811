//! What steps leave on a node: units, files, directories.

use std::collections::BTreeSet;
use std::path::Path;

use crate::kubernetes::stage::{Context, Stage, StageError};
use crate::kubernetes::step::Step;
use crate::model::lab::Vip;
use crate::model::role::ROLES;
use crate::model::{Lab, Node, Role};
use crate::pki::Bundle;

/// Directories of the system's own, however empty they may be.
const OF_THE_SYSTEM: &[&str] = &[
    "/",
    "/etc",
    "/etc/apt",
    "/etc/apt/apt.conf.d",
    "/etc/profile.d",
    "/etc/systemd",
    "/etc/systemd/system",
    "/usr/local/bin",
    "/var",
    "/var/lib",
    "/var/log",
];

/// What steps bring to a node.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// In the order in which they are started.
    pub units: Vec<String>,
    /// Files and links.
    pub files: BTreeSet<String>,
    /// Made by steps, or for their files.
    pub directories: BTreeSet<String>,
    /// Files of others that have lines of ours.
    pub blocks: BTreeSet<String>,
    /// Kernel settings.
    pub settings: BTreeSet<String>,
}

impl Traces {
    pub fn of(steps: &[Step]) -> Self {
        let mut all = Self::default();
        for step in steps {
            match step {
                Step::Unit(unit) => all.units.push(unit.name.clone()),
                Step::File(file) => {
                    all.path(&file.path);
                    all.settings_in(&file.path, &file.content);
                }
                Step::Block(block) => drop(all.blocks.insert(block.path.clone())),
                Step::Binary(binary) => all.path(&binary.path),
                Step::Directory(directory) => all.directory(Path::new(&directory.path)),
                _ => {}
            }
        }
        all
    }

    fn path(&mut self, path: &str) {
        // What is below /run is gone with the next start of the node.
        if !path.starts_with("/run/") {
            self.files.insert(path.to_owned());
            Path::new(path).parent().into_iter().for_each(|parent| self.directory(parent));
        }
    }

    fn settings_in(&mut self, path: &str, content: &str) {
        if path.starts_with("/etc/sysctl.d/") {
            let settings = content.lines().filter(|line| !line.starts_with('#'));
            let names = settings.filter_map(|line| line.split_once('='));
            self.settings.extend(names.map(|(name, _)| name.trim().to_owned()));
        }
    }

    /// The same, and what `other` has.
    pub fn add(&mut self, other: Self) {
        let known = self.units.clone();
        self.units.extend(other.units.into_iter().filter(|unit| !known.contains(unit)));
        self.files.extend(other.files);
        self.directories.extend(other.directories);
        self.blocks.extend(other.blocks);
        self.settings.extend(other.settings);
    }

    fn directory(&mut self, path: &Path) {
        let names = path.ancestors().filter_map(Path::to_str);
        let own = names.take_while(|path| !OF_THE_SYSTEM.contains(path));
        let own = own.filter(|path| *path != "/run" && !path.starts_with("/run/"));
        self.directories.extend(own.map(str::to_owned));
    }

    /// True when one of its files or directories is `path`, or below it.
    pub fn needs(&self, path: &str) -> bool {
        let mut all = self.files.iter().chain(&self.directories);
        all.any(|own| Path::new(own).starts_with(path))
    }

    /// What a stage may have left on a node. The topology by which it was carried out is gone: of what it
    /// may go by, everything is taken for given. Names of files count, and no secret is in them.
    pub fn left(stage: &Stage, context: &Context<'_>, node: &Node) -> Result<Self, StageError> {
        let lab = with_everything(context.lab, node);
        let bundle = Bundle::placeholder(&lab);
        let node = lab.nodes.iter().find(|other| other.name == node.name).unwrap_or(node);
        let then = Context { lab: &lab, bundle: &bundle, ..*context };
        Ok(Self::of(&(stage.steps)(&then, node)?))
    }
}

/// The lab in which `node` has every role, pods, a floating address of each kind, and something between it and the
/// outside.
fn with_everything(lab: &Lab, node: &Node) -> Lab {
    let mut lab = lab.clone();
    let pods = lab.kubernetes.pod_cidr;
    if lab.node(&node.name).is_none() {
        lab.nodes.push(node.clone());
    }
    for one in lab.nodes.iter_mut().filter(|other| other.name == node.name) {
        one.roles.extend(ROLES);
        one.pod_subnet = one.pod_subnet.or(Some(pods));
    }
    lab.outside.authorities.push(String::new());
    for role in [Role::LoadBalancer, Role::ControlPlane] {
        if !lab.vips.iter().any(|vip| vip.role == role) {
            lab.vips.push(Vip {
                name: role.name().to_owned(),
                address: lab.network.gateway,
                role,
                router_id: 1,
                router_id_given: false,
            });
        }
    }
    lab
}
