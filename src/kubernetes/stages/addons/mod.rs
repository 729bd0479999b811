//! `addons`: what is installed on the cluster itself, through its API: the folders of `addons/`.

mod checks;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kubernetes::stage::{After, Context, KUBECTL, Stage, StageError};
use crate::kubernetes::step::{Step, Wait};
use crate::model::addon::{self, Addon};
use crate::model::{Lab, Node, Platform, Role};

pub(crate) const STAGE: Stage = Stage {
    name: "addons",
    title: "Add-ons",
    why: "Pods find services by name only when the cluster has a DNS server of its own.",
    after: &[After::AllNodes("control-plane"), After::AllNodes("worker")],
    nodes: |lab| lab.with_role(Role::ControlPlane).take(1).collect(),
    steps,
    lacks,
    // Its files are those of the control plane.
    checks: checks::checks,
    templates: templates!(
        "addons":
        "cluster-dns-up.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

fn lacks(lab: &Lab, platform: &Platform) -> Option<&'static str> {
    let missing = |addon: &&'static Addon| {
        lab.kubernetes.has_addon(&addon.name) && !platform.addon_images.contains_key(&addon.name)
    };
    addon::all().iter().find(missing).map(|addon| addon.lacking.as_str())
}

/// What templates of add-ons may put in.
#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    /// Its image.
    image: &'a str,
    /// Address of the cluster's DNS service.
    dns_service: String,
    /// Two, where two workers are there to have one each.
    replicas: usize,
    /// Its `texts`.
    texts: BTreeMap<&'a str, String>,
}

/// The manifest, where the add-on's image can be had.
fn manifest(context: &Context<'_>, addon: &Addon) -> Result<Option<String>, StageError> {
    let Some(image) = context.platform.addon_images.get(&addon.name) else { return Ok(None) };
    let lab = context.lab;
    let mut data = Data {
        lab,
        image,
        dns_service: lab.kubernetes.dns_service().to_string(),
        replicas: lab.with_role(Role::Worker).count().clamp(1, 2),
        texts: BTreeMap::new(),
    };
    for (name, file) in &addon.texts {
        let text = context.templates.render(&addon.template(file), &data)?;
        data.texts.insert(name, text);
    }
    Ok(Some(context.templates.render(&addon.template(&addon.manifest), &data)?))
}

fn steps(context: &Context<'_>, _node: &Node) -> Result<Vec<Step>, StageError> {
    let mut steps = Vec::new();
    for addon in addon::all() {
        let name = &addon.name;
        let path = format!("/etc/kubernetes/lab/{name}.yaml");
        if !context.lab.kubernetes.has_addon(name) {
            steps.push(Step::run_unless(
                format!("! test -e {path}"),
                format!("have no {name}"),
                format!(
                    "{KUBECTL} delete --ignore-not-found --wait=false -f {path}\nrm -f {path}\n"
                ),
            ));
            continue;
        }
        // One that is wanted, and cannot be had now, may be there since it could.
        let Some(manifest) = manifest(context, addon)? else { continue };
        steps.extend([
            Step::private(&path, manifest),
            Step::run(format!("install {name}"), format!("{KUBECTL} apply -f {path} >/dev/null\n")),
            Step::Wait(Wait {
                title: format!("{name} is available"),
                probe: format!("test \"$({KUBECTL} {} 2>/dev/null)\" -ge 1", addon.ready),
                timeout: 240,
                hint: format!("{KUBECTL} -n kube-system get pods -o wide; {KUBECTL} -n kube-system get events | tail -n 10"),
                optional: true,
            }),
        ]);
    }
    Ok(steps)
}
