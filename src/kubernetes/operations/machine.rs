//! A machine that is there anyway becomes a node, and is given back as it was: what it had is written down before
//! the first stage, in [`HOME`], and what came since follows from the steps of all stages.

use minijinja::context;

use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::operations::traces::Traces;
use crate::kubernetes::stage::{Context, Retire, StageError};
use crate::model::{File, Lab, Node};

/// Where lab keeps what it knows of a machine.
const HOME: &str = "/var/lib/lab";

/// What programs make that stages start, beside what stages bring themselves.
const GATHERED: &[&str] = &[
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/log/pods",
    "/var/log/containers",
    "/var/log/kubernetes",
    "/etc/cni/net.d",
    "/etc/cni",
    "/etc/kubernetes",
    "/etc/lab",
    "/run/lab",
    "/run/flannel",
    "/opt/containerd",
    "/etc/etcd",
    // kubectl, asked as root, keeps what it learned there.
    "/root/.kube/cache",
    "/root/.kube/http-cache",
];

/// A directory that then may be empty.
const EMPTIED: &str = "/root/.kube";

/// Prints whose node a machine is; nothing where it is nobody's.
pub const OWNER: &str = "cat /var/lib/lab/owner/* 2>/dev/null || true";

/// The file that says so: it comes once all else is written down.
pub fn mark(lab: &Lab) -> File {
    File {
        path: format!("{HOME}/owner/lab"),
        mode: 0o644,
        owner: "root:root".into(),
        content: owner(lab) + "\n",
        secret: false,
        transient: false,
        unless: None,
    }
}

/// Prints by what a machine is told from others.
pub const IDENTITY: &str = "cat /etc/machine-id";

/// Whose node a machine is, as [`OWNER`] prints it.
pub fn owner(lab: &Lab) -> String {
    format!("the lab {} ({})", lab.name, lab.id)
}

/// Everything that stages of a flavour may leave on a node, and directories that gather what others write.
fn traces(flavour: &Flavour, context: &Context<'_>, node: &Node) -> Result<Places, StageError> {
    let mut all = Traces::default();
    let mut data: Vec<&str> = GATHERED.to_vec();
    for stage in flavour.stages {
        all.add(Traces::left(stage, context, node)?);
        if let Retire::WithData(directories) = stage.retire {
            data.extend(directories);
        }
    }
    data.sort_unstable();
    all.directories.insert(EMPTIED.to_owned());
    Ok(Places { all, data })
}

struct Places {
    all: Traces,
    data: Vec<&'static str>,
}

/// Script that has a machine be a node: it writes down what is there. Fine when it is one of this lab's already; one
/// of another lab is refused.
///
/// # Errors
/// When steps cannot be made or the script cannot be rendered.
pub fn take(flavour: &Flavour, context: &Context<'_>, node: &Node) -> Result<String, StageError> {
    let Places { all, data } = traces(flavour, context, node)?;
    let data = data.into_iter().map(str::to_owned);
    let places: Vec<String> = data.chain(all.directories).collect();
    Ok(context.templates.render(
        "stages/operations/take.sh.j2",
        &context! {
            home => HOME,
            owner => owner(context.lab),
            files => all.files,
            units => all.units,
            places,
            settings => all.settings,
        },
    )?)
}

/// Script that gives a machine back: what came by the lab goes, what was there before comes back. Fine when it is no
/// node any more; one of another lab is left alone.
///
/// # Errors
/// As [`take`].
pub fn give_back(
    flavour: &Flavour,
    context: &Context<'_>,
    node: &Node,
) -> Result<String, StageError> {
    let Places { all, data } = traces(flavour, context, node)?;
    // The deepest first: then those above are empty.
    let (units, directories): (Vec<String>, Vec<String>) =
        (all.units.into_iter().rev().collect(), all.directories.into_iter().rev().collect());
    let data: Vec<&str> = data.into_iter().rev().collect();
    let undone: Vec<&str> = flavour.stages.iter().filter_map(|stage| stage.undone).collect();
    Ok(context.templates.render(
        "stages/operations/give-back.sh.j2",
        &context! {
            home => HOME,
            owner => owner(context.lab),
            files => all.files,
            units,
            data,
            directories,
            blocks => all.blocks,
            undone,
        },
    )?)
}
