//! Libvirt network XML: NAT, DNS records forward and reverse, a DHCP reservation per node and for guests beside.

use std::net::Ipv4Addr;

use serde::Serialize;
use uuid::Uuid;

use crate::model::dns::{self, Answer};
use crate::model::hosts::{self, Host};
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
    hosts: Vec<Host>,
    texts: Vec<Text<'a>>,
    services: Vec<Srv<'a>>,
    wildcards: Vec<Wildcard>,
}

/// All names below one.
#[derive(Serialize)]
struct Wildcard {
    name: String,
    address: Ipv4Addr,
}

#[derive(Serialize)]
struct Text<'a> {
    name: &'a str,
    value: &'a str,
}

/// A record whose name is `_service._protocol.domain`.
#[derive(Serialize)]
struct Srv<'a> {
    service: &'a str,
    protocol: &'a str,
    domain: &'a str,
    #[serde(flatten)]
    answer: &'a dns::Service,
}

fn texts(lab: &Lab) -> Vec<Text<'_>> {
    let all = lab.network.records.iter().filter_map(|record| match &record.answer {
        Answer::Text(value) => Some(Text { name: &record.name, value }),
        _ => None,
    });
    all.collect()
}

fn services(lab: &Lab) -> Vec<Srv<'_>> {
    let all = lab.network.records.iter().filter_map(|record| {
        let Answer::Service(answer) = &record.answer else { return None };
        let [service, protocol, domain] = dns::service(&record.name)?;
        Some(Srv { service, protocol, domain, answer })
    });
    all.collect()
}

/// Renders the lab's network.
///
/// # Errors
/// When the template cannot be rendered.
pub fn network(templates: &Templates, lab: &Lab) -> Result<NetworkSpec, RenderError> {
    let dhcp = lab.network.dhcp.map(|(first, last)| [first.to_string(), last.to_string()]);
    let netmask = lab.network.cidr.netmask().to_string();
    let wild = |(name, address)| Wildcard { name, address };
    let mut data = Data {
        lab,
        nodes: &lab.nodes,
        hash: "",
        netmask,
        dhcp,
        hosts: hosts::hosts(lab),
        texts: texts(lab),
        services: services(lab),
        wildcards: hosts::wildcards(lab).into_iter().map(wild).collect(),
    };
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
