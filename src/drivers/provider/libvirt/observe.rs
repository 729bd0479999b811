//! Reading what libvirt holds.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use uuid::Uuid;
use virt::connect::Connect;
use virt::storage_pool::StoragePool;

use crate::drivers::provider::libvirt::connection::failed;
use crate::drivers::provider::libvirt::storage::DONE;
use crate::drivers::provider::{ProviderError, Result};
use crate::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory, Mark};
use crate::render;

pub(crate) fn inventory(connect: &Connect) -> Result<Inventory> {
    let mut found = Inventory::default();
    let domains = connect.list_all_domains(0).map_err(failed("list the domains"))?;
    for domain in domains {
        // A domain that goes away while we look is not there.
        let Ok(xml) = domain.xml_desc(virt::sys::VIR_DOMAIN_XML_INACTIVE) else { continue };
        let parsed = parse(&xml)?;
        found.domains.push(FoundDomain {
            name: domain.name().unwrap_or_default(),
            uuid: uuid(&domain.uuid_string().unwrap_or_default()),
            active: domain.is_active().unwrap_or(false),
            paused: crate::drivers::provider::libvirt::snapshot::is_paused(&domain),
            autostart: domain.autostart().unwrap_or(false),
            snapshots: crate::drivers::provider::libvirt::snapshot::names(&domain),
            hardware: parsed.mark.as_ref().and_then(|_| render::hardware(&xml).ok()),
            mark: parsed.mark,
            macs: parsed.macs,
        });
    }
    for network in connect.list_all_networks(0).map_err(failed("list the networks"))? {
        // The stored definition, whose mark is the newest; the running one keeps its old mark.
        let flags = virt::sys::VIR_NETWORK_XML_INACTIVE;
        let Ok(xml) = network.xml_desc(flags).or_else(|_| network.xml_desc(0)) else { continue };
        let parsed = parse(&xml)?;
        found.networks.push(FoundNetwork {
            name: network.name().unwrap_or_default(),
            uuid: uuid(&network.uuid_string().unwrap_or_default()),
            mark: parsed.mark,
            active: network.is_active().unwrap_or(false),
            cidrs: parsed.cidrs,
            bridge: network.bridge_name().ok(),
        });
    }
    for pool in connect.list_all_storage_pools(0).map_err(failed("list the storage pools"))? {
        let volumes = complete(&pool.list_volumes().unwrap_or_default());
        found.pools.push(FoundPool {
            name: pool.name().unwrap_or_default(),
            uuid: uuid(&pool.uuid_string().unwrap_or_default()),
            active: pool.is_active().unwrap_or(false),
            path: directory(&pool).unwrap_or_default(),
            sizes: sizes(&pool, &volumes),
            volumes,
        });
    }
    Ok(found)
}

/// Names of the volumes that were completed: a half-made one is as good as none.
fn complete(names: &[String]) -> Vec<String> {
    names.iter().filter_map(|name| name.strip_suffix(DONE)).map(str::to_owned).collect()
}

/// A pool's directory; `None` for pools of other kinds.
fn directory(pool: &StoragePool) -> Option<String> {
    let xml = pool.xml_desc(0).ok()?;
    let path = xml.split_once("<path>")?.1.split_once("</path>")?.0;
    quick_xml::escape::unescape(path).ok().map(std::borrow::Cow::into_owned)
}

/// Sizes of the volumes that are disks.
fn sizes(pool: &StoragePool, volumes: &[String]) -> BTreeMap<String, u64> {
    let disks = volumes.iter().filter(|name| name.ends_with(".qcow2"));
    let size =
        |name: &String| Some(pool.lookup_storage_vol_by_name(name).ok()?.info().ok()?.capacity);
    disks.filter_map(|name| Some((name.clone(), size(name)?))).collect()
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap_or_default()
}

/// The few facts that are read from a libvirt document.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Whose it is.
    pub mark: Option<Mark>,
    /// MAC addresses of interfaces.
    pub macs: Vec<String>,
    /// IPv4 networks.
    pub cidrs: Vec<Ipv4Net>,
}

/// Reads a libvirt document of any kind.
///
/// # Errors
/// When it is not XML.
pub fn parse(xml: &str) -> Result<Parsed> {
    let bad = |error: String| ProviderError::new("read a libvirt document", error);
    let mut reader = Reader::from_str(xml);
    let mut parsed = Parsed::default();
    loop {
        match reader.read_event().map_err(|error| bad(error.to_string()))? {
            Event::Eof => return Ok(parsed),
            Event::Start(tag) | Event::Empty(tag) => element(&tag, &mut parsed),
            _ => {}
        }
    }
}

fn element(tag: &BytesStart<'_>, parsed: &mut Parsed) {
    let get = |name: &str| attribute(tag, name);
    match tag.name().as_ref() {
        "lab:object" => {
            if let (Some(lab), Some(hash)) = (get("lab"), get("hash")) {
                let (node, disk) = (get("node"), get("disk").unwrap_or_default());
                let kept = get("kept").unwrap_or_default();
                let kept = kept.split_ascii_whitespace().map(str::to_owned).collect();
                let size = get("size").and_then(|size| size.parse().ok());
                let of = |lab| Mark { lab, node, hash, disk, size, kept };
                parsed.mark = Uuid::parse_str(&lab).ok().map(of);
            }
        }
        "mac" => parsed.macs.extend(get("address").map(|mac| mac.to_ascii_lowercase())),
        "ip" => {
            let address = get("address").and_then(|text| text.parse::<Ipv4Addr>().ok());
            let prefix = get("prefix").and_then(|text| text.parse::<u8>().ok()).or_else(|| {
                let mask = get("netmask")?.parse::<Ipv4Addr>().ok()?;
                ipnet::ipv4_mask_to_prefix(mask).ok()
            });
            if let (Some(address), Some(prefix)) = (address, prefix) {
                parsed.cidrs.extend(Ipv4Net::new(address, prefix).ok().map(|net| net.trunc()));
            }
        }
        _ => {}
    }
}

pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().flatten().find(|a| a.key.as_ref() == name)?;
    quick_xml::escape::unescape(found.value.as_ref()).ok().map(std::borrow::Cow::into_owned)
}
