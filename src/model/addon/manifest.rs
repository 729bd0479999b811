//! The objects of a manifest: what they are called, and in which order they are applied.

use serde::{Deserialize, Serialize};

use crate::model::flaw::Flaw;

/// Namespaces that every cluster has: applying them makes them nobody's to delete.
const EVERYBODYS: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Group and version.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name and namespace.
    pub metadata: Metadata,
}

/// What an object is called within its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace; `default` where it says none.
    #[serde(default = "default_namespace")]
    pub namespace: String,
}

fn default_namespace() -> String {
    "default".to_owned()
}

/// A workload, whose pods are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload<'a> {
    /// `deployment`, `daemonset` or `statefulset`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

impl Object {
    fn comes_first(&self) -> bool {
        self.kind == "Namespace" || self.is_definition()
    }

    fn is_definition(&self) -> bool {
        self.kind == "CustomResourceDefinition"
    }

    /// True for what goes with the add-on: neither nodes nor what every cluster has.
    fn is_its_own(&self) -> bool {
        let Metadata { name, namespace } = &self.metadata;
        match self.kind.as_str() {
            "Namespace" => !EVERYBODYS.contains(&name.as_str()),
            "Service" => (name.as_str(), namespace.as_str()) != ("kubernetes", "default"),
            kind => kind != "Node",
        }
    }

    fn workload(&self) -> Option<Workload<'_>> {
        let kind = match (self.api_version.as_str(), self.kind.as_str()) {
            ("apps/v1", "Deployment") => "deployment",
            ("apps/v1", "DaemonSet") => "daemonset",
            ("apps/v1", "StatefulSet") => "statefulset",
            _ => return None,
        };
        Some(Workload { kind, name: &self.metadata.name, namespace: &self.metadata.namespace })
    }

    /// What it is called, as one line of JSON: kubectl finds it by that.
    pub fn line(&self) -> String {
        // Three texts; their JSON cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A manifest, document by document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest(Vec<(Object, String)>);

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Which of its documents is no object of Kubernetes, and why.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let mut objects = Vec::new();
        for (first, document) in documents(text) {
            let said = document.lines().find(|line| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#')
            });
            if said.is_none() {
                continue;
            }
            let object = serde_saphyr::from_str::<Object>(&document).map_err(|error| {
                let why = first_line(&error);
                let message = format!("the document in line {first} is no object: {why}");
                Flaw::new(message, "an object has apiVersion, kind, and a name in metadata")
            })?;
            objects.push((object, document));
        }
        Ok(Self(objects))
    }

    /// Takes over the objects of another one.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Definitions of kinds as text; the API must know them before it takes objects of these kinds.
    pub fn definitions(&self) -> Option<String> {
        let found = self.0.iter().filter(|(object, _)| object.is_definition());
        let text: String = found.map(|(_, document)| separated(document)).collect();
        (!text.is_empty()).then_some(text)
    }

    /// Everything as text, in the order in which the API can take it.
    pub fn text(&self) -> String {
        let part = |first: bool| {
            let of_part = self.0.iter().filter(move |(object, _)| object.comes_first() == first);
            of_part.map(|(_, document)| separated(document)).collect::<String>()
        };
        part(true) + &part(false)
    }

    /// What its objects are called, a line of JSON each.
    pub fn lines(&self) -> Vec<String> {
        let own = self.0.iter().filter(|(object, _)| object.is_its_own());
        own.map(|(object, _)| object.line()).collect()
    }

    /// Those of its objects that run pods for good.
    pub fn workloads(&self) -> Vec<Workload<'_>> {
        self.0.iter().filter_map(|(object, _)| object.workload()).collect()
    }
}

/// What YAML's reader says, in one line.
pub(super) fn first_line(error: &serde_saphyr::Error) -> String {
    let why = error.to_string();
    let why = why.lines().next().unwrap_or_default();
    why.strip_prefix("error: ").unwrap_or(why).to_owned()
}

fn separated(document: &str) -> String {
    format!("---\n{}\n", document.trim_end())
}

/// The documents of a stream, each with the number of its first line.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![(1, String::new())];
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("---") {
            // What stands behind it is of the document, unless it is a comment.
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => {
                found.push((number + 1, format!("{}\n", rest.trim())));
            }
            // Which YAML it is, is said before a document.
            _ if line.starts_with("%YAML") => {}
            _ => {
                if let Some((_, document)) = found.last_mut() {
                    document.push_str(line);
                    document.push('\n');
                }
            }
        }
    }
    found
}
