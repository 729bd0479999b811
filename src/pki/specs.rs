//! Which certificates a lab needs: subject, usage and names of each, as a pure function.
//!
//! Source: the Kubernetes page "PKI certificates and requirements" and kubeadm's list; every
//! component gets a certificate and key of its own, and etcd an authority of its own.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::model::certificates::Certificates;
use crate::model::{Lab, Node, Role};

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Issuer {
    /// `kubernetes-ca`.
    Kubernetes,
    /// `etcd-ca`.
    Etcd,
    /// `kubernetes-front-proxy-ca`.
    FrontProxy,
}

impl Issuer {
    /// Name of the authority's entry in a bundle.
    pub fn entry(self) -> &'static str {
        match self {
            Issuer::Kubernetes => "ca",
            Issuer::Etcd => "etcd-ca",
            Issuer::FrontProxy => "front-proxy-ca",
        }
    }

    /// Common name of the authority.
    pub fn common_name(self) -> &'static str {
        match self {
            Issuer::Kubernetes => "kubernetes-ca",
            Issuer::Etcd => "etcd-ca",
            Issuer::FrontProxy => "kubernetes-front-proxy-ca",
        }
    }
}

/// What a certificate may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// TLS server.
    Server,
    /// TLS client.
    Client,
}

/// One leaf certificate as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeafSpec {
    /// Entry in the bundle, unique in the lab.
    pub entry: String,
    /// Who signs.
    pub issuer: Issuer,
    /// Subject CN.
    pub common_name: String,
    /// Subject O.
    pub organization: Option<String>,
    /// Extended key usages.
    pub usages: Vec<Usage>,
    /// DNS names.
    pub names: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// How long it lives, and what its subject says besides.
    #[serde(skip_serializing_if = "Certificates::is_empty")]
    pub certificates: Certificates,
}

/// Entries of the bundle by what they are for, so that no caller spells a name.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// Serving certificate of an etcd member.
    EtcdServer(&'a Node),
    /// Peer certificate of an etcd member.
    EtcdPeer(&'a Node),
    /// Health checks of etcd.
    EtcdHealth,
    /// The API server towards etcd.
    ApiServerEtcd,
    /// Serving certificate of an API server.
    ApiServer(&'a Node),
    /// The API server towards kubelets.
    ApiServerKubelet,
    /// Aggregation layer client.
    FrontProxy,
    /// Controller manager towards the API.
    ControllerManager,
    /// Serving certificate of a controller manager.
    ControllerManagerServer(&'a Node),
    /// Scheduler towards the API.
    Scheduler,
    /// Serving certificate of a scheduler.
    SchedulerServer(&'a Node),
    /// Kubelet towards the API.
    KubeletClient(&'a Node),
    /// Kubelet's own server.
    KubeletServer(&'a Node),
    /// kube-proxy.
    Proxy,
    /// Health checks of the API: may authenticate, and is allowed nothing else.
    Health,
    /// The person in charge.
    Admin,
}

impl Identity<'_> {
    /// Name of the entry in the bundle.
    pub fn entry(self) -> String {
        match self {
            Identity::EtcdServer(node) => format!("etcd-server-{}", node.name),
            Identity::EtcdPeer(node) => format!("etcd-peer-{}", node.name),
            Identity::EtcdHealth => "etcd-healthcheck-client".into(),
            Identity::ApiServerEtcd => "apiserver-etcd-client".into(),
            Identity::ApiServer(node) => format!("apiserver-{}", node.name),
            Identity::ApiServerKubelet => "apiserver-kubelet-client".into(),
            Identity::FrontProxy => "front-proxy-client".into(),
            Identity::ControllerManager => "controller-manager".into(),
            Identity::Scheduler => "scheduler".into(),
            Identity::ControllerManagerServer(node) => {
                format!("controller-manager-server-{}", node.name)
            }
            Identity::SchedulerServer(node) => format!("scheduler-server-{}", node.name),
            Identity::KubeletClient(node) => format!("kubelet-client-{}", node.name),
            Identity::KubeletServer(node) => format!("kubelet-server-{}", node.name),
            Identity::Proxy => "kube-proxy".into(),
            Identity::Health => "health".into(),
            Identity::Admin => "admin".into(),
        }
    }
}

const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Every leaf certificate of a lab.
pub fn leaf_specs(lab: &Lab) -> Vec<LeafSpec> {
    use Usage::{Client, Server};
    let mut specs = Vec::new();
    for node in lab.with_role(Role::Etcd) {
        // The member dials its own client port through the gRPC gateway, so its serving
        // certificate is used as a client's, too (etcd issue 9785).
        for identity in [Identity::EtcdServer(node), Identity::EtcdPeer(node)] {
            let mut spec = leaf(identity, Issuer::Etcd, &node.name, &[Server, Client]);
            spec.names = vec![node.name.clone(), node.fqdn.clone(), "localhost".into()];
            spec.addresses = vec![node.address, LOCALHOST];
            specs.push(spec);
        }
    }
    specs.push(leaf(Identity::EtcdHealth, Issuer::Etcd, "kube-etcd-healthcheck-client", &[Client]));
    specs.push(leaf(
        Identity::ApiServerEtcd,
        Issuer::Etcd,
        "kube-apiserver-etcd-client",
        &[Client],
    ));
    for node in lab.with_role(Role::ControlPlane) {
        specs.push(api_server(lab, node));
        specs.push(own_port(
            Identity::ControllerManagerServer(node),
            "kube-controller-manager",
            node,
        ));
        specs.push(own_port(Identity::SchedulerServer(node), "kube-scheduler", node));
    }
    let kube = |identity, name: &str| leaf(identity, Issuer::Kubernetes, name, &[Client]);
    specs.push(kube(Identity::ApiServerKubelet, "kube-apiserver-kubelet-client"));
    specs.push(leaf(Identity::FrontProxy, Issuer::FrontProxy, "front-proxy-client", &[Client]));
    specs.push(kube(Identity::ControllerManager, "system:kube-controller-manager"));
    specs.push(kube(Identity::Scheduler, "system:kube-scheduler"));
    specs.push(kube(Identity::Proxy, "system:kube-proxy").of("system:node-proxier"));
    specs.push(kube(Identity::Health, "lab:health"));
    specs.push(kube(Identity::Admin, "kubernetes-admin").of("lab:cluster-admins"));
    for node in lab.with_pods() {
        let user = format!("system:node:{}", node.name);
        specs.push(kube(Identity::KubeletClient(node), &user).of("system:nodes"));
        let mut serving = leaf(Identity::KubeletServer(node), Issuer::Kubernetes, &user, &[Server]);
        serving.names = vec![node.name.clone(), node.fqdn.clone()];
        serving.addresses = vec![node.address];
        specs.push(serving.of("system:nodes"));
    }
    for spec in &mut specs {
        spec.certificates = lab.kubernetes.certificates.clone();
    }
    specs
}

/// The certificate that may do everything: used once to bind the groups, then gone in a day.
pub fn super_admin_spec() -> LeafSpec {
    LeafSpec {
        entry: "super-admin".into(),
        issuer: Issuer::Kubernetes,
        common_name: "kubernetes-super-admin".into(),
        organization: Some("system:masters".into()),
        usages: vec![Usage::Client],
        names: Vec::new(),
        addresses: Vec::new(),
        certificates: Certificates { hours: Some(24), ..Certificates::default() },
    }
}

fn leaf(identity: Identity<'_>, issuer: Issuer, common_name: &str, usages: &[Usage]) -> LeafSpec {
    LeafSpec {
        entry: identity.entry(),
        issuer,
        common_name: common_name.into(),
        organization: None,
        usages: usages.to_vec(),
        names: Vec::new(),
        addresses: Vec::new(),
        certificates: Certificates::default(),
    }
}

impl LeafSpec {
    fn of(mut self, organization: &str) -> Self {
        self.organization = Some(organization.into());
        self
    }
}

/// For a port that only its own node reaches.
fn own_port(identity: Identity<'_>, common_name: &str, node: &Node) -> LeafSpec {
    let mut spec = leaf(identity, Issuer::Kubernetes, common_name, &[Usage::Server]);
    spec.names = vec![common_name.into(), node.name.clone(), "localhost".into()];
    spec.addresses = vec![LOCALHOST];
    spec
}

fn api_server(lab: &Lab, node: &Node) -> LeafSpec {
    let kubernetes = &lab.kubernetes;
    let mut spec =
        leaf(Identity::ApiServer(node), Issuer::Kubernetes, "kube-apiserver", &[Usage::Server]);
    spec.names =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(String::from).to_vec();
    spec.names.push(format!("kubernetes.default.svc.{}", kubernetes.cluster_domain));
    spec.names.extend([node.name.clone(), node.fqdn.clone(), "localhost".into()]);
    spec.addresses = vec![kubernetes.api_service(), node.address, LOCALHOST];
    for vip in &lab.vips {
        spec.names.extend([vip.name.clone(), format!("{}.{}", vip.name, lab.domain)]);
        spec.addresses.push(vip.address);
    }
    for name in &kubernetes.components.certificate_names {
        match name.parse() {
            Ok(address) if spec.addresses.contains(&address) => {}
            Ok(address) => spec.addresses.push(address),
            Err(_) if spec.names.contains(name) => {}
            Err(_) => spec.names.push(name.clone()),
        }
    }
    for balancer in lab.with_role(Role::LoadBalancer).filter(|other| other.name != node.name) {
        spec.names.extend([balancer.name.clone(), balancer.fqdn.clone()]);
        spec.addresses.push(balancer.address);
    }
    spec
}
