//! Libvirt snapshot XML: the node's own disk, inside its qcow2 file. The seed and the artifact disk
//! are read-only, which libvirt leaves out by itself.

use serde::Serialize;
use uuid::Uuid;

use crate::model::snapshot::{Kind, Manifest};
use crate::model::{Lab, Node};
use crate::render::domain;
use crate::render::templates::{RenderError, Templates};

/// A domain's part of a snapshot as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSpec {
    /// Domain.
    pub domain: Uuid,
    /// Name inside libvirt and inside the disk.
    pub name: String,
    /// What is in it.
    pub kind: Kind,
    /// Pool of the disk.
    pub pool: String,
    /// File name of the disk that the domain boots from.
    pub disk: String,
    /// File names of its further disks.
    pub others: Vec<String>,
    /// Document to create it from.
    pub xml: String,
    /// Document that tells libvirt of one that exists, for disks of running guests: libvirt itself
    /// cannot make those.
    pub redefine: String,
}

impl SnapshotSpec {
    /// File names of all its disks.
    pub fn disks(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.disk).chain(&self.others)
    }
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    name: &'a str,
    memory: bool,
    redefine: bool,
    created: i64,
    /// Drives of its disks.
    drives: Vec<String>,
}

/// Renders a node's part of the snapshot `name`. `created` is in seconds since 1970.
///
/// # Errors
/// When the template cannot be rendered.
pub fn snapshot(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    name: &str,
    kind: Kind,
    created: i64,
) -> Result<SnapshotSpec, RenderError> {
    let name = Manifest::inner(name);
    let memory = kind == Kind::Memory;
    let render = |redefine| {
        let drives =
            std::iter::once("vda".to_owned()).chain(domain::drives(node).map(|drive| drive.target));
        let drives = drives.collect();
        let data = Data { lab, name: &name, memory, redefine, created, drives };
        templates.render("xml-templates/snapshot.xml.j2", &data)
    };
    Ok(SnapshotSpec {
        domain: node.uuid,
        kind,
        pool: lab.pool(),
        disk: crate::render::volume::overlay_name(node),
        others: domain::drives(node).map(|drive| drive.file).collect(),
        xml: render(false)?,
        redefine: render(true)?,
        name: name.clone(),
    })
}
