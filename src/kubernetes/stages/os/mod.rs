//! `os`: what Kubernetes asks of the operating system, and names for the other nodes.

mod checks;
mod disks;

use serde::Serialize;

use crate::kubernetes::stage::{After, Context, Stage, StageError};
use crate::kubernetes::step::{Block, Run, Step, Wait};
use crate::model::os::Family;
use crate::model::{Lab, Node};

pub(crate) const STAGE: Stage = Stage {
    name: "os",
    title: "Operating system",
    why: "Kernel modules, forwarding, no swap, host names and the disk with the binaries: every \
          later stage relies on them.",
    after: &[After::SameNode("outside")],
    nodes: |lab| lab.nodes.iter().collect(),
    begins: true,
    steps,
    units: &["opt-lab.mount"],
    checks: checks::checks,
    inspect: checks::inspect,
    info: checks::info,
    templates: templates!(
        "os":
        "clock.sh.j2",
        "disk.mount.j2",
        "disks.sh.j2",
        "dns.sh.j2",
        "fill.sh.j2",
        "host-name.sh.j2",
        "in-the-way.sh.j2",
        "mounted.sh.j2",
        "names.sh.j2",
        "near.sh.j2",
        "node-info.sh.j2",
        "opt-lab.mount.j2",
        "set-clock.sh.j2",
        "sysctl.conf.j2",
        "system.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

/// Kernel modules: overlay for container images, br_netfilter so that bridged pod traffic is seen
/// by the service rules, conntrack for them.
const MODULES: &str = "overlay\nbr_netfilter\nnf_conntrack\n";

/// A condition: nobody but files and DNS says what the own name means.
const OWN_NAME_IS_NOT_ASKED: &str = "! grep -q '^hosts:.*myhostname' /etc/nsswitch.conf";

#[derive(Serialize)]
struct Data {
    redhat: bool,
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let sysctl = context.templates.render("stages/os/sysctl.conf.j2", &())?;
    // Machines that are there have no disk of ours: they were brought the binaries.
    let artifacts = node.machine.is_guest() && context.platform.artifact_volume().is_some();
    let redhat = context.platform.os(&node.os).is_some_and(|os| os.family == Family::Redhat);
    // What `lab verify` asks with, and people, too.
    let mut steps: Vec<Step> =
        crate::kubernetes::stage::packages(context, node, "os").into_iter().collect();
    let cluster = !context.lab.kubernetes.is_none();
    if cluster {
        steps.extend([
            Step::file("/etc/modules-load.d/lab.conf", MODULES),
            Step::file("/etc/sysctl.d/90-lab.conf", sysctl),
        ]);
    }
    steps.extend([
        Step::file("/etc/systemd/journald.conf.d/lab.conf", "[Journal]\nSystemMaxUse=200M\n"),
        Step::Block(Block { path: "/etc/hosts".into(), content: hosts(context.lab) }),
        Step::Run(Run {
            transient: false,
            // It would answer the node's own name with ::1 or a link-local address, which no
            // certificate knows.
            title: "take names from /etc/hosts and DNS alone".into(),
            unless: Some(match node.machine.is_guest() {
                true => OWN_NAME_IS_NOT_ASKED.into(),
                // One of another name has nobody else who knows that.
                false => format!(
                    "test \"$(uname -n | cut -d. -f1)\" != {} || {OWN_NAME_IS_NOT_ASKED}",
                    node.name
                ),
            }),
            script: "sed -i '/^hosts:/ s/ *myhostname//' /etc/nsswitch.conf\n".into(),
        }),
    ]);
    if cluster {
        steps.extend(kernel());
    }
    if redhat && cluster {
        // Its generator would bring swap back at every boot.
        steps.push(Step::file("/etc/systemd/zram-generator.conf", ""));
    }
    if artifacts {
        let mount = context.templates.render("stages/os/opt-lab.mount.j2", &Data { redhat })?;
        steps.push(Step::file("/etc/systemd/system/opt-lab.mount", mount));
        steps.push(Step::unit("opt-lab.mount"));
    }
    if node.machine.is_guest() {
        steps.extend(disks::steps(context, node)?);
    }
    steps.push(Step::Wait(Wait {
        optional: false,
        title: "the clock is later than any certificate's first day".into(),
        probe: "test \"$(date +%s)\" -gt 1700000000".into(),
        timeout: 30,
        hint: "timedatectl".into(),
    }));
    Ok(steps)
}

/// What a kubelet asks of the kernel.
fn kernel() -> [Step; 2] {
    [
        Step::Run(Run {
            transient: false,
            title: "load kernel modules and apply kernel settings".into(),
            unless: None,
            script: "modprobe -a overlay br_netfilter nf_conntrack\nsysctl -q -p /etc/sysctl.d/90-lab.conf\n".into(),
        }),
        Step::Run(Run {
            transient: false,
            title: "turn swap off".into(),
            unless: Some("test -z \"$(swapon --show --noheadings)\"".into()),
            script: "swapoff -a\nsed -i '/\\sswap\\s/ s/^[^#]/# off: kubelet wants no swap: &/' /etc/fstab\n".into(),
        }),
    ]
}

/// Lines for /etc/hosts: every node and floating address, full name first.
pub fn hosts(lab: &Lab) -> String {
    let mut text = String::new();
    for node in &lab.nodes {
        text.push_str(&format!("{} {} {}\n", node.address, node.fqdn, node.name));
    }
    for vip in &lab.vips {
        text.push_str(&format!("{} {}.{} {}\n", vip.address, vip.name, lab.domain, vip.name));
    }
    text
}
