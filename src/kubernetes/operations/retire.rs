//! Taking a stage off a node that no longer has it. What is there to be taken follows from the steps
//! that brought it: units, files, links and directories, without those that another stage of the node
//! still has.

use std::collections::BTreeSet;
use std::path::Path;

use minijinja::context;

use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::marker;
use crate::kubernetes::stage::{Context, Retire, Stage, StageError};
use crate::kubernetes::step::Step;
use crate::model::lab::Vip;
use crate::model::role::ROLES;
use crate::model::{Lab, Node, Role};
use crate::pki::Bundle;

/// Directories of the system's own, however empty they may be.
const OF_THE_SYSTEM: &[&str] = &[
    "/",
    "/etc",
    "/etc/systemd",
    "/etc/systemd/system",
    "/usr/local/bin",
    "/var",
    "/var/lib",
    "/var/log",
];

/// What steps bring to a node.
#[derive(Debug, Default)]
struct Traces {
    /// In the order in which they are started.
    units: Vec<String>,
    /// Files and links.
    files: BTreeSet<String>,
    /// Made by steps, or for their files.
    directories: BTreeSet<String>,
}

impl Traces {
    fn of(steps: &[Step]) -> Self {
        let mut all = Self::default();
        for step in steps {
            match step {
                Step::Unit(unit) => all.units.push(unit.name.clone()),
                Step::File(file) => all.path(&file.path),
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

    fn directory(&mut self, path: &Path) {
        let names = path.ancestors().filter_map(Path::to_str);
        let own = names.take_while(|path| !OF_THE_SYSTEM.contains(path));
        let own = own.filter(|path| *path != "/run" && !path.starts_with("/run/"));
        self.directories.extend(own.map(str::to_owned));
    }

    /// True when one of its files or directories is `path`, or below it.
    fn needs(&self, path: &str) -> bool {
        let mut all = self.files.iter().chain(&self.directories);
        all.any(|own| Path::new(own).starts_with(path))
    }
}

/// Script that takes `stage` off `node`, which keeps the other stages that it has in the lab of `context`.
///
/// # Errors
/// When steps cannot be made or the script cannot be rendered.
pub fn script(
    flavour: &Flavour,
    stage: &Stage,
    context: &Context<'_>,
    node: &Node,
) -> Result<String, StageError> {
    let mut kept = Traces::default();
    let others = flavour.stages_of(context.lab, node).filter(|other| other.name != stage.name);
    for other in others {
        let traces = Traces::of(&(other.steps)(context, node)?);
        kept.units.extend(traces.units);
        kept.files.extend(traces.files);
        kept.directories.extend(traces.directories);
    }
    let left = left(stage, context, node)?;
    let units = left.units.iter().rev().filter(|unit| !kept.units.contains(unit));
    let files = left.files.difference(&kept.files);
    let data = match stage.retire {
        Retire::Never => &[][..],
        Retire::WithData(directories) => directories,
    };
    let data = data.iter().filter(|directory| !kept.needs(directory));
    // The deepest first: then those above are empty.
    let directories = left.directories.iter().rev().filter(|directory| !kept.needs(directory));
    Ok(context.templates.render(
        "stages/operations/retire.sh.j2",
        &context! {
            units => units.cloned().collect::<Vec<_>>(),
            files => files.cloned().collect::<Vec<_>>(),
            data => data.copied().collect::<Vec<_>>(),
            directories => directories.cloned().collect::<Vec<_>>(),
            marker => format!("{}{}", marker::DIRECTORY, stage.name),
        },
    )?)
}

/// What a stage may have left on a node. The topology by which it was carried out is gone: of what it
/// may go by, everything is taken for given. Names of files count, and no secret is in them.
fn left(stage: &Stage, context: &Context<'_>, node: &Node) -> Result<Traces, StageError> {
    let lab = with_everything(context.lab, node);
    let bundle = Bundle::placeholder(&lab);
    let node = lab.nodes.iter().find(|other| other.name == node.name).unwrap_or(node);
    let then = Context { lab: &lab, bundle: &bundle, ..*context };
    Ok(Traces::of(&(stage.steps)(&then, node)?))
}

/// The lab in which `node` has every role, pods, and a floating address of each kind.
fn with_everything(lab: &Lab, node: &Node) -> Lab {
    let mut lab = lab.clone();
    let pods = lab.kubernetes.pod_cidr;
    for one in lab.nodes.iter_mut().filter(|other| other.name == node.name) {
        one.roles.extend(ROLES);
        one.pod_subnet = one.pod_subnet.or(Some(pods));
    }
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
