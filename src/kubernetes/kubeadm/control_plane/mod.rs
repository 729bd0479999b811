//! `control-plane`, by kubeadm: API server, controller manager and scheduler in pods of the kubelet's own.

mod checks;

use minijinja::context;

use crate::kubernetes::hard_way::control_plane::{
    self, COMPONENTS, bound, certificates, config, directories, kubeconfigs, leaves_room, server,
};
use crate::kubernetes::kubeadm::configuration::{of_cluster, of_join};
use crate::kubernetes::kubeadm::kubelet::{DISCOVERY, JOIN};
use crate::kubernetes::kubeadm::{images, kubelet};
use crate::kubernetes::stage::{After, Context, Duty, KUBECTL, Retire, Stage, StageError, Turns};
use crate::kubernetes::stages::outside;
use crate::kubernetes::step::{Kept, Step, Wait, fingerprint};
use crate::model::{Node, Role};
use crate::pki::{Identity, Issuer, kubeconfig};
use crate::render::sha256;

pub(super) const STAGE: Stage = Stage {
    name: "control-plane",
    title: "Control plane",
    why: "kubeadm writes the manifests of API server, controller manager and scheduler; the kubelet starts \
          them as pods, without an API.",
    after: &[After::SameNode("runtime"), After::AllNodes("etcd")],
    nodes: |lab| lab.with_role(Role::ControlPlane).collect(),
    steps,
    turns: Turns::Rolling,
    // Its kubelet runs pods, kube-proxy among them.
    duties: &[Duty::Api, Duty::Pods],
    serves: Some(control_plane::checks::READY),
    retire: Retire::WithData(&[
        "/etc/kubernetes/manifests",
        "/etc/kubernetes/lab",
        "/etc/kubernetes/kubeadm",
    ]),
    units: &["kubelet.service"],
    checks: checks::checks,
    needs: |_, _| checks::NEEDS,
    inspect: checks::inspect,
    info: checks::info,
    page: include_str!("page.md"),
    ..control_plane::STAGE
};

/// What kubeadm is told of the cluster.
const FILE: &str = "/etc/kubernetes/kubeadm/kubeadm.yaml";
/// Changes to manifests that count for this node alone, in kubeadm's own form.
const PATCHES: &str = "/etc/kubernetes/kubeadm/patches";
/// Of what kubeadm, and the cluster, were told last, of the manifests as they were then, and of the files that
/// pods read. kubeadm is not run for other files alone: while an authority is rotated it would not take them.
const DONE: &str = "/etc/kubernetes/kubeadm/kubeadm.sum";
const TOLD: &str = "/etc/kubernetes/kubeadm/cluster.sum";
const SUMS: &str = "/etc/kubernetes/kubeadm/manifests.sums";
const READ: &str = "/etc/kubernetes/kubeadm/files.sum";

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let first = context.lab.with_role(Role::ControlPlane).next();
    let first = first.filter(|first| first.name != node.name);
    let mut steps = kubelet::files(context, node)?;
    steps.extend(directories());
    let mut read = certificates(context, node)?;
    read.extend(config::files(context)?);
    read.extend(kubeconfigs(context, node)?);
    let files = fingerprint(&read);
    read.extend(super_admin(context, node)?);
    steps.extend(read);
    let configuration = of_cluster(context, node)?;
    let patch = patch(context, node);
    let sum = sha256(&format!("{configuration}{patch}"));
    steps.extend([
        Step::private(FILE, configuration),
        Step::directory(PATCHES, 0o700),
        Step::private(format!("{PATCHES}/kube-apiserver0+json.yaml"), patch),
    ]);
    let images = images::of(context.platform.version);
    let told = outside::for_command(context.lab);
    let data = context! { images, told };
    let images = context.templates.render("stages/kubeadm/images.sh.j2", &data)?;
    steps.push(Step::run("have the images of the control plane", images));
    if let Some(first) = first {
        steps.extend(found(context, node, first)?);
    }
    let option = context.platform.version.capabilities().kubeadm_patches;
    let patches = format!(" {option}={PATCHES}");
    let data = context! {
        files, patches, sum => &sum, is_first => first.is_none(), components => COMPONENTS,
        configured => kubelet::configured(),
        file => FILE, join => JOIN, done => DONE, told => TOLD, sums => SUMS, read => READ,
    };
    let render =
        |name: &str| context.templates.render(&format!("stages/kubeadm/{name}.sh.j2"), &data);
    steps.extend(match first {
        None => set_up("kubeadm init", render("init")?, &sum),
        Some(_) => set_up("kubeadm join, as a controller", render("join-control-plane")?, &sum),
    });
    steps.extend(bound(context, node)?);
    steps.push(Step::run_unless(
        format!("grep -qsx {sum} {TOLD}"),
        "tell the cluster how it is set up",
        render("upload")?,
    ));
    steps.extend(kept(render("manifests")?));
    steps.extend(kubelet::runs(node));
    Ok(steps)
}

/// kubeadm's own run, unless it was told the same before.
fn set_up(title: &str, script: String, sum: &str) -> [Step; 3] {
    let manifests = COMPONENTS.map(|name| format!("test -e /etc/kubernetes/manifests/{name}.yaml"));
    [
        Step::run_unless(
            format!("grep -qsx {sum} {DONE} && {}", manifests.join(" && ")),
            title,
            script,
        ),
        kubelet::forget(),
        Step::Wait(Wait {
            optional: false,
            title: "the API server is ready".into(),
            probe: "kubectl --kubeconfig=/etc/kubernetes/controller-manager.conf get --raw=/healthz >/dev/null 2>&1".into(),
            timeout: 600,
            hint: "journalctl -u kubelet -n 20 --no-pager; ctr -n k8s.io images list -q | grep kube-".into(),
        }),
    ]
}

/// The manifests stay as they are, and the pods are theirs.
fn kept(script: String) -> [Step; 2] {
    let question = format!(
        "if {} >/dev/null 2>&1; then echo as written; else echo changed; fi",
        checks::AS_WRITTEN
    );
    [
        Step::Kept(Kept {
            what: "manifests of the control plane".into(),
            script,
            question,
            wanted: vec!["as written".into()],
        }),
        Step::Wait(Wait {
            optional: false,
            title: "the API server still is".into(),
            probe: control_plane::checks::READY.into(),
            timeout: 300,
            hint: format!("{KUBECTL} get --raw='/readyz?verbose' 2>&1 | tail -n 30"),
        }),
    ]
}

/// kubeadm wants it to be there; it opens no more than the administrator's own.
fn super_admin(context: &Context<'_>, node: &Node) -> Result<Option<Step>, StageError> {
    if !context.platform.version.capabilities().kubeadm_super_admin {
        return Ok(None);
    }
    let (ca, pair) =
        (context.bundle.ca(Issuer::Kubernetes)?, context.bundle.pair(Identity::Admin)?);
    let (lab, server) = (context.lab, server(context.lab, node));
    let text = kubeconfig(&lab.name, &server, &ca, "kubernetes-admin", pair);
    Ok(Some(Step::secret("/etc/kubernetes/super-admin.conf", text)))
}

/// A controller that joins finds the cluster at the first one, by its own certificate.
fn found(context: &Context<'_>, node: &Node, first: &Node) -> Result<[Step; 3], StageError> {
    let server = server(context.lab, first);
    let discovery = kubelet::discovery(context, node, &server)?;
    let ask = |what: &str| {
        format!(
            "kubectl --kubeconfig={DISCOVERY} --request-timeout=20s -n kube-system get configmap {what} >/dev/null 2>&1"
        )
    };
    Ok([
        Step::private(JOIN, of_join(context, node, DISCOVERY)?),
        Step::secret(DISCOVERY, discovery).transient(kubelet::CONFIGURED),
        Step::Wait(Wait {
            optional: false,
            title: format!("{} has told the cluster how it is set up", first.name),
            probe: format!("{{ {}; }} || {}", kubelet::CONFIGURED, ask("kubeadm-config")),
            timeout: 900,
            hint: format!("echo 'on {}: journalctl -u kubelet'", first.name),
        }),
    ])
}

/// A JSON patch of the API server's manifest. Where another program has the API's port at a floating address,
/// the server takes the node's own address alone. Asked to stop, it waits for watches, as long as for its longest
/// request: who watches begins anew with another one.
fn patch(context: &Context<'_>, node: &Node) -> String {
    let seconds = if context.platform.acceleration.is_emulated() { 30 } else { 10 };
    let mut patch =
        format!("- {{op: add, path: /spec/terminationGracePeriodSeconds, value: {seconds}}}\n");
    if leaves_room(context.lab, node) {
        patch += &format!(
            "- {{op: add, path: /spec/containers/0/command/-, value: --bind-address={}}}\n",
            node.address
        );
    }
    patch
}
