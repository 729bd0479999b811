//! What a picture shows, before anybody thinks of lines and boxes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Lab, Node, Role, port};

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It answers, and Kubernetes calls it ready where it has a word in that.
    Good,
    /// It runs, but does not answer or is not ready.
    Bad,
    /// It is stopped, or was never made.
    Off,
}

/// A box of the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What edges know it by.
    pub id: String,
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// More lines: roles or pods.
    pub lines: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// How it is, when somebody asked.
    pub health: Option<Health>,
}

/// What a box stands for; a node has the kind of its first role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The computer outside.
    Outside,
    /// A floating address.
    Floating,
    /// A node.
    Node(Role),
}

impl Kind {
    /// A word for classes and legends.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Outside => "outside",
            Kind::Floating => "floating-address",
            Kind::Node(role) => role.name(),
        }
    }
}

/// Which way traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// What it is.
    pub flow: Flow,
}

/// Kinds of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// To the API.
    Api,
    /// A floating address on its holder; dotted for those that stand by.
    Held,
    /// To etcd.
    Etcd,
    /// From the web to pods.
    Web,
    /// From pod to pod.
    Pods,
}

impl Flow {
    /// All of them, in the order of the legend.
    pub const ALL: &[Flow] = &[Flow::Api, Flow::Held, Flow::Etcd, Flow::Web, Flow::Pods];

    /// A word for classes.
    pub fn word(self) -> &'static str {
        match self {
            Flow::Api => "api",
            Flow::Held => "held",
            Flow::Etcd => "etcd",
            Flow::Web => "web",
            Flow::Pods => "pods",
        }
    }

    /// For the legend.
    pub fn meaning(self, api: u16) -> String {
        match self {
            Flow::Api => format!("Kubernetes API, port {api}"),
            Flow::Held => "floating address, may move".into(),
            Flow::Etcd => format!("etcd, port {}", port::ETCD_CLIENT),
            Flow::Web => "web traffic to pods".into(),
            Flow::Pods => "pod to pod".into(),
        }
    }
}

/// A picture.
#[derive(Clone, Debug, Serialize)]
pub struct Scene {
    /// Lab name.
    pub title: String,
    /// Network and domain in words.
    pub subtitle: String,
    /// Boxes from the top to the bottom, row by row.
    pub rows: Vec<Row>,
    /// Lines.
    pub edges: Vec<Edge>,
    /// Where the API is.
    #[serde(skip)]
    pub api_port: u16,
}

/// Boxes side by side: what runs the cluster on the left, what serves its users on the right.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The computer outside, above both.
    pub middle: Vec<Item>,
    /// Floating addresses of controllers, controllers, etcd.
    pub left: Vec<Item>,
    /// Floating addresses of load balancers, load balancers, workers.
    pub right: Vec<Item>,
}

impl Row {
    /// All of its boxes.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.middle.iter().chain(&self.left).chain(&self.right)
    }
}

/// Which row a node stands in: that of the first of these that it has.
const ORDER: &[Role] = &[Role::LoadBalancer, Role::ControlPlane, Role::Etcd, Role::Worker];

const OUTSIDE: &str = "you";

impl Scene {
    /// The picture of a lab. `health` and `holders` (node by floating address) are known when somebody
    /// asked the nodes.
    pub fn new(
        lab: &Lab,
        health: Option<&BTreeMap<String, Health>>,
        holders: &BTreeMap<String, String>,
    ) -> Self {
        let vips = |role| {
            let of = lab.vips.iter().filter(move |vip| vip.role == role);
            of.map(|vip| floating(&vip.name, lab, holders)).collect::<Vec<_>>()
        };
        let nodes = |role| {
            let here = lab.nodes.iter().filter(move |node| first_role(node) == role);
            here.map(|node| item(node, health)).collect::<Vec<_>>()
        };
        let row = |left, right| Row { middle: Vec::new(), left, right };
        let mut rows = vec![
            Row { middle: vec![outside(lab)], ..Row::default() },
            row(vips(Role::ControlPlane), vips(Role::LoadBalancer)),
            row(Vec::new(), nodes(Role::LoadBalancer)),
            row(nodes(Role::ControlPlane), nodes(Role::Worker)),
            row(nodes(Role::Etcd), Vec::new()),
        ];
        rows.retain(|row| row.items().next().is_some());
        Self {
            title: lab.name.clone(),
            subtitle: subtitle(lab),
            rows,
            edges: edges(lab),
            api_port: lab.kubernetes.api_port,
        }
    }

    /// All boxes.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.rows.iter().flat_map(Row::items)
    }

    /// Kinds of traffic that there are.
    pub fn flows(&self) -> Vec<Flow> {
        Flow::ALL
            .iter()
            .copied()
            .filter(|flow| self.edges.iter().any(|e| e.flow == *flow))
            .collect()
    }
}

fn subtitle(lab: &Lab) -> String {
    let (net, domain, kubernetes) = (lab.network.cidr, &lab.domain, &lab.kubernetes);
    match kubernetes.is_none() {
        true => format!("{net} · {domain}"),
        false => {
            let (pods, services) = (kubernetes.pod_cidr, kubernetes.service_cidr);
            format!("{net} · {domain} · pods {pods} · services {services}")
        }
    }
}

fn first_role(node: &Node) -> Role {
    ORDER.iter().copied().find(|role| node.is(*role)).unwrap_or(Role::Worker)
}

fn outside(lab: &Lab) -> Item {
    Item {
        id: OUTSIDE.into(),
        name: "you".into(),
        address: lab.network.gateway.to_string(),
        lines: vec!["kubectl, browser".into()],
        kind: Kind::Outside,
        health: None,
    }
}

fn floating(name: &str, lab: &Lab, holders: &BTreeMap<String, String>) -> Item {
    let address = lab.vips.iter().find(|vip| vip.name == name).map(|vip| vip.address.to_string());
    Item {
        id: vip_id(name),
        name: name.into(),
        address: address.unwrap_or_default(),
        lines: holders.get(name).map(|node| format!("on {node}")).into_iter().collect(),
        kind: Kind::Floating,
        health: None,
    }
}

fn vip_id(name: &str) -> String {
    format!("vip {name}")
}

fn item(node: &Node, health: Option<&BTreeMap<String, Health>>) -> Item {
    let mut lines = vec![match node.role_names().as_str() {
        "" => "no role".to_owned(),
        roles => roles.replace(',', ", "),
    }];
    if let Some(subnet) = node.pod_subnet {
        lines.push(format!("pods {subnet}"));
    }
    let known =
        |all: &BTreeMap<String, Health>| all.get(&node.name).copied().unwrap_or(Health::Off);
    Item {
        id: node.name.clone(),
        name: node.name.clone(),
        address: node.address.to_string(),
        lines,
        kind: Kind::Node(first_role(node)),
        health: health.map(known),
    }
}

fn edges(lab: &Lab) -> Vec<Edge> {
    let mut all = Vec::new();
    let mut add = |from: &str, to: &str, flow| {
        let edge = Edge { from: from.into(), to: to.into(), flow };
        if from != to && !all.contains(&edge) {
            all.push(edge);
        }
    };
    let names = |role| lab.with_role(role).map(|node| node.name.as_str()).collect::<Vec<_>>();
    let (balancers, controllers) = (names(Role::LoadBalancer), names(Role::ControlPlane));
    let (members, workers) = (names(Role::Etcd), names(Role::Worker));
    let entry = lab.api_endpoint().and_then(|address| {
        let vip = lab.vips.iter().find(|vip| vip.address == address);
        let node = lab.nodes.iter().find(|node| node.address == address);
        vip.map(|vip| vip_id(&vip.name)).or_else(|| node.map(|node| node.name.clone()))
    });
    if let Some(entry) = &entry {
        add(OUTSIDE, entry, Flow::Api);
        workers.iter().for_each(|worker| add(worker, entry, Flow::Api));
    }
    for vip in &lab.vips {
        for node in lab.with_role(vip.role) {
            add(&vip_id(&vip.name), &node.name, Flow::Held);
        }
        if vip.role == Role::LoadBalancer {
            add(OUTSIDE, &vip_id(&vip.name), Flow::Web);
        }
    }
    for balancer in &balancers {
        controllers.iter().for_each(|controller| add(balancer, controller, Flow::Api));
        workers.iter().for_each(|worker| add(balancer, worker, Flow::Web));
    }
    for controller in &controllers {
        members.iter().for_each(|member| add(controller, member, Flow::Etcd));
    }
    // A chain stands for all pairs: each worker has a way to every other.
    for pair in workers.windows(2) {
        if let [one, other] = pair {
            add(one, other, Flow::Pods);
        }
    }
    all
}
