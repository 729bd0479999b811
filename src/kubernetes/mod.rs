//! Kubernetes: pure functions from the model to steps, checks and scripts. A flavour is a table of stages
//! and operations; a stage is one folder and one line. No IO, no async.

macro_rules! kubectl {
    () => {
        "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
    };
}

/// Templates beside the file that names them, as `(name, text)`: `stages/os/sysctl.conf.j2`.
macro_rules! templates {
    ($folder:literal: $($file:literal),* $(,)?) => {
        &[$((concat!("stages/", $folder, "/", $file), include_str!($file))),*]
    };
}

pub mod checks;
pub mod drift;
pub mod facts;
pub mod flavour;
pub mod hard_way;
pub mod kubeadm;
pub mod lessons;
pub mod marker;
pub mod node_info;
pub mod none;
pub mod operations;
pub mod recovery;
pub mod stage;
pub(crate) mod stages;
pub mod step;

use std::collections::BTreeMap;

use crate::model::{Lab, Node};
use crate::render::{RenderError, Templates};
use flavour::Flavour;
use stage::Stage;

pub use stages::os::hosts;
pub use stages::runtime::IMAGES as CONTAINER_IMAGES;
pub use stages::verify::failover;
pub use step::{Step, fingerprint};

/// Every flavour that a topology may choose.
pub const FLAVOURS: &[&Flavour] = &[DEFAULT, &kubeadm::FLAVOUR, &none::FLAVOUR];

/// The flavour of topologies that name none.
pub const DEFAULT: &Flavour = &hard_way::FLAVOUR;

/// The flavour of a lab.
pub fn flavour(lab: &Lab) -> &'static Flavour {
    let chosen = FLAVOURS.iter().find(|flavour| flavour.name == lab.kubernetes.flavour);
    chosen.copied().unwrap_or(DEFAULT)
}

/// What all stages of a node need of it.
pub fn needs(lab: &Lab, node: &Node) -> Vec<checks::Needs> {
    flavour(lab).stages_of(lab, node).map(|stage| (stage.needs)(lab, node)).collect()
}

/// The stages of all flavours, one of each name.
pub fn all_stages() -> impl Iterator<Item = &'static Stage> {
    let all = FLAVOURS.iter().enumerate();
    all.flat_map(|(index, flavour)| {
        let earlier = FLAVOURS.iter().take(index);
        let is_new =
            move |stage: &&Stage| earlier.clone().all(|one| one.stage(stage.name).is_none());
        flavour.stages.iter().filter(is_new)
    })
}

/// All templates, those of stages included, each replaced by the entry of `overrides` with its name.
///
/// # Errors
/// When a template does not parse; the message names it and the line.
pub fn templates(overrides: &BTreeMap<String, String>) -> Result<Templates, RenderError> {
    let own = FLAVOURS.iter().flat_map(|flavour| flavour.templates);
    let stages = FLAVOURS.iter().flat_map(|flavour| flavour.stages);
    let mut shipped: Vec<_> =
        stages.flat_map(|stage| stage.templates).chain(own).copied().collect();
    shipped.extend(checks::TEMPLATES.iter().chain(operations::TEMPLATES).chain(step::TEMPLATES));
    shipped.push(("stages/drift.sh.j2", include_str!("drift.sh.j2")));
    Templates::new(&shipped, overrides)
}
