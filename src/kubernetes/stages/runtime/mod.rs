//! `runtime`: containerd, and the images that no registry needs to be asked for.

mod checks;

use std::collections::BTreeSet;

use minijinja::context;
use serde::Serialize;

use crate::kubernetes::stage::{After, Context, Retire, Stage, StageError};
use crate::kubernetes::stages::outside;
use crate::kubernetes::step::{Run, Step, Wait};
use crate::model::platform::Artifacts;
use crate::model::{Node, mirror};

/// Where containerd looks for what is to be known of registries.
const MIRRORS: &str = "/etc/containerd/certs.d";
/// What it is told of the way outside.
const OUTSIDE: &str = "/etc/systemd/system/containerd.service.d/lab-outside.conf";
/// Name of the image that holds a pod's namespaces. The archive of that name in a built image is
/// used; where there is none, the registry's pause image gets the name.
pub(crate) const SANDBOX_IMAGE: &str = "lab.local/pause:1";
const REGISTRY_PAUSE: &str = "registry.k8s.io/pause:3.10";
/// Name of the image that checks run in pods; made and found like the sandbox image.
pub(crate) const TEST_IMAGE: &str = "lab.local/busybox:1";
const REGISTRY_BUSYBOX: &str = "registry.k8s.io/e2e-test-images/busybox:1.36.1-1";
/// Container images that every worker needs, and what registries call them.
pub const IMAGES: &[(&str, &str)] =
    &[(SANDBOX_IMAGE, REGISTRY_PAUSE), (TEST_IMAGE, REGISTRY_BUSYBOX)];

pub(crate) const STAGE: Stage = Stage {
    name: "runtime",
    title: "Container runtime",
    why: "The kubelet starts no container itself: containerd does, through runc and the CNI plugins.",
    after: &[After::SameNode("os")],
    nodes: |lab| lab.with_pods().collect(),
    steps,
    retire: Retire::WithData(&[]),
    units: &["containerd.service"],
    checks: checks::checks,
    needs: |_, _| checks::NEEDS,
    templates: templates!(
        "runtime":
        "config.toml.j2",
        "hosts.toml.j2",
        "import-images.sh.j2",
        "mirrors.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

#[derive(Serialize)]
struct Data<'a> {
    sandbox: &'a str,
    cni_bin: &'a str,
}

/// The archives on the artifact disk. The script names them, so that another one is another stage.
#[derive(Serialize)]
struct Archives<'a> {
    images: &'a BTreeSet<String>,
    digest: &'a str,
}

/// Where containerd looks first, a folder for each registry; it reads them at every pull.
fn mirrors(context: &Context<'_>) -> Result<Vec<Step>, StageError> {
    let all = &context.lab.kubernetes.mirrors;
    let folder = |registry: &str| match registry {
        mirror::ALL => format!("{MIRRORS}/_default"),
        host => format!("{MIRRORS}/{host}"),
    };
    let mut steps = Vec::new();
    for (registry, mirrors) in all {
        let text =
            context.templates.render("stages/runtime/hosts.toml.j2", &context! { mirrors })?;
        let folder = folder(registry);
        steps.push(Step::directory(&folder, 0o755));
        steps.push(Step::file(format!("{folder}/hosts.toml"), text));
    }
    // Those that the topology no longer has, known by their first line.
    let wanted: Vec<String> = all.keys().map(|registry| folder(registry)).collect();
    let data = context! { folder => MIRRORS, wanted => wanted.join(" ") };
    steps.push(Step::run(
        "forget other mirrors of lab",
        context.templates.render("stages/runtime/mirrors.sh.j2", &data)?,
    ));
    Ok(steps)
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let cni_bin = context.platform.os(&node.os).map_or("/usr/lib/cni", |os| os.cni_bin.as_str());
    let config = context
        .templates
        .render("stages/runtime/config.toml.j2", &Data { sandbox: SANDBOX_IMAGE, cni_bin })?;
    let Artifacts { images, digest, .. } = &context.platform.artifacts;
    let archives = Archives { images, digest };
    let imports = context.templates.render("stages/runtime/import-images.sh.j2", &archives)?;
    let has_mirrors = !context.lab.kubernetes.mirrors.is_empty();
    let hosts = if has_mirrors { format!(" --hosts-dir {MIRRORS}") } else { String::new() };
    let told = outside::for_command(context.lab);
    let pull = format!("{told}ctr --namespace k8s.io images pull{hosts}");
    let mut steps: Vec<Step> =
        crate::kubernetes::stage::packages(context, node, "runtime").into_iter().collect();
    steps.push(Step::file("/etc/containerd/config.toml", config));
    steps.extend(mirrors(context)?);
    steps.push(match outside::for_service(context)? {
        Some(told) => Step::file(OUTSIDE, told),
        None => Step::run("have nothing between it and the outside", format!("rm -f {OUTSIDE}")),
    });
    steps.extend([
        Step::unit("containerd.service"),
        Step::Wait(Wait {
            optional: false,
            title: "containerd answers".into(),
            probe: "ctr version >/dev/null".into(),
            timeout: 120,
            hint: "journalctl -u containerd -n 30 --no-pager".into(),
        }),
        Step::Run(Run {
            transient: false,
            title: "import the image archives that are at hand".into(),
            unless: None,
            script: imports,
        }),
        Step::Run(Run {
            transient: false,
            title: format!("have the sandbox image {SANDBOX_IMAGE}"),
            unless: Some(format!(
                "ctr --namespace k8s.io images list --quiet | grep -qx {SANDBOX_IMAGE}"
            )),
            script: format!(
                "{pull} {REGISTRY_PAUSE} >/dev/null\n\
                 ctr --namespace k8s.io images tag {REGISTRY_PAUSE} {SANDBOX_IMAGE}\n"
            ),
        }),
        Step::run_unless(
            format!("ctr --namespace k8s.io images list --quiet | grep -qx {TEST_IMAGE}"),
            format!(
                "have the image {TEST_IMAGE} that `lab verify` tries things with, if it can be had"
            ),
            format!(
                "{pull} {REGISTRY_BUSYBOX} >/dev/null &&\n\
                 ctr --namespace k8s.io images tag {REGISTRY_BUSYBOX} {TEST_IMAGE} || true\n"
            ),
        ),
    ]);
    Ok(steps)
}
