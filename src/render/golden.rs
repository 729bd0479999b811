//! Golden guests: booted once per image and shape, without a network card, frozen with their memory, and
//! from then on copied for new nodes instead of booting. Here is what one is keyed by, and how what
//! libvirt keeps of it becomes a node's.

use quick_xml::events::{BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use serde::{Deserialize, Serialize};

use crate::model::platform::Platform;
use crate::model::snapshot::Documents;
use crate::model::{Lab, Node};
use crate::render::domain::{DomainSpec, Placement, golden_domain};
use crate::render::templates::{RenderError, Templates};
use crate::render::volume::{overlay_name, sha256};

pub(super) const BEGIN: &str = include_str!("../../cloud-init/golden/begin.sh");
pub(super) const WAIT: &str = include_str!("../../cloud-init/golden/wait.sh");
pub(super) const PERSONALITY: &str = include_str!("../../cloud-init/golden/personality.sh");

/// What a golden guest says on its console, and whether it is one is the rest of the line.
pub const SAYS: &str = "lab-golden: ";
/// Name of the snapshot in which it is frozen, as given to [`crate::render::snapshot`].
pub const BASE_SNAPSHOT: &str = "golden";
/// Name of the lab and of the node that it is while it is made.
pub const NAME: &str = "golden";

/// What a golden guest is like. Nodes that are alike in all of it can be its copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GoldenKey {
    /// Catalogue name of its system.
    pub os: String,
    /// Hex sha256 of the base image under its disk.
    pub image: String,
    /// The `type` of its domain: emulated or not.
    pub domain_type: String,
    /// The processor that it sees, where that is this computer's own.
    pub processor: String,
    /// Processors.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Disk, bytes.
    pub disk_bytes: u64,
    /// Versions of libvirt and QEMU, in words.
    pub hypervisor: String,
    /// Hex sha256 of what it is made by: its definition, and what runs in it.
    pub recipe: String,
}

impl GoldenKey {
    /// The key of a node. `processor` is this computer's, `hypervisor` its versions, `placement` the
    /// node's.
    ///
    /// # Errors
    /// When there is no image, or a template cannot be rendered.
    pub fn of(
        templates: &Templates,
        lab: &Lab,
        node: &Node,
        platform: &Platform,
        placement: &Placement,
        (processor, hypervisor): (&str, &str),
    ) -> Result<Self, RenderError> {
        let image = platform.images.get(&node.os);
        let image = image.ok_or_else(|| RenderError::new(format!("find the image {}", node.os)))?;
        let domain_type = platform.acceleration.domain_type();
        let (lab, stem) = builder(lab, node, uuid::Uuid::nil());
        let nowhere = Placement {
            pool: String::new(),
            console: String::new(),
            artifacts: None,
            ..placement.clone()
        };
        let definition = golden_domain(templates, &lab, &stem, platform, &nowhere)?.hash;
        Ok(Self {
            os: node.os.clone(),
            image: image.digest.clone(),
            domain_type: domain_type.into(),
            processor: if domain_type == "kvm" { processor.into() } else { String::new() },
            cpus: node.cpus,
            memory_mib: node.memory_mib,
            disk_bytes: node.disk_bytes.max(image.virtual_size),
            hypervisor: hypervisor.into(),
            recipe: sha256(&[&definition, BEGIN, WAIT, PERSONALITY].concat()),
        })
    }

    /// Name of its directory: the same for the same key alone.
    pub fn name(&self) -> String {
        let all = serde_json::to_string(self).unwrap_or_default();
        format!("{}-{}", self.os, &sha256(&all)[..12])
    }

    /// True for the key of the same guests on another version of what makes and runs them.
    pub fn replaces(&self, other: &Self) -> bool {
        let shape = |key: &Self| {
            let Self { os, domain_type, cpus, memory_mib, disk_bytes, .. } = key.clone();
            (os, domain_type, cpus, memory_mib, disk_bytes)
        };
        self != other && shape(self) == shape(other)
    }
}

/// The lab of one node, and that node, which a golden guest is while it is made.
pub fn builder(lab: &Lab, node: &Node, id: uuid::Uuid) -> (Lab, Node) {
    let mut lab = lab.clone();
    let mut node = node.clone();
    node.uuid = crate::model::name::object_id(id, "domain", NAME);
    (node.name, node.domain, node.fqdn) = (NAME.into(), NAME.into(), NAME.into());
    (lab.name, lab.id, lab.nodes) = (NAME.into(), id, vec![node.clone()]);
    (lab, node)
}

/// What libvirt keeps of a golden guest, as that of a node: its name and id, its mark, its disk and
/// console.
///
/// # Errors
/// When a document is not XML.
pub fn documents_of(
    golden: &Documents,
    lab: &Lab,
    node: &Node,
    domain: &DomainSpec,
    placement: &Placement,
) -> Result<Documents, RenderError> {
    let personal = Personal {
        lab,
        node,
        domain,
        id: domain.uuid.to_string(),
        disk: format!("{}/{}", placement.pool, overlay_name(node)),
        console: &placement.console,
    };
    Ok(Documents {
        domain: personal.rewrite(&golden.domain)?,
        snapshot: personal.rewrite(&golden.snapshot)?,
    })
}

struct Personal<'a> {
    lab: &'a Lab,
    node: &'a Node,
    domain: &'a DomainSpec,
    id: String,
    disk: String,
    console: &'a str,
}

impl Personal<'_> {
    fn rewrite(&self, xml: &str) -> Result<String, RenderError> {
        let bad = |error: String| RenderError::new(format!("read a golden guest: {error}"));
        let mut reader = Reader::from_str(xml);
        let mut writer = Writer::new(Vec::new());
        // Names of the open elements from the domain's own on.
        let mut path: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event().map_err(|error| bad(error.to_string()))?;
            let event = match event {
                Event::Eof => break,
                Event::Start(tag) => {
                    let name = tag.name().as_ref().to_owned();
                    if !path.is_empty() || ["domain", "inactiveDomain"].contains(&name.as_str()) {
                        path.push(name);
                    }
                    Event::Start(self.element(tag, &path))
                }
                Event::Empty(tag) => {
                    let name = tag.name().as_ref().to_owned();
                    let within = path.last().map(String::as_str);
                    // libvirt chooses the sockets of channels by itself.
                    if name == "source" && within == Some("channel") {
                        continue;
                    }
                    path.push(name);
                    let tag = self.element(tag, &path);
                    path.pop();
                    Event::Empty(tag)
                }
                Event::End(tag) => {
                    path.pop();
                    Event::End(tag)
                }
                Event::Text(text) => match self.text(&path) {
                    Some(own) => Event::Text(BytesText::new(own).into_owned()),
                    None => Event::Text(text),
                },
                other => other,
            };
            writer.write_event(event).map_err(|error| bad(error.to_string()))?;
        }
        String::from_utf8(writer.into_inner()).map_err(|error| bad(error.to_string()))
    }

    /// What stands in an element of the domain's own, where that is the node's.
    fn text(&self, path: &[String]) -> Option<&str> {
        let [_, name] = path else { return None };
        match name.as_str() {
            "name" => Some(&self.domain.name),
            "uuid" => Some(&self.id),
            "title" => Some(&self.node.fqdn),
            _ => None,
        }
    }

    fn element<'x>(&self, tag: BytesStart<'x>, path: &[String]) -> BytesStart<'x> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            [_, "devices", "disk", "source"] => with(&tag, "file", &self.disk),
            [_, "devices", "serial" | "console", "log"] => with(&tag, "file", self.console),
            [_, "metadata", "lab:object"] => self.mark(&tag),
            _ => tag,
        }
    }

    /// The node's mark, but for the hash: this is not the definition that the node is to have.
    fn mark<'x>(&self, tag: &BytesStart<'_>) -> BytesStart<'x> {
        let lab = self.lab.id.to_string();
        let marks = [
            ("lab", lab.as_str()),
            ("name", &self.lab.name),
            ("node", &self.node.name),
            ("hash", BASE_SNAPSHOT),
            ("disk", &self.domain.disk),
        ];
        marks.iter().fold(tag.to_owned(), |tag, (key, value)| with(&tag, key, value))
    }
}

/// The element with another value of one attribute.
fn with(tag: &BytesStart<'_>, key: &str, value: &str) -> BytesStart<'static> {
    let mut new = BytesStart::new(tag.name().as_ref().to_owned());
    for attribute in tag.attributes().flatten().filter(|a| a.key.as_ref() != key) {
        new.push_attribute(attribute);
    }
    new.push_attribute((key, value));
    new
}
