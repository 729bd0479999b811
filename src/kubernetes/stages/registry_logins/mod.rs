//! `registry-logins`: how kubelets log in where images are not for everybody.

use crate::kubernetes::stage::{After, Context, Retire, Stage, StageError};
use crate::kubernetes::step::Step;
use crate::model::logins::Logins;
use crate::model::{Lab, Node};

pub(crate) const STAGE: Stage = Stage {
    name: "registry-logins",
    title: "Logins of registries",
    why: "Registries give private images only to who logs in; kubelets do it for all pods of their node.",
    after: &[After::SameNode("runtime")],
    nodes,
    steps,
    retire: Retire::WithData(&[]),
    undone: Some("stages/registry_logins/anew.sh.j2"),
    templates: templates!("registry_logins": "anew.sh.j2"),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

fn nodes(lab: &Lab) -> Vec<&Node> {
    lab.with_pods().filter(|_| lab.kubernetes.registry_logins.is_some()).collect()
}

/// Where kubelets look for it, beside what is theirs.
const FILE: &str = "/var/lib/kubelet/config.json";

fn steps(context: &Context<'_>, _: &Node) -> Result<Vec<Step>, StageError> {
    let logins = context.platform.logins.as_ref().map(Logins::file);
    let anew = context.templates.render("stages/registry_logins/anew.sh.j2", &())?;
    Ok(vec![
        Step::secret(FILE, logins.unwrap_or_default()),
        Step::run("have the kubelet forget what it read before", anew),
    ])
}
