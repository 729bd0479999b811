//! Storage: a pool per lab, a pool of base images, and the volumes in them.

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::disk::Disk;
use crate::model::platform::Image;
use crate::model::{Lab, Node, name};
use crate::render::templates::{RenderError, Templates};

/// A storage pool as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Libvirt name.
    pub name: String,
    /// Libvirt id.
    pub uuid: Uuid,
    /// Its directory.
    pub path: String,
    /// Document to define.
    pub xml: String,
}

/// A volume as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Pool it lives in.
    pub pool: String,
    /// Volume name, a file name.
    pub name: String,
    /// Its size as a node sees it, in bytes.
    pub capacity: u64,
    /// Document to create it from.
    pub xml: String,
}

/// Hex sha256 of a text.
pub fn sha256(text: &str) -> String {
    name::hex(&Sha256::digest(text.as_bytes()))
}

/// Name of a node's own disk.
pub fn overlay_name(node: &Node) -> String {
    format!("{}.qcow2", node.name)
}

/// Name of a further disk of a node. No node has a dot in its name.
pub fn disk_name(node: &str, disk: &str) -> String {
    format!("{node}.disk-{disk}.qcow2")
}

/// The node and the disk that a volume of that name is.
pub fn disk_of(volume: &str) -> Option<(&str, &str)> {
    volume.strip_suffix(".qcow2")?.split_once(".disk-")
}

/// Names of the disks that a node writes to, the one that it boots from first.
pub fn disks_of(node: &Node) -> Vec<String> {
    let further = node.disks.iter().map(|disk| disk_name(&node.name, &disk.name));
    std::iter::once(overlay_name(node)).chain(further).collect()
}

/// Names of all volumes that are a node's own, in the order in which they are made.
pub fn volumes_of(node: &Node) -> Vec<String> {
    let mut all = disks_of(node);
    all.insert(1, seed_name(node));
    all
}

/// Name of a node's seed disk.
pub fn seed_name(node: &Node) -> String {
    format!("{}-seed.img", node.name)
}

/// Renders a pool that keeps its volumes in the directory `path`.
///
/// # Errors
/// When the template cannot be rendered.
pub fn pool(
    templates: &Templates,
    name: &str,
    uuid: Uuid,
    path: &str,
) -> Result<PoolSpec, RenderError> {
    #[derive(Serialize)]
    struct Data<'a> {
        name: &'a str,
        uuid: Uuid,
        path: &'a str,
    }
    let xml = templates.render("xml-templates/pool.xml.j2", &Data { name, uuid, path })?;
    Ok(PoolSpec { name: name.into(), uuid, path: path.into(), xml })
}

#[derive(Serialize)]
struct Data<'a> {
    name: &'a str,
    format: &'a str,
    capacity: u64,
    backing: Option<&'a str>,
}

fn volume(templates: &Templates, pool: &str, data: &Data<'_>) -> Result<VolumeSpec, RenderError> {
    let xml = templates.render("xml-templates/volume.xml.j2", data)?;
    Ok(VolumeSpec { pool: pool.into(), name: data.name.into(), capacity: data.capacity, xml })
}

/// A node's own disk: a qcow2 overlay over the base image at host path `backing`. Its clusters have
/// subclusters of 4 KiB, so that a file of one block takes one block, not the 64 KiB of a plain cluster.
///
/// # Errors
/// When the template cannot be rendered.
pub fn overlay(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    image: &Image,
    backing: &str,
) -> Result<VolumeSpec, RenderError> {
    let name = overlay_name(node);
    let capacity = node.disk_bytes.max(image.virtual_size);
    let data = Data { name: &name, format: "qcow2", capacity, backing: Some(backing) };
    volume(templates, &lab.pool(), &data)
}

/// A further disk of a node: empty.
///
/// # Errors
/// When the template cannot be rendered.
pub fn disk(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    disk: &Disk,
) -> Result<VolumeSpec, RenderError> {
    let name = disk_name(&node.name, &disk.name);
    let data = Data { name: &name, format: "qcow2", capacity: disk.bytes, backing: None };
    volume(templates, &lab.pool(), &data)
}

/// A raw volume of `capacity` bytes that is then filled: seeds, artifact disks, kernels.
///
/// # Errors
/// When the template cannot be rendered.
pub fn raw_volume(
    templates: &Templates,
    pool: &str,
    name: &str,
    capacity: u64,
) -> Result<VolumeSpec, RenderError> {
    volume(templates, pool, &Data { name, format: "raw", capacity, backing: None })
}

/// A base image's volume, filled from a local qcow2 file.
///
/// # Errors
/// When the template cannot be rendered.
pub fn base_volume(
    templates: &Templates,
    pool: &str,
    name: &str,
    capacity: u64,
) -> Result<VolumeSpec, RenderError> {
    volume(templates, pool, &Data { name, format: "qcow2", capacity, backing: None })
}
