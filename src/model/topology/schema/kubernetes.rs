//! What is said of Kubernetes.

use crate::model::addon::names as shipped_addons;
use crate::model::certificates;
use crate::model::code;
use crate::model::lab::{KUBEADM, PodNetwork, PodSecurity};
use crate::model::mirror;
use crate::model::port;
use crate::model::topology::preset::{self, Preset};
use crate::model::topology::schema::addon::ADDON;
use crate::model::topology::schema::kind::{Keys, Kind, Table, may};
use crate::model::topology::schema::pairs;

pub(super) const KUBERNETES: Table = Table {
    name: "kubernetes",
    fields: &[
        may("version", Kind::Version, "Release to run.").or(Preset::Release),
        may(
            "flavour",
            Kind::Choice(&["hard-way", KUBEADM]),
            "How it is set up: systemd services, or kubeadm and a control plane in pods.",
        )
            .or(Preset::Word(preset::FLAVOUR)),
        may("service_cidr", Kind::Network, "Addresses of services; never on an interface.")
            .or(Preset::Network(preset::SERVICE_CIDR)),
        may("pod_cidr", Kind::Network, "Addresses of pods.").or(Preset::Network(preset::POD_CIDR)),
        may("node_mask", Kind::Integer(16, 28), "Prefix length of each worker's pod subnet.")
            .or(Preset::Number(preset::NODE_MASK)),
        may(
            "pod_network",
            Kind::Choice(PodNetwork::NAMES),
            "How pods reach other nodes: plain routes, or VXLAN.",
        )
        .or(Preset::Word(preset::POD_NETWORK.name())),
        may(
            "pod_security",
            Kind::Choice(PodSecurity::NAMES),
            "What pods may ask for where their namespace says nothing (Pod Security Standards, from 1.23 on).",
        )
        .or(Preset::Word(preset::POD_SECURITY.name())),
        may(
            "host_routes",
            Kind::Boolean,
            "Also give the computer itself a route to each worker's pods.",
        )
        .or(Preset::Truth(preset::HOST_ROUTES)),
        may("endpoint", Kind::Label(40), "Floating address that kubelets and kubeconfigs use.")
            .or(Preset::Follows("the controllers', else the load balancers'")),
        may("api_port", Kind::Integer(1, 65535), "Where the API is, at nodes and floating addresses.")
            .or(Preset::Number(port::API as u64)),
        may("ingress", Kind::Table(&INGRESS), "Where load balancers lead web traffic."),
        may("addons", Kind::Set(shipped_addons, &ADDON), "What is installed on the cluster.")
            .or(Preset::Words(preset::ADDONS)),
        may("cluster_domain", Kind::Domain, "Domain of services.")
            .or(Preset::Word(preset::CLUSTER_DOMAIN)),
        may(
            "certificates",
            Kind::Table(&CERTIFICATES),
            "How long certificates live, and what their subjects say besides; authorities live ten years.",
        ),
        may(
            "certificate_names",
            Kind::List(&Kind::Host),
            "More names and addresses that the API's certificate is good for.",
        ),
        may(
            "arguments",
            Kind::Table(&ARGUMENTS),
            "Flags of components besides lab's, or instead of those that may be another's.",
        ),
        may("feature_gates", Kind::Pairs(&pairs::GATES), "Features that are on or off everywhere."),
        may(
            "kubelet",
            Kind::Pairs(&pairs::KUBELET_CONFIG),
            "Fields of the kubelets' configuration (KubeletConfiguration).",
        ),
        may(
            "kube_proxy",
            Kind::Pairs(&pairs::PROXY_CONFIG),
            "Fields of kube-proxy's configuration (KubeProxyConfiguration).",
        ),
        may(
            "mirrors",
            Kind::Keyed(&REGISTRIES, &Kind::List(&Kind::Text(mirror::url))),
            "Where containerd looks for images first, by registry; `*` for all that are not named.",
        ),
        may(
            "registry_logins",
            Kind::Path,
            "File with logins of registries, as `podman login --authfile FILE` and `docker login` write it.",
        ),
        may("artifacts", Kind::Path, "Folder of plain binaries, instead of the official release."),
    ],
};

/// Registries of images.
const REGISTRIES: Keys = Keys { judge: mirror::registry, code: &code::BAD_TEXT, what: "registry" };

const CERTIFICATES: Table = Table {
    name: "certificates",
    fields: &[
        may(
            "expiry",
            Kind::Lifetime,
            "How long one lives, in hours or days; renewed by `lab up` before its end.",
        )
        .or(Preset::Word("365d")),
        may("country", Kind::Text(certificates::country), "Two letters."),
        may("state", Kind::Text(certificates::place), "State or province."),
        may("city", Kind::Text(certificates::place), "Locality."),
    ],
};

const ARGUMENTS: Table = Table {
    name: "arguments",
    fields: &[
        may("etcd", Kind::Pairs(&pairs::ETCD), "Of etcd."),
        may("kube-apiserver", Kind::Pairs(&pairs::API_SERVER), "Of the API server."),
        may(
            "kube-controller-manager",
            Kind::Pairs(&pairs::CONTROLLER_MANAGER),
            "Of the controller manager.",
        ),
        may("kube-scheduler", Kind::Pairs(&pairs::SCHEDULER), "Of the scheduler."),
        may("kubelet", Kind::Pairs(&pairs::KUBELET), "Of kubelets."),
    ],
};

const NODE_PORT: Kind = Kind::Integer(port::NODE_PORTS.0 as u64, port::NODE_PORTS.1 as u64);

const INGRESS: Table = Table {
    name: "ingress",
    fields: &[
        may("http", NODE_PORT, "Node port that port 80 of the load balancers leads to.")
            .or(Preset::Number(preset::HTTP as u64)),
        may("https", NODE_PORT, "Node port that port 443 of the load balancers leads to.")
            .or(Preset::Number(preset::HTTPS as u64)),
    ],
};
