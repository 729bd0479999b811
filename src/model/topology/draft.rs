//! A lab in the making: what the file says, with the places that rules speak about.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::lab::{Kubernetes, Lab, Node, Vip};
use crate::model::network::Network;
use crate::model::options::Options;
use crate::model::outside::Outside;
use crate::model::own_image::OwnImage;
use crate::model::ssh::Ssh;
use crate::model::topology::problem::Span;

/// A node, and where it stands in the file.
pub(crate) struct NodeDraft {
    pub node: Node,
    pub name_span: Span,
    pub address_span: Span,
    pub has_address: bool,
    pub mac_span: Span,
    pub pod_span: Span,
}

/// Where things of the network stand.
pub(crate) struct NetworkSpans {
    pub cidr: Span,
    pub gateway: Span,
    pub dhcp: Span,
    pub forwarders: Vec<Span>,
    /// Of each record, its name and where it leads.
    pub records: Vec<(Span, Span)>,
    /// Of each reservation, its name and its address.
    pub reservations: Vec<(Span, Span)>,
    /// Whole names of those that could not be read.
    pub unread: Vec<String>,
}

/// Where things stand that rules speak about.
pub(crate) struct Spans {
    pub nodes: Span,
    /// All that is said of nodes.
    pub all_nodes: Span,
    pub network: NetworkSpans,
    pub service_cidr: Span,
    pub pod_cidr: Span,
    pub node_mask: Span,
    pub api_port: Span,
    /// Addresses of the floating addresses, in their order.
    pub vips: Vec<Span>,
    /// Their router ids.
    pub router_ids: Vec<Span>,
    pub endpoint: Span,
    pub ingress: Span,
    pub version: Span,
    /// Of the nodes' domain, else of the services'.
    pub domain: Span,
}

/// A lab and its places in the file.
pub(crate) struct LabDraft {
    pub name: String,
    pub id: Uuid,
    pub domain: String,
    pub network: Network,
    pub nodes: Vec<NodeDraft>,
    pub vips: Vec<Vip>,
    pub kubernetes: Kubernetes,
    pub ssh: Ssh,
    pub images: BTreeMap<String, OwnImage>,
    pub firewall: bool,
    pub outside: Outside,
    pub options: Options,
    pub spans: Spans,
}

impl From<LabDraft> for Lab {
    fn from(draft: LabDraft) -> Self {
        let LabDraft {
            name,
            id,
            domain,
            network,
            nodes,
            vips,
            kubernetes,
            ssh,
            images,
            firewall,
            outside,
            options,
            ..
        } = draft;
        let nodes = nodes.into_iter().map(|draft| draft.node).collect();
        Self {
            name,
            id,
            domain,
            network,
            nodes,
            vips,
            kubernetes,
            ssh,
            images,
            firewall,
            outside,
            options,
        }
    }
}
