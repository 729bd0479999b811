//! Ports of a lab's programs, each spelled once.

/// The Kubernetes API, of API servers and of what balances them.
pub const API: u16 = 6443;
/// etcd, for its clients.
pub const ETCD_CLIENT: u16 = 2379;
/// etcd, between its members.
pub const ETCD_PEER: u16 = 2380;
/// The kubelet, for API servers.
pub const KUBELET: u16 = 10250;
/// The kubelet's health, on its own node.
pub const KUBELET_HEALTH: u16 = 10248;
/// kube-proxy's health, for load balancers.
pub const KUBE_PROXY_HEALTH: u16 = 10256;
/// kube-proxy's metrics, on its own node.
pub const KUBE_PROXY_METRICS: u16 = 10249;
/// The controller manager, on its own node.
pub const CONTROLLER_MANAGER: u16 = 10257;
/// The scheduler, on its own node.
pub const SCHEDULER: u16 = 10259;
/// Nodes' SSH servers.
pub const SSH: u16 = 22;
/// DNS of the nodes' network.
pub const DNS: u16 = 53;
/// Web sites of the cluster, at load balancers.
pub const HTTP: u16 = 80;
/// The same with TLS.
pub const HTTPS: u16 = 443;
/// Ports that services may have on every node: the first and the last.
pub const NODE_PORTS: (u16, u16) = (30000, 32767);
/// VXLAN, as IANA has it.
pub const VXLAN: u16 = 4789;

/// Names by which templates know them: `ports.api`.
pub const NAMED: &[(&str, u16)] = &[
    ("api", API),
    ("etcd_client", ETCD_CLIENT),
    ("etcd_peer", ETCD_PEER),
    ("kubelet", KUBELET),
    ("kubelet_health", KUBELET_HEALTH),
    ("kube_proxy_health", KUBE_PROXY_HEALTH),
    ("kube_proxy_metrics", KUBE_PROXY_METRICS),
    ("controller_manager", CONTROLLER_MANAGER),
    ("scheduler", SCHEDULER),
    ("ssh", SSH),
    ("dns", DNS),
];
