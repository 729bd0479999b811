//! What Kubernetes is told of workers, and how it is asked for.

use minijinja::Value;
use serde::Serialize;

use crate::kubernetes::stage::KUBECTL;
use crate::model::topology::kubernetes_words::{OWN_PREFIX, ROLE_PREFIX};
use crate::model::user_data::Document;
use crate::model::{Lab, Node, Role};

/// Where the labels and annotations are written down.
pub(super) const FILE: &str = "/etc/kubernetes/lab/nodes.yaml";

/// What shape kubectl gives to what the API has of them.
pub(super) const SHAPE: &str = "/etc/kubernetes/lab/nodes.gotemplate";

/// A node as templates see it.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    pub name: &'a str,
    /// Keys and values, roles among them.
    labels: Vec<(String, &'a str)>,
    annotations: Vec<(&'a str, Value)>,
    #[serde(skip)]
    node: &'a Node,
    taints: Vec<String>,
}

/// Text as it stands in YAML, in quotes.
fn line(text: &str) -> Value {
    Value::from_safe_string(Document::Text(text.to_owned()).line())
}

impl<'a> Told<'a> {
    fn of(node: &'a Node) -> Self {
        let roles = node.roles.iter().map(|role| (format!("{ROLE_PREFIX}/{role}"), ""));
        let own = node.told.labels.iter().map(|(key, value)| (key.clone(), value.as_str()));
        let annotations = node.told.annotations.iter();
        Self {
            name: &node.name,
            node,
            labels: roles.chain(own).collect(),
            annotations: annotations.map(|(key, value)| (key.as_str(), line(value))).collect(),
            taints: node.told.taints.iter().map(ToString::to_string).collect(),
        }
    }

    /// Lines of the answer to the question that say so.
    fn lines(&self) -> Vec<String> {
        let name = self.name;
        let labels = self.labels.iter().map(|(key, value)| format!("label {name} {key}={value}"));
        // Of other texts the API's words could differ from these.
        let plain = self.node.told.annotations.iter().filter(|(_, value)| value.is_ascii());
        let annotations = plain.map(|(key, value)| {
            format!("annotation {name} {key}={}", serde_json::Value::from(value.as_str()))
        });
        let taints = self.taints.iter().map(|taint| format!("taint {name} {taint}"));
        labels.chain(annotations).chain(taints).collect()
    }
}

#[derive(Serialize)]
pub(super) struct Data<'a> {
    nodes: &'a [Told<'a>],
    kubectl: &'static str,
    file: &'static str,
    prefix: &'static str,
    pub names: String,
    question: Value,
}

/// Lines of the answer that must be there.
pub(super) fn wanted(nodes: &[Told<'_>]) -> Vec<String> {
    nodes.iter().flat_map(Told::lines).collect()
}

/// The workers, and what the templates are rendered with.
pub(super) fn told(lab: &Lab) -> Vec<Told<'_>> {
    lab.with_role(Role::Worker).map(Told::of).collect()
}

pub(super) fn data<'a>(nodes: &'a [Told<'a>]) -> Data<'a> {
    let names: Vec<&str> = nodes.iter().map(|node| node.name).collect();
    Data {
        nodes,
        kubectl: KUBECTL,
        file: FILE,
        prefix: OWN_PREFIX,
        names: names.join(" "),
        question: Value::from_safe_string(question()),
    }
}

/// Asks what the API has of all nodes.
pub(super) fn question() -> String {
    format!("{KUBECTL} get nodes --request-timeout=20s -o go-template-file={SHAPE}")
}
