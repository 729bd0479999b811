//! `addons`: what is installed on the cluster itself, through its API: the folders of `addons/`, and people's own.

mod checks;
mod content;

use minijinja::{Value, context};
use serde::Serialize;

use crate::kubernetes::checks::value;
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
        "pruned.sh.j2",
        "runs.sh.j2",
        "set.yaml.j2",
        "unwanted.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

/// Where manifests are, as they were applied.
const FOLDER: &str = "/etc/kubernetes/lab/addons";

/// What kubectl says of a workload that is as it should be, or that rolls out only by hand.
const ROLLED_OUT: &str =
    r"'successfully rolled out\|roll out complete\|rolling update complete\|only available for'";

fn lacks(lab: &Lab, platform: &Platform) -> Option<String> {
    let is_missing = |used: &&Used| !platform.addon_images.contains_key(&used.addon.name);
    let addon = &lab.kubernetes.addons.iter().find(is_missing)?.addon;
    if let Some((name, _)) = addon.images.iter().find(|(_, of)| of.of(platform.version).is_none()) {
        return Some(format!(
            "{} is left out: it has no image '{name}' for Kubernetes {}",
            addon.title, platform.version
        ));
    }
    let names: Vec<&str> = addon.images.keys().map(String::as_str).collect();
    Some(format!(
        "{} is left out: no archive at hand has all its images ({}), and guests have no way to a registry; name \
         a folder with archives, LAB_IMAGES=DIR, and run `lab up` again",
        addon.title,
        names.join(", ")
    ))
}

fn steps(context: &Context<'_>, _node: &Node) -> Result<Vec<Step>, StageError> {
    // One that is wanted, and cannot be had now, may be there since it could.
    let mut found = Vec::new();
    for used in &context.lab.kubernetes.addons {
        found.extend(manifest(context, used)?.map(|manifest| (used, manifest)));
    }
    let all: Vec<Installed> = found.iter().map(|(used, all)| Installed::of(used, all)).collect();
    // What each has must be known before anything goes: what left one may belong to another by now.
    let mut steps = Vec::new();
    for installed in &all {
        steps.extend(installed.files(context)?);
    }
    let lists: Vec<&str> = all.iter().map(|installed| installed.list.as_str()).collect();
    let lists = lists.join(" ");
    steps.extend(earlier(context, &all));
    steps.push(unwanted(context, &lists)?);
    // All together within the patience of those who look.
    let patience = if context.platform.acceleration.is_emulated() { 60 } else { 12 };
    let share = (patience / all.len().max(1)).max(1);
    for (installed, (used, manifest)) in all.iter().zip(&found) {
        steps.push(installed.kept(context, &lists, share)?);
        steps.extend(available(used, manifest));
    }
    Ok(steps)
}

/// What labs of earlier versions installed by themselves: it is taken over, or goes.
fn earlier(context: &Context<'_>, all: &[Installed<'_>]) -> Option<Step> {
    const FILE: &str = "/etc/kubernetes/lab/coredns.yaml";
    let is_wanted = context.lab.kubernetes.has_addon("coredns");
    if is_wanted && !all.iter().any(|installed| installed.name == "coredns") {
        return None;
    }
    let delete = format!("{KUBECTL} delete --ignore-not-found --wait=false -f {FILE}\n");
    let delete = if is_wanted { String::new() } else { delete };
    Some(Step::run_unless(
        format!("! test -e {FILE}"),
        "take over cluster DNS of an earlier version",
        format!("{delete}rm -f {FILE}\n"),
    ))
}

/// What the topology no longer wants goes, whoever installed it: the cluster knows what belongs to each.
fn unwanted(context: &Context<'_>, lists: &str) -> Result<Step, StageError> {
    let names = context.lab.kubernetes.addons.iter().map(|used| used.addon.name.as_str());
    let wanted: Vec<&str> = names.collect();
    // Names are labels: nothing in them has a meaning to grep.
    let wanted = Value::from_safe_string(wanted.join("|"));
    let data = context! { wanted, lists, folder => FOLDER, kubectl => KUBECTL };
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

/// What belongs to an add-on on the node, and what its scripts know.
#[derive(Serialize)]
struct Installed<'a> {
    name: &'a str,
    /// All its objects.
    #[serde(skip)]
    text: String,
    /// The kinds that it defines, where it does.
    #[serde(skip)]
    defined: Option<String>,
    /// File of all its objects.
    file: String,
    /// File of their names.
    list: String,
    /// File of the list as the cluster keeps it.
    set: String,
    /// File of the kinds that it defines, where it does.
    definitions: Option<String>,
    /// What is in the list.
    objects: String,
}

/// Before it was finished, server-side apply refused ports that say no protocol, which is most of them.
const SERVER_SIDE_FROM: u32 = 22;

impl<'a> Installed<'a> {
    fn of(used: &'a Used, manifest: &Manifest) -> Self {
        let name = used.addon.name.as_str();
        let file = |end: &str| format!("{FOLDER}/{name}.{end}");
        let defined = manifest.definitions();
        Self {
            name,
            text: manifest.text(),
            file: file("yaml"),
            list: file("objects"),
            set: file("set.yaml"),
            definitions: defined.is_some().then(|| file("definitions.yaml")),
            defined,
            objects: manifest.lines().join("\n") + "\n",
        }
    }

    fn files(&self, context: &Context<'_>) -> Result<Vec<Step>, StageError> {
        let set = context.templates.render("stages/addons/set.yaml.j2", self)?;
        let mut steps = vec![
            Step::private(&self.file, format!("{set}{}", self.text)),
            Step::private(&self.list, self.objects.as_str()),
        ];
        if let (Some(path), Some(text)) = (&self.definitions, &self.defined) {
            steps.push(Step::private(path, text.as_str()));
            steps.push(Step::private(&self.set, set));
        }
        Ok(steps)
    }

    /// `share` is for how many seconds may be asked whether it is as it was applied.
    fn kept(&self, context: &Context<'_>, lists: &str, share: usize) -> Result<Step, StageError> {
        let flags = match context.platform.version.minor >= SERVER_SIDE_FROM {
            true => " --server-side --force-conflicts --field-manager=lab",
            false => "",
        };
        let data = context! { lists, flags, kubectl => KUBECTL, ..value(self) };
        let render =
            |name: &str| context.templates.render(&format!("stages/addons/{name}.j2"), &data);
        Ok(Step::Kept(Kept {
            what: format!("objects of the add-on {}", self.name),
            script: render("install.sh")?,
            question: format!(
                "timeout {share} sh -c {}",
                quote(render("as-applied.sh")?.trim_end())
            ),
            wanted: vec!["as applied".into()],
        }))
    }
}

fn available(used: &Used, manifest: &Manifest) -> Option<Step> {
    let rolled_out = |workload: &Workload<'_>| {
        let object = quote(&format!("{}/{}", workload.kind, workload.name));
        let status = format!("-n {} rollout status {object}", quote(workload.namespace));
        format!("timeout 30 {KUBECTL} {status} --watch=false 2>&1 | grep -q {ROLLED_OUT}")
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
