//! Libvirt domain XML.

use serde::Serialize;
use uuid::Uuid;

use crate::model::hardware;
use crate::model::inventory::Hardware;
use crate::model::{Lab, Node, Platform};
use crate::render::hardware::hardware as hardware_of;
use crate::render::merged::merged;
use crate::render::templates::{RenderError, Templates};
use crate::render::volume::disk_name;

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
    /// Whether it starts with the computer, where the topology says it.
    pub autostart: Option<bool>,
    /// The document without what its mark says of its hash and its disks.
    pub unmarked: String,
    /// The size that its disk is asked for, in bytes.
    pub size: u64,
    /// Further disks that stay when its node goes.
    pub kept: Vec<String>,
    /// What that is, the disk's size in its place.
    pub made_from: serde_json::Value,
    /// Its disks that can grow, the one that it boots from first.
    pub disks: Vec<DiskSpec>,
}

/// A disk of a domain that can grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// Pool of its volume.
    pub pool: String,
    /// File name of its volume.
    pub volume: String,
    /// The drive inside the guest.
    pub target: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl DomainSpec {
    /// [`Self::disk`] as it was when the disk had this size.
    pub fn disk_of_size(&self, bytes: u64) -> String {
        let mut made_from = self.made_from.clone();
        if let Some(size) = made_from.get_mut(SIZE) {
            *size = bytes.into();
        }
        crate::render::volume::sha256(&made_from.to_string())
    }

    /// [`Self::hash`] as it was when the domain had this [`Self::disk`].
    pub fn hash_with(&self, disk: &str) -> String {
        let attribute = |disk: &str| format!("disk=\"{disk}\"");
        let then = self.unmarked.replace(&attribute(&self.disk), &attribute(disk));
        crate::render::volume::sha256(&then)
    }
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    hash: &'a str,
    disk_hash: &'a str,
    domain_type: &'a str,
    cpu_mode: &'a str,
    cpu_model: Option<&'a str>,
    kernel: Option<&'a str>,
    initrd: Option<&'a str>,
    pool: &'a str,
    backing: &'a str,
    overlay: String,
    seed: String,
    artifacts: Option<&'a str>,
    disks: Vec<Drive<'a>>,
    /// The size that the disk is asked for.
    size: Option<u64>,
    /// Names of the disks that stay when the node goes.
    kept: String,
    console: &'a str,
    golden: bool,
}

/// A further disk as the document has it.
#[derive(Serialize)]
pub(super) struct Drive<'a> {
    /// File name of its volume.
    pub file: String,
    /// The drive inside the guest.
    pub target: String,
    /// Its serial number.
    pub serial: &'a str,
    /// Its size in bytes.
    #[serde(skip)]
    pub bytes: u64,
}

/// The drive of a node's first further disk; others follow in the order of the alphabet.
const FIRST: u8 = b'd';

/// Each further disk of a node.
pub(super) fn drives(node: &Node) -> impl Iterator<Item = Drive<'_>> {
    let named = (FIRST..=b'z').zip(&node.disks);
    named.map(move |(letter, disk)| Drive {
        file: disk_name(&node.name, &disk.name),
        target: format!("vd{}", char::from(letter)),
        serial: &disk.serial,
        bytes: disk.bytes,
    })
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
    let made_from = if golden { serde_json::Value::Null } else { made_from(lab, node) };
    let disk = match golden {
        true => String::new(),
        false => crate::render::volume::sha256(&made_from.to_string()),
    };
    let mut data = Data {
        lab,
        node,
        hash: "",
        disk_hash: &disk,
        domain_type: platform.acceleration.domain_type(),
        cpu_mode: match node.cpu_model.as_deref() {
            Some(hardware::MAX) => "maximum",
            None | Some(hardware::HOST) if kvm => "host-passthrough",
            // The computer's own processor cannot be emulated.
            None | Some(hardware::HOST) => "maximum",
            Some(_) => "custom",
        },
        cpu_model: node
            .cpu_model
            .as_deref()
            .filter(|model| ![hardware::MAX, hardware::HOST].contains(model)),
        kernel: placement.boot.as_ref().map(|boot| boot.kernel.as_str()),
        initrd: placement.boot.as_ref().map(|boot| boot.initrd.as_str()),
        pool: &placement.pool,
        backing: &placement.backing,
        overlay: crate::render::volume::overlay_name(node),
        seed: crate::render::volume::seed_name(node),
        artifacts: placement.artifacts.as_deref(),
        // Golden guests have none: a node with such boots.
        disks: if golden { Vec::new() } else { drives(node).collect() },
        size: None,
        kept: String::new(),
        console: &placement.console,
        golden,
    };
    let template = "xml-templates/domain.xml.j2";
    let added = node.xml.as_deref();
    let render = |data: &Data<'_>| {
        let own = templates.render(template, data)?;
        added.map_or(Ok(own.clone()), |added| merged(&own, added))
    };
    let unmarked = render(&data)?;
    let hash = crate::render::volume::sha256(&unmarked);
    data.hash = &hash;
    // Of these the hash says nothing: they change while the guest runs.
    let kept = if golden { Vec::new() } else { kept(node) };
    (data.size, data.kept) = (Some(node.disk_bytes).filter(|_| !golden), kept.join(" "));
    let xml = render(&data)?;
    let (name, uuid) = (node.domain.clone(), node.uuid);
    Ok(DomainSpec {
        node: node.name.clone(),
        name,
        uuid,
        hardware: hardware_of(&xml)?,
        xml,
        hash: hash.clone(),
        disk: disk.clone(),
        autostart: lab.options.autostart.filter(|_| !golden),
        unmarked,
        size: node.disk_bytes,
        kept,
        made_from,
        disks: if golden { Vec::new() } else { growing(lab, node, platform) },
    })
}

/// The disks that can grow. One that a node boots from is at least as large as its image.
fn growing(lab: &Lab, node: &Node, platform: &Platform) -> Vec<DiskSpec> {
    let pool = lab.pool();
    let spec = |target: &str, volume: String, bytes| DiskSpec {
        pool: pool.clone(),
        volume,
        target: target.into(),
        bytes,
    };
    let image = platform.images.get(&node.os).map_or(0, |image| image.virtual_size);
    // As libvirt rounds.
    let bytes = node.disk_bytes.max(image).next_multiple_of(1024);
    let root = spec("vda", crate::render::volume::overlay_name(node), bytes);
    let further = drives(node).map(|drive| spec(&drive.target, drive.file, drive.bytes));
    std::iter::once(root).chain(further).collect()
}

fn kept(node: &Node) -> Vec<String> {
    node.disks.iter().filter(|disk| disk.keep).map(|disk| disk.name.clone()).collect()
}

/// Everything that is written once, at first boot, and cannot be changed on a running node: another
/// image, address, login or user-data means another disk, and so does a smaller size.
fn made_from(lab: &Lab, node: &Node) -> serde_json::Value {
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
    if let (Some(parts), false) = (parts.as_array_mut(), lab.network.is_own()) {
        parts.push(serde_json::json!([lab.network.joined, lab.network.nameservers()]));
    }
    parts
}

/// Where the disk's size stands in [`made_from`].
const SIZE: usize = 1;
