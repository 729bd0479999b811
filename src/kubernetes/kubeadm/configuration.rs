//! What kubeadm is told: the node, the cluster, and the configuration of kubelets and kube-proxies. Flags of
//! components are those of the hard way's units, but for what kubeadm says itself.

use minijinja::Value;
use serde::Serialize;

use crate::kubernetes::hard_way::components;
use crate::kubernetes::hard_way::control_plane::{COMPONENTS, etcd_servers, unit};
use crate::kubernetes::hard_way::worker::kubelet_configuration;
use crate::kubernetes::stage::{Context, StageError};
use crate::model::user_data::Document;
use crate::model::{Lab, Node, Role};

/// Flags that kubeadm writes by what it is told elsewhere, or that differ from node to node. Kubelets ask API
/// servers in pods for their health without a credential, so that strangers must be let as far as that.
const OWN: &[&str] = &[
    "advertise-address",
    "anonymous-auth",
    "bind-address",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "etcd-servers",
    "secure-port",
];
/// Files that the scheduler's pod does not see: kubeadm gives it nothing but its kubeconfig.
const NOT_OF_THE_SCHEDULER: &[&str] =
    &["client-ca-file", "requestheader-client-ca-file", "tls-cert-file", "tls-private-key-file"];

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    /// Version of kubeadm's API.
    api: &'a str,
    /// Flags are lists there.
    lists: bool,
    version: String,
    endpoint: String,
    /// Where pods may run beside the control plane.
    is_worker: bool,
    etcd_servers: Vec<String>,
    /// Seconds until the control plane must be there.
    patience: u32,
    api_server: Vec<Flag>,
    controller_manager: Vec<Flag>,
    scheduler: Vec<Flag>,
    /// Documents of the kubelets and of kube-proxy.
    kubelet: Value,
    proxy: Value,
}

/// A flag as YAML has it.
#[derive(Serialize)]
struct Flag {
    name: String,
    value: Value,
}

impl Flag {
    fn new(name: &str, value: &str) -> Self {
        let value = Value::from_safe_string(Document::Text(value.to_owned()).line());
        Self { name: name.to_owned(), value }
    }
}

/// Flags of a unit, those that lists have in it left out.
fn flags(unit: &str, without: &[&[&str]]) -> Vec<Flag> {
    let flag = |line: &str| {
        let line = line.strip_prefix("  --")?.trim_end_matches('\\').trim_end();
        let (name, value) = line.split_once('=')?;
        let is_own = without.iter().any(|names| names.contains(&name));
        (!is_own).then(|| Flag::new(name, value))
    };
    unit.lines().filter_map(flag).collect()
}

/// The configuration for `node`, a controller: init on the first, and phases on all.
pub(super) fn of_cluster(context: &Context<'_>, node: &Node) -> Result<String, StageError> {
    let (lab, platform) = (context.lab, context.platform);
    let capabilities = platform.version.capabilities();
    let [api_server, controller_manager, scheduler] =
        COMPONENTS.map(|component| unit(context, node, component));
    let local = || Flag::new("bind-address", "127.0.0.1");
    let mut api_server = flags(&api_server?, &[OWN]);
    // Nodes come with a certificate: there is nothing to overhear by which one could join.
    api_server.push(Flag::new("enable-bootstrap-token-auth", "false"));
    let mut controller_manager = flags(&controller_manager?, &[OWN]);
    controller_manager.push(local());
    let mut scheduler = flags(&scheduler?, &[OWN, NOT_OF_THE_SCHEDULER]);
    scheduler.push(local());
    let data = Data {
        lab,
        node,
        api: capabilities.kubeadm,
        lists: capabilities.kubeadm_lists,
        version: platform.version.to_string(),
        endpoint: endpoint(lab)?,
        is_worker: node.is(Role::Worker),
        etcd_servers: etcd_servers(lab),
        patience: patience(context),
        api_server,
        controller_manager,
        scheduler,
        // Ours from end to end, and written by the escaper of YAML where a topology says something.
        kubelet: Value::from_safe_string(kubelet_configuration(context)?),
        proxy: Value::from_safe_string(of_proxy(lab)),
    };
    Ok(context.templates.render("stages/kubeadm/configuration.yaml.j2", &data)?)
}

/// Seconds until what kubeadm starts must be there.
fn patience(context: &Context<'_>) -> u32 {
    if context.platform.acceleration.is_emulated() { 1800 } else { 600 }
}

/// Where clients find the API.
pub(super) fn endpoint(lab: &Lab) -> Result<String, StageError> {
    let address = lab
        .api_endpoint()
        .ok_or_else(|| StageError("find an API server: the lab has no controller".into()))?;
    Ok(format!("{address}:{}", lab.kubernetes.api_port))
}

fn of_proxy(lab: &Lab) -> String {
    let own = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: {}\n\
         metricsBindAddress: 127.0.0.1:{}\nmode: iptables\n",
        lab.kubernetes.pod_cidr,
        crate::model::port::KUBE_PROXY_METRICS
    );
    let told = &lab.kubernetes.components;
    components::with_fields(&own, &told.kube_proxy, &told.feature_gates)
}

#[derive(Serialize)]
struct Join<'a> {
    lab: &'a Lab,
    node: &'a Node,
    api: &'a str,
    lists: bool,
    discovery: &'a str,
    is_controller: bool,
    is_worker: bool,
    patience: u32,
}

/// The configuration by which `node` joins, finding the cluster by the kubeconfig at `discovery`.
pub(super) fn of_join(
    context: &Context<'_>,
    node: &Node,
    discovery: &str,
) -> Result<String, StageError> {
    let capabilities = context.platform.version.capabilities();
    let data = Join {
        lab: context.lab,
        node,
        api: capabilities.kubeadm,
        lists: capabilities.kubeadm_lists,
        discovery,
        is_controller: node.is(Role::ControlPlane),
        is_worker: node.is(Role::Worker),
        patience: patience(context),
    };
    Ok(context.templates.render("stages/kubeadm/join.yaml.j2", &data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_a_unit() {
        let unit = "[Service]\nExecStart=/x/kube-apiserver \\\n  --a=1 \\\n  --secure-port=6443 \\\n  --b=x,y=z\nRestart=always\n";
        let found = flags(unit, &[OWN]);
        let found: Vec<String> =
            found.iter().map(|flag| format!("{}={}", flag.name, flag.value)).collect();
        assert_eq!(found, ["a=\"1\"", "b=\"x,y=z\""]);
    }
}
