//! Libvirt domain XML.

use serde::Serialize;
use uuid::Uuid;

use crate::model::inventory::Hardware;
use crate::model::{Lab, Node, Platform};
use crate::render::hardware::hardware;
use crate::render::templates::{RenderError, Templates};

/// A domain as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSpec {
    /// Node it belongs to.
    pub node: String,
    /// Libvirt name.
    pub name: String,
    /// Libvirt id.
    pub uuid: Uuid,
    /// Document to define.
    pub xml: String,
    /// What guest it describes.
    pub hardware: Hardware,
    /// Hex sha256 of the document without the hash itself, kept in its metadata.
    pub hash: String,
    /// Hex sha256 of what the disk and its first boot are made from.
    pub disk: String,
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    hash: &'a str,
    disk_hash: &'a str,
    domain_type: &'a str,
    cpu_mode: &'a str,
    kernel: Option<&'a str>,
    initrd: Option<&'a str>,
    pool: &'a str,
    backing: &'a str,
    overlay: String,
    seed: String,
    artifacts: Option<&'a str>,
    console: &'a str,
    golden: bool,
}

/// What a guest boots without a boot loader of its own.
#[derive(Clone, Debug)]
pub struct DirectBoot {
    /// Path of the kernel.
    pub kernel: String,
    /// Path of its first file system.
    pub initrd: String,
}

/// Paths on the libvirt host that a domain refers to besides its own volumes.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Directory of the lab's pool.
    pub pool: String,
    /// The base image under the node's disk.
    pub backing: String,
    /// Kernel and initrd for direct boot.
    pub boot: Option<DirectBoot>,
    /// The artifact disk.
    pub artifacts: Option<String>,
    /// File that the serial console is logged to.
    pub console: String,
}

/// Renders a node's domain.
///
/// # Errors
/// When the template cannot be rendered.
pub fn domain(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    platform: &Platform,
    placement: &Placement,
) -> Result<DomainSpec, RenderError> {
    of_kind(templates, lab, node, platform, placement, false)
}

/// Renders the domain of a golden guest, see [`crate::render::golden`]: without a network card, with room for
/// what its copies get while they run.
///
/// # Errors
/// When the template cannot be rendered.
pub fn golden_domain(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    platform: &Platform,
    placement: &Placement,
) -> Result<DomainSpec, RenderError> {
    of_kind(templates, lab, node, platform, placement, true)
}

fn of_kind(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
    platform: &Platform,
    placement: &Placement,
    golden: bool,
) -> Result<DomainSpec, RenderError> {
    use crate::model::platform::Acceleration;
    let kvm = platform.acceleration == Acceleration::Kvm;
    // Golden guests are nobody's in particular.
    let disk = if golden { String::new() } else { disk_hash(lab, node) };
    let mut data = Data {
        lab,
        node,
        hash: "",
        disk_hash: &disk,
        domain_type: platform.acceleration.domain_type(),
        cpu_mode: if kvm { "host-passthrough" } else { "maximum" },
        kernel: placement.boot.as_ref().map(|boot| boot.kernel.as_str()),
        initrd: placement.boot.as_ref().map(|boot| boot.initrd.as_str()),
        pool: &placement.pool,
        backing: &placement.backing,
        overlay: crate::render::volume::overlay_name(node),
        seed: crate::render::volume::seed_name(node),
        artifacts: placement.artifacts.as_deref(),
        console: &placement.console,
        golden,
    };
    let template = "xml-templates/domain.xml.j2";
    let hash = crate::render::volume::sha256(&templates.render(template, &data)?);
    data.hash = &hash;
    let xml = templates.render(template, &data)?;
    let (name, uuid) = (node.domain.clone(), node.uuid);
    Ok(DomainSpec {
        node: node.name.clone(),
        name,
        uuid,
        hardware: hardware(&xml)?,
        xml,
        hash: hash.clone(),
        disk: disk.clone(),
    })
}

/// Everything that is written once, at first boot, and cannot be changed on a running node: another
/// image, size, address, login or user-data means another disk.
fn disk_hash(lab: &Lab, node: &Node) -> String {
    let mut parts = serde_json::json!([
        node.os,
        node.disk_bytes,
        node.address,
        node.fqdn,
        node.mac,
        *node.user_data,
        lab.network.cidr,
        lab.network.gateway,
        lab.domain,
        lab.ssh,
    ]);
    if let (Some(parts), Some(mtu)) = (parts.as_array_mut(), lab.network.mtu) {
        parts.push(mtu.into());
    }
    crate::render::volume::sha256(&parts.to_string())
}
