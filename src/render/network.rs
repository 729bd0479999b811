//! Libvirt network XML: NAT, DNS records forward and reverse, a DHCP reservation per node.

use serde::Serialize;
use uuid::Uuid;

use crate::model::{Lab, Node};
use crate::render::templates::{RenderError, Templates};
use crate::render::volume::sha256;

/// A network as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Libvirt name.
    pub name: String,
    /// Libvirt id.
    pub uuid: Uuid,
    /// Document to define.
    pub xml: String,
    /// Hex sha256 of the document without the hash itself, kept in its metadata.
    pub hash: String,
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    nodes: &'a [Node],
    hash: &'a str,
    netmask: String,
    /// First and last address.
    dhcp: Option<[String; 2]>,
}

/// Renders the lab's network.
///
/// # Errors
/// When the template cannot be rendered.
pub fn network(templates: &Templates, lab: &Lab) -> Result<NetworkSpec, RenderError> {
    let dhcp = lab.network.dhcp.map(|(first, last)| [first.to_string(), last.to_string()]);
    let netmask = lab.network.cidr.netmask().to_string();
    let mut data = Data { lab, nodes: &lab.nodes, hash: "", netmask, dhcp };
    let template = "xml-templates/network.xml.j2";
    let hash = sha256(&templates.render(template, &data)?);
    data.hash = &hash;
    let xml = templates.render(template, &data)?;
    Ok(NetworkSpec {
        name: lab.network.name.clone(),
        uuid: lab.network.uuid,
        xml,
        hash: hash.clone(),
    })
}
