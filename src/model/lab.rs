//! The lab as everything above the model sees it: resolved, checked, free of file syntax.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::model::addon::Used;
use crate::model::certificates::Certificates;
use crate::model::components::Components;
use crate::model::disk::Disk;
use crate::model::mirror::Mirrors;
use crate::model::network::Network;
use crate::model::opening::Opening;
use crate::model::options::Options;
use crate::model::outside::Outside;
use crate::model::own_image::OwnImage;
use crate::model::port;
use crate::model::role::Role;
use crate::model::ssh::Ssh;
use crate::model::taint::{Taint, Told};
use crate::model::user_data::UserData;
use crate::model::version::Version;
use crate::model::word::words;

/// A whole lab: one network, its nodes, what runs on them.
#[derive(Clone, Debug, Serialize)]
pub struct Lab {
    /// Short name; prefixes every object.
    pub name: String,
    /// Stable id, see [`crate::model::name::lab_id`].
    pub id: Uuid,
    /// DNS domain of the nodes.
    pub domain: String,
    /// The nodes' network.
    pub network: Network,
    /// Nodes in file order. Templates get the one they are about, or ask for all: hundreds of them in every
    /// document would be too much.
    #[serde(skip)]
    pub nodes: Vec<Node>,
    /// Floating addresses in file order.
    pub vips: Vec<Vip>,
    /// What is bootstrapped.
    pub kubernetes: Kubernetes,
    /// Login.
    pub ssh: Ssh,
    /// Images of a person's own, by name.
    #[serde(skip)]
    pub images: BTreeMap<String, OwnImage>,
    /// True where nodes let nobody reach what no stage opens.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub firewall: bool,
    /// What is between the nodes and the outside.
    #[serde(skip_serializing_if = "Outside::is_plain")]
    pub outside: Outside,
    /// How the lab runs.
    pub options: Options,
}

/// What a node stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// A guest that is made for it, with disk and network.
    #[default]
    Guest,
    /// A machine that is there anyway. What a guest would be made from says nothing about it.
    Existing,
}

impl Machine {
    /// True for guests.
    pub fn is_guest(&self) -> bool {
        *self == Self::Guest
    }
}

/// One node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Host name without domain.
    pub name: String,
    /// Host name with domain.
    pub fqdn: String,
    /// What it stands on.
    #[serde(skip_serializing_if = "Machine::is_guest")]
    pub machine: Machine,
    /// Name of the libvirt domain.
    pub domain: String,
    /// Stable id of the node, and of its libvirt domain.
    pub uuid: Uuid,
    /// What the node does; never empty.
    pub roles: BTreeSet<Role>,
    /// Static address.
    pub address: Ipv4Addr,
    /// MAC address, lower case.
    pub mac: String,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in bytes.
    pub disk_bytes: u64,
    /// Further disks, in file order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// The model of its processors, where the topology says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// What a person adds to its definition, elements of a libvirt domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xml: Option<String>,
    /// Operating system, a name of the catalogue.
    pub os: String,
    /// Addresses of this node's pods, on workers.
    pub pod_subnet: Option<Ipv4Net>,
    /// What a person gives cloud-init besides.
    #[serde(serialize_with = "shared")]
    pub user_data: Arc<UserData>,
    /// What Kubernetes is told of it, where it has a kubelet.
    #[serde(skip_serializing_if = "Told::is_empty")]
    pub told: Told,
    /// Ports that its firewall opens besides those of its stages.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub open_ports: BTreeSet<Opening>,
    /// The public key that the SSH server of an existing machine shows, OpenSSH format; `None` where a
    /// known_hosts file says it.
    #[serde(skip)]
    pub host_key: Option<String>,
}

/// A floating address.
#[derive(Clone, Debug, Serialize)]
pub struct Vip {
    /// Name; resolves to the address on every node.
    pub name: String,
    /// The address.
    pub address: Ipv4Addr,
    /// Whose nodes hold it.
    pub role: Role,
    /// VRRP virtual router id, unique among the labs of the computer.
    pub router_id: u8,
    /// True when the topology itself says the id.
    pub router_id_given: bool,
}

words! {
    /// How pods reach pods of other nodes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum PodNetwork {
        /// A plain route per worker on every node.
        Routed = "routed",
        /// VXLAN between the nodes.
        Overlay = "overlay",
    }
}

words! {
    /// What pods may ask for in namespaces that say nothing: a level of the Pod Security Standards.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum PodSecurity {
        /// Everything.
        Privileged = "privileged",
        /// Nothing by which a pod takes over its node.
        Baseline = "baseline",
        /// What a hardened pod needs, and no more.
        Restricted = "restricted",
    }
}

/// Node ports that the load balancers' web ports lead to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ingress {
    /// For port 80.
    pub http: u16,
    /// For port 443.
    pub https: u16,
}

/// The flavour of labs that are machines alone: `kubernetes: none`.
pub const NO_KUBERNETES: &str = "none";

/// The flavour of labs whose control plane runs in pods, set up by kubeadm.
pub const KUBEADM: &str = "kubeadm";

/// What is bootstrapped on the nodes.
#[derive(Clone, Debug, Serialize)]
pub struct Kubernetes {
    /// How it is set up, see [`crate::kubernetes::FLAVOURS`].
    pub flavour: String,
    /// Version the topology asks for; `None` leaves it to the artifacts.
    pub version: Option<Version>,
    /// Addresses of services.
    pub service_cidr: Ipv4Net,
    /// Addresses of pods.
    pub pod_cidr: Ipv4Net,
    /// Where API servers listen, and what balances them.
    #[serde(skip)]
    pub api_port: u16,
    /// Prefix length of a worker's pod subnet.
    pub node_mask: u8,
    /// How pods reach pods of other nodes.
    pub pod_network: PodNetwork,
    /// What pods may ask for, outside of kube-system.
    pub pod_security: PodSecurity,
    /// True when the computer itself gets routes to the pods.
    pub host_routes: bool,
    /// Floating address that clients of the API use, when the topology says one.
    pub endpoint: Option<String>,
    /// Where web traffic goes.
    pub ingress: Ingress,
    /// What is installed on the cluster, each after those that it needs.
    pub addons: Vec<Used>,
    /// What is said of certificates.
    #[serde(skip_serializing_if = "Certificates::is_empty")]
    pub certificates: Certificates,
    /// How its components differ from what lab gives all of them.
    #[serde(skip_serializing_if = "Components::is_empty")]
    pub components: Components,
    /// Domain of services.
    pub cluster_domain: String,
    /// Where images are looked for first.
    #[serde(skip_serializing_if = "Mirrors::is_empty")]
    pub mirrors: Mirrors,
    /// Folder of binaries, relative to the topology file.
    pub artifacts: Option<String>,
    /// File with logins of registries, relative to the topology file.
    #[serde(skip)]
    pub registry_logins: Option<String>,
}

impl Lab {
    /// Nodes with a role, in file order.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.roles.contains(&role))
    }

    /// Nodes that run pods, in file order.
    pub fn with_pods(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| self.kubernetes.has_pods(&node.roles))
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The address that clients of the API use: the floating address that the topology names, else
    /// the controllers' own one, else the load balancers', else a load balancer, else a controller.
    pub fn api_endpoint(&self) -> Option<Ipv4Addr> {
        let named = self.kubernetes.endpoint.as_ref();
        let floating = |role| self.vips.iter().find(move |vip| vip.role == role);
        self.vips
            .iter()
            .find(|vip| Some(&vip.name) == named)
            .or_else(|| floating(Role::ControlPlane))
            .or_else(|| floating(Role::LoadBalancer))
            .map(|vip| vip.address)
            .or_else(|| Some(self.with_role(Role::LoadBalancer).next()?.address))
            .or_else(|| Some(self.with_role(Role::ControlPlane).next()?.address))
    }

    /// Floating addresses that `node` may hold.
    pub fn vips_of<'l>(&'l self, node: &'l Node) -> impl Iterator<Item = &'l Vip> {
        self.vips.iter().filter(|vip| node.is(vip.role))
    }

    /// Addresses of the nodes that settle with `node` who holds a floating address.
    pub fn rivals_of(&self, node: &Node) -> BTreeSet<Ipv4Addr> {
        let holders = self.vips_of(node).flat_map(|vip| self.with_role(vip.role));
        holders.filter(|other| other.name != node.name).map(|other| other.address).collect()
    }

    /// Routes that the computer itself has to the workers' pods, when asked for.
    pub fn host_routes(&self) -> BTreeMap<Ipv4Net, Ipv4Addr> {
        let with_pods = self.with_pods().filter(|_| self.kubernetes.host_routes);
        with_pods.filter_map(|node| Some((node.pod_subnet?, node.address))).collect()
    }

    /// Operating systems that guests are made with, each once.
    pub fn systems(&self) -> BTreeSet<&str> {
        self.guests().map(|node| node.os.as_str()).collect()
    }

    /// Nodes that stand on guests.
    pub fn guests(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.machine.is_guest())
    }

    /// Nodes that stand on machines which are there anyway.
    pub fn machines(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !node.machine.is_guest())
    }

    /// Where a node's SSH server listens.
    pub fn ssh_port(&self, node: &Node) -> u16 {
        match node.machine {
            Machine::Guest => port::SSH,
            Machine::Existing => self.ssh.existing.port,
        }
    }

    /// The same, and where it listens as the one that others are reached through.
    pub fn ssh_ports(&self, node: &Node) -> BTreeSet<u16> {
        let names = [node.name.clone(), node.fqdn.clone(), node.address.to_string()];
        let bastion = self.ssh.existing.bastion.as_ref();
        let bastion = bastion.filter(|bastion| names.contains(&bastion.host));
        [self.ssh_port(node)].into_iter().chain(bastion.map(|bastion| bastion.port)).collect()
    }

    /// Id of the storage pool that holds this lab's volumes.
    pub fn pool_id(&self) -> Uuid {
        crate::model::name::object_id(self.id, "pool", &self.pool())
    }

    /// Name of the storage pool that holds this lab's volumes.
    pub fn pool(&self) -> String {
        format!("lab-{}", self.name)
    }
}

/// Nodes of a group share what they were given.
fn shared<S: Serializer>(user_data: &Arc<UserData>, serializer: S) -> Result<S::Ok, S::Error> {
    user_data.as_ref().serialize(serializer)
}

impl Node {
    /// Its name, and what keeps pods off it by the topology's word.
    pub fn tainted(&self) -> (&str, &BTreeSet<Taint>) {
        (&self.name, &self.told.taints)
    }

    /// True when the node has the role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Role names joined by commas.
    pub fn role_names(&self) -> String {
        self.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
    }
}

impl Kubernetes {
    /// Addresses that one worker has for its pods: all of its subnet but the network's own and the
    /// broadcast address.
    pub fn pod_addresses(&self) -> u64 {
        (1u64 << (32 - u32::from(self.node_mask.min(32)))).saturating_sub(2)
    }

    /// Pods that one worker runs at most: Kubernetes' own limit of 110, or as many as have an
    /// address beside the bridge's.
    pub fn max_pods(&self) -> u64 {
        self.pod_addresses().saturating_sub(1).clamp(1, 110)
    }

    /// True where nothing is.
    pub fn is_none(&self) -> bool {
        self.flavour == NO_KUBERNETES
    }

    /// True when a node with these roles runs pods: workers, and controllers whose control plane is pods.
    pub fn has_pods(&self, roles: &BTreeSet<Role>) -> bool {
        roles.contains(&Role::Worker)
            || self.flavour == KUBEADM && roles.contains(&Role::ControlPlane)
    }

    /// True when the add-on is wanted.
    pub fn has_addon(&self, name: &str) -> bool {
        self.addons.iter().any(|used| used.addon.name == name)
    }

    /// The API's own service address: the first of the range.
    pub fn api_service(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.service_cidr.network()) + 1)
    }

    /// The DNS service address: the tenth of the range.
    pub fn dns_service(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.service_cidr.network()) + 10)
    }
}
