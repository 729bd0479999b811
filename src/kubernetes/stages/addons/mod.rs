//! `addons`: what is installed on the cluster itself, through its API. CoreDNS is the first; another
//! one is a manifest beside it and a line in [`ADDONS`].

mod checks;

use serde::Serialize;

use crate::kubernetes::stage::{After, Context, KUBECTL, Stage, StageError};
use crate::kubernetes::step::{Step, Wait};
use crate::model::{Lab, Node, Platform, Role};

pub(crate) const STAGE: Stage = Stage {
    name: "addons",
    title: "Add-ons",
    why: "Pods find services by name only when the cluster has a DNS server of its own.",
    after: &[After::AllNodes("control-plane"), After::AllNodes("worker")],
    nodes: |lab| lab.with_role(Role::ControlPlane).take(1).collect(),
    steps,
    lacks: lacks_dns,
    // Its files are those of the control plane.
    checks: checks::checks,
    templates: templates!(
        "addons":
        "cluster-dns-up.sh.j2",
        "coredns.yaml.j2",
        "Corefile.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

fn lacks_dns(lab: &Lab, platform: &Platform) -> Option<&'static str> {
    let missing = platform.dns_image.is_none() && lab.kubernetes.has_addon("coredns");
    missing.then_some(
        "cluster DNS is left out: there is no CoreDNS image at hand, and guests have no way to a registry; \
         name a folder with its archive, LAB_IMAGES=DIR, and run `lab up` again",
    )
}

/// Every add-on: its name, and the manifest when it can be had.
const ADDONS: &[Addon] = &[Addon { name: "coredns", manifest: coredns, ready: COREDNS_READY }];

struct Addon {
    name: &'static str,
    manifest: fn(&Context<'_>) -> Result<Option<String>, StageError>,
    /// What kubectl is asked for; it works once the answer is at least 1.
    ready: &'static str,
}

const COREDNS_READY: &str =
    "-n kube-system get deployment coredns -o 'jsonpath={.status.availableReplicas}'";

#[derive(Serialize)]
struct CoreDns<'a> {
    image: &'a str,
    corefile: String,
    address: String,
    replicas: usize,
}

#[derive(Serialize)]
struct Corefile<'a> {
    lab: &'a Lab,
}

fn coredns(context: &Context<'_>) -> Result<Option<String>, StageError> {
    let Some(image) = context.platform.dns_image.as_deref() else { return Ok(None) };
    let lab = context.lab;
    let corefile = context.templates.render("stages/addons/Corefile.j2", &Corefile { lab })?;
    let data = CoreDns {
        image,
        corefile,
        address: lab.kubernetes.dns_service().to_string(),
        replicas: lab.with_role(Role::Worker).count().clamp(1, 2),
    };
    Ok(Some(context.templates.render("stages/addons/coredns.yaml.j2", &data)?))
}

fn steps(context: &Context<'_>, _node: &Node) -> Result<Vec<Step>, StageError> {
    let mut steps = Vec::new();
    for addon in ADDONS {
        let name = addon.name;
        let path = format!("/etc/kubernetes/lab/{name}.yaml");
        let wanted = context.lab.kubernetes.has_addon(name);
        let Some(manifest) = (addon.manifest)(context)?.filter(|_| wanted) else {
            // One that is wanted, and cannot be had now, may be there since it could.
            if wanted {
                continue;
            }
            steps.push(Step::run_unless(
                format!("! test -e {path}"),
                format!("have no {name}"),
                format!(
                    "{KUBECTL} delete --ignore-not-found --wait=false -f {path}\nrm -f {path}\n"
                ),
            ));
            continue;
        };
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
