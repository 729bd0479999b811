//! `worker`: the kubelet and kube-proxy.

pub(crate) mod checks;

use serde::Serialize;

use crate::kubernetes::hard_way::components;
use crate::kubernetes::stage::{After, Context, Duty, Retire, Stage, StageError, Turns};
use crate::kubernetes::step::{Step, Wait};
use crate::model::version::Capabilities;
use crate::model::{Lab, Node, Role, port};
use crate::pki::{Identity, Issuer, kubeconfig};

/// What a kubelet that does not come up has to say.
const JOURNAL: &str = "journalctl -u kubelet -n 30 --no-pager";

pub(crate) const STAGE: Stage = Stage {
    name: "worker",
    title: "Worker",
    why: "The kubelet starts the pods that were scheduled to its node; kube-proxy leads service \
          addresses to them.",
    // A kubelet without an API asks ten times a second whether it is there yet, and so takes from API
    // servers the processors that they start on.
    after: &[
        After::SameNode("runtime"),
        After::SameNode("pod-network"),
        After::AllNodes("control-plane"),
        After::AllNodes("load-balancer"),
    ],
    nodes: |lab| lab.with_role(Role::Worker).collect(),
    steps,
    turns: Turns::Joining,
    duties: &[Duty::Pods],
    // What the kubelet and kube-proxy wrote beside what they were given.
    retire: Retire::WithData(&["/var/lib/kubelet/pki", "/var/lib/kube-proxy"]),
    units: &["kubelet.service", "kube-proxy.service"],
    checks: checks::checks,
    needs: |_, _| checks::NEEDS,
    inspect: checks::inspect,
    info: checks::info,
    templates: templates!(
        "worker":
        "api-endpoint.sh.j2",
        "control-groups.sh.j2",
        "kube-proxy.service.j2",
        "kube-proxy.yaml.j2",
        "kubelet.service.j2",
        "kubelet.yaml.j2",
        "modules.sh.j2",
        "node-ready.sh.j2",
        "nodes-ready.sh.j2",
        "swap.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    emulated: bool,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Configuration<'a> {
    lab: &'a Lab,
    ciphers: Vec<&'a str>,
    dns: String,
    max_pods: u64,
    capabilities: Capabilities,
}

/// The configuration that all kubelets have, with the fields of the topology.
pub(crate) fn kubelet_configuration(context: &Context<'_>) -> Result<String, StageError> {
    let lab = context.lab;
    let data = Configuration {
        lab,
        ciphers: ciphers(),
        max_pods: lab.kubernetes.max_pods(),
        dns: lab.kubernetes.dns_service().to_string(),
        capabilities: context.platform.version.capabilities(),
    };
    let text = context.templates.render("stages/worker/kubelet.yaml.j2", &data)?;
    let told = &lab.kubernetes.components;
    Ok(components::with_fields(&text, &told.kubelet, &told.feature_gates))
}

/// Of the cipher suites those that the CIS Benchmark lists for kubelets (4.2.12), by the names it has for
/// them: that of ChaCha20 is an old one of Go's.
fn ciphers() -> Vec<&'static str> {
    crate::kubernetes::hard_way::etcd::CIPHERS
        .split(',')
        .filter(|suite| !suite.contains("CHACHA20"))
        .collect()
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let (lab, bundle) = (context.lab, context.bundle);
    let Some(endpoint) = lab.api_endpoint() else {
        return Err(StageError(
            "find an API server for the worker: the lab has no controller".into(),
        ));
    };
    let server = format!("https://{endpoint}:{}", lab.kubernetes.api_port);
    let ca = bundle.ca(Issuer::Kubernetes)?;
    let data = Data {
        lab,
        node,
        emulated: context.platform.acceleration.is_emulated(),
        capabilities: context.platform.version.capabilities(),
    };
    let render = |name: &str| context.templates.render(&format!("stages/worker/{name}.j2"), &data);
    let told = &lab.kubernetes.components;
    let gates = &told.feature_gates;
    let kubelet = components::with_flags(render("kubelet.service")?, told, "kubelet");
    let kubelet_config = kubelet_configuration(context)?;
    let proxy_config =
        components::with_fields(&render("kube-proxy.yaml")?, &told.kube_proxy, gates);
    let user = format!("system:node:{}", node.name);
    let client = bundle.pair(Identity::KubeletClient(node))?;
    let serving = bundle.pair(Identity::KubeletServer(node))?;
    let proxy = bundle.pair(Identity::Proxy)?;
    let config = |user: &str, pair| kubeconfig(&lab.name, &server, &ca, user, pair);

    let mut steps: Vec<Step> = ["kubelet", "kube-proxy", "kubectl"]
        .iter()
        .filter_map(|name| crate::kubernetes::stage::binary(context, name).1)
        .collect();
    steps.extend([
        Step::directory("/etc/kubernetes", 0o755),
        Step::directory("/var/lib/kubelet/pki", 0o755),
        Step::directory("/var/lib/kube-proxy", 0o755),
        Step::file("/etc/kubernetes/pki/ca.crt", &ca),
        Step::file("/var/lib/kubelet/pki/kubelet.crt", &serving.certificate),
        Step::secret("/var/lib/kubelet/pki/kubelet.key", &serving.key),
        Step::secret("/var/lib/kubelet/kubeconfig", config(&user, client)),
        Step::private("/var/lib/kubelet/config.yaml", kubelet_config),
        Step::secret("/var/lib/kube-proxy/kubeconfig", config("system:kube-proxy", proxy)),
        Step::private("/var/lib/kube-proxy/config.conf", proxy_config),
        Step::private("/etc/systemd/system/kubelet.service", kubelet),
        Step::private("/etc/systemd/system/kube-proxy.service", render("kube-proxy.service")?),
        Step::unit("kubelet.service"),
        Step::unit("kube-proxy.service"),
    ]);
    steps.extend(kubelet_serves(node, "/var/lib/kubelet/kubeconfig"));
    Ok(steps)
}

/// The kubelet answers, and Kubernetes knows the node, asked with the kubelet's own kubeconfig.
pub(crate) fn kubelet_serves(node: &Node, kubeconfig: &str) -> [Step; 2] {
    [
        Step::Wait(Wait {
            optional: false,
            title: "the kubelet answers".into(),
            probe: format!(
                "curl -fsS http://127.0.0.1:{}/healthz >/dev/null 2>&1",
                port::KUBELET_HEALTH
            ),
            timeout: 300,
            hint: JOURNAL.into(),
        }),
        Step::Wait(Wait {
            // An API that is away for now does not undo what was done here.
            optional: true,
            title: format!("Kubernetes knows {}", node.name),
            probe: format!(
                "kubectl --kubeconfig={kubeconfig} get --raw=/api/v1/nodes/{} >/dev/null 2>&1",
                node.name
            ),
            timeout: 300,
            hint: JOURNAL.into(),
        }),
    ]
}
