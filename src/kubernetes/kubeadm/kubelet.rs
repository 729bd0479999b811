//! The kubelet of a node, by which kubeadm starts everything else: binaries, unit, who it is.

use minijinja::Value;
use serde::Serialize;

use crate::kubernetes::hard_way::components;
use crate::kubernetes::hard_way::control_plane::server as own_server;
use crate::kubernetes::hard_way::worker::kubelet_serves;
use crate::kubernetes::kubeadm::configuration::endpoint;
use crate::kubernetes::stage::{Context, StageError, binary};
use crate::kubernetes::step::{Run, Step};
use crate::model::version::Capabilities;
use crate::model::{Lab, Node, Role};
use crate::pki::{Identity, Issuer, base64, kubeconfig};

/// By what the kubelet logs in.
pub(super) const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// What a join leaves that was killed.
const BOOTSTRAP: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
/// Where kubelets that renew their certificate by themselves have it, too.
const CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/// Succeeds where kubeadm has configured the kubelet: from then on Kubernetes may know the node, and it does not join
/// again.
pub(super) const CONFIGURED: &str =
    "test -e /var/lib/kubelet/config.yaml && test -e /var/lib/kubelet/kubeadm-flags.env";
/// How a node joins.
pub(super) const JOIN: &str = "/etc/kubernetes/kubeadm/join.yaml";
/// By what it finds the cluster then.
pub(super) const DISCOVERY: &str = "/run/lab/discovery.conf";

#[derive(Serialize)]
struct Unit<'a> {
    node: &'a Node,
    emulated: bool,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Login<'a> {
    cluster: &'a str,
    server: &'a str,
    authority: String,
    user: String,
    client: &'a str,
}

/// Where a kubelet asks the API: at the node's own where there is one, so that a controller depends on no other.
pub(super) fn server(lab: &Lab, node: &Node) -> Result<String, StageError> {
    match node.is(Role::ControlPlane) {
        true => Ok(own_server(lab, node)),
        false => Ok(format!("https://{}", endpoint(lab)?)),
    }
}

/// Its programs and files, the same in every stage of a node. It runs once kubeadm has configured it.
pub(super) fn files(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let (lab, bundle) = (context.lab, context.bundle);
    let server = &server(lab, node)?;
    let ca = bundle.ca(Issuer::Kubernetes)?;
    let client = bundle.pair(Identity::KubeletClient(node))?;
    let serving = bundle.pair(Identity::KubeletServer(node))?;
    let emulated = context.platform.acceleration.is_emulated();
    let capabilities = context.platform.version.capabilities();
    let unit = context
        .templates
        .render("stages/kubeadm/kubelet.service.j2", &Unit { node, emulated, capabilities })?;
    let login = Login {
        cluster: &lab.name,
        server,
        authority: base64(ca.as_bytes()),
        user: user(node),
        client: CLIENT,
    };
    let login = context.templates.render("stages/kubeadm/kubelet.conf.j2", &login)?;
    let binaries = ["kubelet", "kubeadm", "kubectl"];
    let mut steps: Vec<Step> = binaries.iter().filter_map(|name| binary(context, name).1).collect();
    steps.extend([
        Step::directory("/etc/kubernetes", 0o755),
        Step::directory("/etc/kubernetes/manifests", 0o700),
        Step::directory("/etc/kubernetes/kubeadm", 0o700),
        Step::directory("/etc/kubernetes/pki", 0o755),
        Step::directory("/var/lib/kubelet", 0o755),
        Step::directory("/var/lib/kubelet/pki", 0o755),
        Step::directory("/run/lab", 0o700),
        Step::file("/etc/kubernetes/pki/ca.crt", &ca),
        Step::secret(CLIENT, format!("{}{}", client.certificate, client.key)),
        Step::file("/var/lib/kubelet/pki/kubelet.crt", &serving.certificate),
        Step::secret("/var/lib/kubelet/pki/kubelet.key", &serving.key),
        Step::secret(KUBECONFIG, login),
        Step::private(
            "/etc/systemd/system/kubelet.service",
            components::with_flags(unit, &lab.kubernetes.components, "kubelet"),
        ),
        Step::Run(Run {
            title: "have the kubelet start with the node".into(),
            unless: Some("systemctl is-enabled --quiet kubelet.service".into()),
            script: "systemctl daemon-reload\nsystemctl enable --quiet kubelet.service\n".into(),
            transient: true,
        }),
    ]);
    Ok(steps)
}

/// How nodes are called in certificates.
fn user(node: &Node) -> String {
    format!("system:node:{}", node.name)
}

/// A kubeconfig of the node's with all that it needs inside, for kubeadm to find the cluster by.
pub(super) fn discovery(
    context: &Context<'_>,
    node: &Node,
    server: &str,
) -> Result<String, StageError> {
    let ca = context.bundle.ca(Issuer::Kubernetes)?;
    let pair = context.bundle.pair(Identity::KubeletClient(node))?;
    Ok(kubeconfig(&context.lab.name, server, &ca, &user(node), pair))
}

/// It runs, with its current files, and Kubernetes knows the node.
pub(super) fn runs(node: &Node) -> Vec<Step> {
    let unit = [Step::unit("kubelet.service")].into_iter();
    unit.chain(kubelet_serves(node, KUBECONFIG)).collect()
}

/// Once joined, a node needs no more what it found the cluster by.
pub(super) fn forget() -> Step {
    Step::run("remove what the cluster was found by", format!("rm -f {DISCOVERY} {BOOTSTRAP}\n"))
}

/// [`CONFIGURED`] for templates: ours from end to end.
pub(super) fn configured() -> Value {
    Value::from_safe_string(CONFIGURED.to_owned())
}
