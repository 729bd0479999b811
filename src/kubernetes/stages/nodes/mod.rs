//! `nodes`: what Kubernetes is told of its nodes: their roles, and labels, annotations and taints of the topology.

mod checks;
mod told;

use crate::kubernetes::stage::{After, Context, KUBECTL, Stage, StageError};
use crate::kubernetes::stages::nodes::told::{FILE, SHAPE, data, question, told, wanted};
use crate::kubernetes::step::{Kept, Step, Wait};
use crate::model::{Node, Role};

pub(crate) const STAGE: Stage = Stage {
    name: "nodes",
    title: "Nodes",
    why: "A kubelet may not say everything of its own node: roles, and what pods choose their nodes by, \
          comes from an administrator.",
    after: &[After::AllNodes("control-plane"), After::AllNodes("worker")],
    nodes: |lab| lab.with_role(Role::ControlPlane).take(1).collect(),
    steps,
    // Its files are of a directory of the control plane.
    checks: checks::checks,
    templates: templates!(
        "nodes":
        "as-told.sh.j2",
        "nodes.gotemplate.j2",
        "nodes.yaml.j2",
        "tell.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

fn steps(context: &Context<'_>, _node: &Node) -> Result<Vec<Step>, StageError> {
    let nodes = told(context.lab);
    let emulated = context.platform.acceleration.is_emulated();
    let data = data(&nodes);
    let render = |name: &str| context.templates.render(&format!("stages/nodes/{name}.j2"), &data);
    Ok(vec![
        Step::private(FILE, render("nodes.yaml")?),
        Step::private(SHAPE, render("nodes.gotemplate")?),
        Step::Wait(Wait {
            optional: false,
            title: format!("Kubernetes knows {} of {} nodes", nodes.len(), nodes.len()),
            probe: format!("{KUBECTL} get nodes {} >/dev/null 2>&1", data.names),
            timeout: 900,
            hint: format!(
                "{KUBECTL} get nodes; echo 'on the one that is missing: journalctl -u kubelet'"
            ),
        }),
        Step::Kept(Kept {
            what: "labels, annotations and taints of the nodes".into(),
            script: render("tell.sh")?,
            // Short, so that an API that hangs hides nothing else of the node.
            question: format!("timeout {} {}", if emulated { 15 } else { 4 }, question()),
            wanted: wanted(&nodes),
        }),
    ])
}
