//! `addons`: what is installed on the cluster itself, through its API: the folders of `addons/`, and people's own.

mod checks;
mod content;

use minijinja::{Value, context};
use serde::Serialize;

use crate::kubernetes::stage::{After, Context, KUBECTL, Stage, StageError};
use crate::kubernetes::stages::addons::content::manifest;
use crate::kubernetes::step::{Kept, Step, Wait};
use crate::model::addon::{Manifest, Used, Workload};
use crate::model::{Lab, Node, Platform, Role};
use crate::render::quote;

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
        "as-applied.sh.j2",
        "install.sh.j2",
        "installed.sh.j2",
        "remove.sh.j2",
        "runs.sh.j2",
        "set.yaml.j2",
        "unwanted.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

/// Where manifests are, as they were applied.
const FOLDER: &str = "/etc/kubernetes/lab/addons";

fn lacks(lab: &Lab, platform: &Platform) -> Option<String> {
    let is_missing = |used: &&Used| !platform.addon_images.contains_key(&used.addon.name);
    let addon = &lab.kubernetes.addons.iter().find(is_missing)?.addon;
    let names: Vec<&str> = addon.images.keys().map(String::as_str).collect();
    Some(format!(
        "{} is left out: no archive at hand has all its images ({}), and guests have no way to a registry; name \
         a folder with archives, LAB_IMAGES=DIR, and run `lab up` again",
        addon.title,
        names.join(", ")
    ))
}

fn steps(context: &Context<'_>, _node: &Node) -> Result<Vec<Step>, StageError> {
    let mut steps = vec![unwanted(context)?];
    for used in &context.lab.kubernetes.addons {
        // One that is wanted, and cannot be had now, may be there since it could.
        if let Some(manifest) = manifest(context, used)? {
            steps.extend(installed(context, used, &manifest)?);
        }
    }
    Ok(steps)
}

/// What the topology no longer wants goes, whoever installed it: the cluster knows what belongs to each.
fn unwanted(context: &Context<'_>) -> Result<Step, StageError> {
    let names = context.lab.kubernetes.addons.iter().map(|used| used.addon.name.as_str());
    let wanted: Vec<&str> = names.collect();
    // Names are labels: nothing in them has a meaning to grep.
    let wanted = Value::from_safe_string(wanted.join("|"));
    let data = context! { wanted, folder => FOLDER, kubectl => KUBECTL };
    let render = |name: &str| context.templates.render(&format!("stages/addons/{name}.j2"), &data);
    Ok(Step::run_unless(
        format!(
            "all=$({KUBECTL} -n kube-system get configmaps -o name) && test -z \"$({})\"",
            render("unwanted.sh")?.trim_end()
        ),
        "remove add-ons that are not wanted",
        render("remove.sh")?,
    ))
}

/// What the scripts of one add-on know.
#[derive(Serialize)]
struct Installed<'a> {
    name: &'a str,
    /// File of all its objects.
    file: &'a str,
    /// File of their names.
    list: &'a str,
    /// File of the kinds that it defines, where it does.
    definitions: Option<&'a str>,
    /// What is in the list.
    objects: &'a str,
    /// Flags of apply and diff.
    flags: &'static str,
    kubectl: &'static str,
}

/// Before it was finished, server-side apply refused ports that say no protocol, which is most of them.
const SERVER_SIDE_FROM: u32 = 22;

fn installed(
    context: &Context<'_>,
    used: &Used,
    manifest: &Manifest,
) -> Result<Vec<Step>, StageError> {
    let name = &used.addon.name;
    let objects = manifest.lines().join("\n") + "\n";
    let file = format!("{FOLDER}/{name}.yaml");
    let list = format!("{FOLDER}/{name}.objects");
    let definitions = format!("{FOLDER}/{name}.definitions.yaml");
    let defined = manifest.definitions();
    let data = Installed {
        name,
        file: &file,
        list: &list,
        definitions: defined.is_some().then_some(definitions.as_str()),
        objects: &objects,
        flags: match context.platform.version.minor >= SERVER_SIDE_FROM {
            true => " --server-side --force-conflicts --field-manager=lab",
            false => "",
        },
        kubectl: KUBECTL,
    };
    let render = |name: &str| context.templates.render(&format!("stages/addons/{name}.j2"), &data);
    let mut steps = vec![
        Step::private(&file, render("set.yaml")? + &manifest.text()),
        Step::private(&list, objects.as_str()),
    ];
    steps.extend(defined.map(|text| Step::private(&definitions, text)));
    let patience = if context.platform.acceleration.is_emulated() { 40 } else { 10 };
    steps.push(Step::Kept(Kept {
        what: format!("objects of the add-on {name}"),
        script: render("install.sh")?,
        question: format!("timeout {patience} {}", render("as-applied.sh")?.trim_end()),
        wanted: vec!["as applied".into()],
    }));
    steps.extend(available(used, manifest));
    Ok(steps)
}

fn available(used: &Used, manifest: &Manifest) -> Option<Step> {
    let rolled_out = |workload: &Workload<'_>| {
        let object = quote(&format!("{}/{}", workload.kind, workload.name));
        let namespace = quote(workload.namespace);
        format!(
            "timeout 30 {KUBECTL} -n {namespace} rollout status {object} --timeout=20s >/dev/null 2>&1"
        )
    };
    let probes: Vec<String> = manifest.workloads().iter().map(rolled_out).collect();
    let namespace = manifest.workloads().first().map(|first| quote(first.namespace))?;
    Some(Step::Wait(Wait {
        title: format!("{} is available", used.addon.name),
        probe: probes.join(" && "),
        timeout: 240,
        hint: format!(
            "{KUBECTL} -n {namespace} get pods -o wide; {KUBECTL} -n {namespace} get events | tail -n 10"
        ),
        optional: true,
    }))
}
