//! How people change Kubernetes' components: flags, feature gates, fields of configuration files. What would undo
//! where a component listens, whom it trusts and who it is belongs to lab.

use crate::model::flaw::Flaw;
use crate::model::name::check_domain;
use crate::model::topology::grammar;
use crate::model::topology::problem::printable;

/// Flags of the API server that are lab's.
pub(crate) const API_SERVER: &[&str] = &[
    "admission-control-config-file",
    "advertise-address",
    "audit-log-path",
    "audit-policy-file",
    "authentication-config",
    "authorization-config",
    "bind-address",
    "client-ca-file",
    "encryption-provider-config",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "etcd-prefix",
    "etcd-servers",
    "feature-gates",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "proxy-client-cert-file",
    "proxy-client-key-file",
    "requestheader-allowed-names",
    "requestheader-client-ca-file",
    "requestheader-extra-headers-prefix",
    "requestheader-group-headers",
    "requestheader-username-headers",
    "secure-port",
    "service-account-issuer",
    "service-account-key-file",
    "service-account-signing-key-file",
    "service-cluster-ip-range",
    "tls-cert-file",
    "tls-private-key-file",
];
/// Flags of the controller manager that are lab's.
pub(crate) const CONTROLLER_MANAGER: &[&str] = &[
    "allocate-node-cidrs",
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "bind-address",
    "client-ca-file",
    "cluster-cidr",
    "cluster-name",
    "config",
    "feature-gates",
    "kubeconfig",
    "leader-elect",
    "port",
    "requestheader-client-ca-file",
    "root-ca-file",
    "secure-port",
    "service-account-private-key-file",
    "service-cluster-ip-range",
    "tls-cert-file",
    "tls-private-key-file",
    "use-service-account-credentials",
];
/// Flags of the scheduler that are lab's.
pub(crate) const SCHEDULER: &[&str] = &[
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "bind-address",
    "client-ca-file",
    "config",
    "feature-gates",
    "kubeconfig",
    "leader-elect",
    "port",
    "requestheader-client-ca-file",
    "secure-port",
    "tls-cert-file",
    "tls-private-key-file",
];
/// Flags of the kubelet that are lab's.
pub(crate) const KUBELET: &[&str] = &[
    "address",
    "anonymous-auth",
    "authentication-token-webhook",
    "authorization-mode",
    "bootstrap-kubeconfig",
    "cert-dir",
    "cgroup-driver",
    "client-ca-file",
    "cluster-dns",
    "cluster-domain",
    "config",
    "config-dir",
    "container-runtime",
    "container-runtime-endpoint",
    "feature-gates",
    "healthz-bind-address",
    "healthz-port",
    "hostname-override",
    "kubeconfig",
    "network-plugin",
    "node-ip",
    "port",
    "read-only-port",
    "register-node",
    "resolv-conf",
    "tls-cert-file",
    "tls-private-key-file",
];
/// Flags of etcd that are lab's.
pub(crate) const ETCD: &[&str] = &[
    "advertise-client-urls",
    "cert-file",
    "client-cert-auth",
    "config-file",
    "data-dir",
    "discovery",
    "discovery-fallback",
    "discovery-proxy",
    "discovery-srv",
    "discovery-srv-name",
    "force-new-cluster",
    "initial-advertise-peer-urls",
    "initial-cluster",
    "initial-cluster-state",
    "initial-cluster-token",
    "key-file",
    "listen-client-urls",
    "listen-peer-urls",
    "name",
    "peer-cert-file",
    "peer-client-cert-auth",
    "peer-key-file",
    "peer-trusted-ca-file",
    "trusted-ca-file",
    "wal-dir",
];
/// Fields of the kubelet's configuration that are lab's.
pub(crate) const KUBELET_CONFIG: &[&str] = &[
    "address",
    "apiVersion",
    "authentication",
    "authorization",
    "cgroupDriver",
    "clusterDNS",
    "clusterDomain",
    "containerRuntimeEndpoint",
    "enableServer",
    "featureGates",
    "healthzBindAddress",
    "healthzPort",
    "kind",
    "port",
    "registerNode",
    "resolvConf",
    "tlsCertFile",
    "tlsPrivateKeyFile",
];
/// Fields of kube-proxy's configuration that are lab's.
pub(crate) const PROXY_CONFIG: &[&str] = &[
    "apiVersion",
    "bindAddress",
    "clientConnection",
    "clusterCIDR",
    "featureGates",
    "healthzBindAddress",
    "hostnameOverride",
    "kind",
    "mode",
];

/// Checks the name of a flag.
pub(crate) fn flag(text: &str, owned: &[&str]) -> Result<(), Flaw> {
    if let Some(rest) = text.strip_prefix("--") {
        return Err(Flaw::new(
            format!("'{}' begins with hyphens", printable(text)),
            format!("write '{rest}'"),
        ));
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.starts_with('-') || !text.chars().all(fits) {
        let cure = "write it without hyphens before it, like `max-requests-inflight`";
        return Err(Flaw::new(format!("'{}' is not a flag", printable(text)), cure));
    }
    not_owned(&format!("--{text}"), text, owned)
}

fn not_owned(shown: &str, text: &str, owned: &[&str]) -> Result<(), Flaw> {
    match text {
        "feature-gates" | "featureGates" => Err(Flaw::new(
            format!("'{shown}' has a field of its own"),
            "write `feature_gates: {Name: true}`",
        )),
        _ if owned.contains(&text) => {
            let cure = "remove it; names, addresses, networks and keys come from the topology";
            Err(Flaw::new(format!("'{shown}' is written by lab itself"), cure))
        }
        _ => Ok(()),
    }
}

/// Checks the value of a flag: what is one word to systemd.
pub(crate) fn flag_value(text: &str) -> Result<(), Flaw> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._/:,=@+*".contains(c);
    match text.chars().find(|c| !fits(*c)) {
        Some(c) => {
            let message =
                format!("the value '{}' contains '{}'", printable(text), printable(&c.to_string()));
            Err(Flaw::new(message, "use letters, digits and - . _ / : , = @ + *"))
        }
        None if text.len() > 1024 => {
            Err(Flaw::new("the value is longer than 1024 characters", "shorten it"))
        }
        None => Ok(()),
    }
}

/// Checks a field of a configuration file.
pub(crate) fn field(text: &str, owned: &[&str]) -> Result<(), Flaw> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        let cure = "write a field of the configuration, like `maxPods`";
        return Err(Flaw::new(format!("'{}' is not a field", printable(text)), cure));
    }
    not_owned(text, text, owned)
}

/// Checks the name of a feature gate.
pub(crate) fn gate(text: &str) -> Result<(), Flaw> {
    let begins = text.starts_with(|c: char| c.is_ascii_uppercase());
    if begins && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let cure = "write its name, like `InPlacePodVerticalScaling: true`";
    Err(Flaw::new(format!("'{}' is not a feature gate", printable(text)), cure))
}

/// Checks a name or an address that a certificate is to have.
pub(crate) fn host(text: &str) -> Result<(), Flaw> {
    // Each certificate has these anyway.
    if grammar::address(text).is_ok() || ["localhost", "kubernetes"].contains(&text) {
        return Ok(());
    }
    if text.contains([':', '/']) {
        let message = format!("'{}' is neither a name nor an IPv4 address", printable(text));
        return Err(Flaw::new(message, "write it without https:// and without a port"));
    }
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return grammar::address(text).map(|_| ());
    }
    check_domain(text.strip_prefix("*.").unwrap_or(text))
}
