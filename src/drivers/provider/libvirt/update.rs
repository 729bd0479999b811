//! Changing a running network without a restart: DHCP reservations and DNS records come and go
//! while guests stay connected.

use quick_xml::Reader;
use quick_xml::events::Event;
use virt::network::Network;

use crate::drivers::provider::libvirt::connection::failed;
use crate::drivers::provider::{ProviderError, Result};

/// `<host>` elements of a network document, as text, by section.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hosts {
    dhcp: Vec<String>,
    dns: Vec<String>,
    /// What cannot change while the network runs: element and value.
    frame: Vec<(&'static str, String)>,
}

fn first_difference(
    old: &[(&'static str, String)],
    new: &[(&'static str, String)],
) -> &'static str {
    let pair = new
        .iter()
        .find(|pair| !old.contains(pair))
        .or_else(|| old.iter().find(|pair| !new.contains(pair)));
    pair.map_or("definition", |(name, _)| name)
}

/// Parts of a network document that only a restart changes.
const FRAME: &[(&str, &[&str], &str)] = &[
    ("forward", &["mode"], "uplink"),
    ("domain", &["name"], "domain"),
    ("bridge", &["name"], "bridge"),
    ("ip", &["address", "netmask"], "cidr"),
    ("range", &["start", "end"], "dhcp range"),
];

/// Brings the running network from the document `before` to the document `after`.
pub(crate) fn live(network: &Network, before: &str, after: &str) -> Result<()> {
    let (old, new) = (hosts(before)?, hosts(after)?);
    if old.frame != new.frame {
        return Err(ProviderError::new(
            "change the running network",
            format!("its {} cannot change while guests use it", first_difference(&old.frame, &new.frame)),
        )
        .hint("`lab down`, then `lab up`; nodes, their records and floating addresses can change at any time"));
    }
    let sections = [
        (virt::sys::VIR_NETWORK_SECTION_IP_DHCP_HOST, &old.dhcp, &new.dhcp),
        (virt::sys::VIR_NETWORK_SECTION_DNS_HOST, &old.dns, &new.dns),
    ];
    for (section, old, new) in sections {
        let change = |command, xml: &str| {
            network
                .update(command, section, -1, xml, virt::sys::VIR_NETWORK_UPDATE_AFFECT_LIVE)
                .map_err(failed("update the running network"))
        };
        for xml in old.iter().filter(|xml| !new.contains(xml)) {
            change(virt::sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, xml)?;
        }
        for xml in new.iter().filter(|xml| !old.contains(xml)) {
            change(virt::sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, xml)?;
        }
    }
    Ok(())
}

/// Rebuilds each `<host>` in one spelling, so that ours and libvirt's compare.
fn hosts(xml: &str) -> Result<Hosts> {
    let bad = |error: &dyn std::fmt::Display| {
        ProviderError::new("read the running network", error.to_string())
    };
    let mut reader = Reader::from_str(xml);
    let mut found = Hosts::default();
    let mut dns = String::new();
    let mut in_hostname = false;
    loop {
        match reader.read_event().map_err(|error| bad(&error))? {
            Event::Eof => return Ok(found),
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "host" => {
                let get = |name| {
                    crate::drivers::provider::libvirt::observe::attribute(&tag, name)
                        .unwrap_or_default()
                };
                if get("mac").is_empty() {
                    dns = format!("<host ip='{}'>", get("ip"));
                } else {
                    found.dhcp.push(format!(
                        "<host mac='{}' name='{}' ip='{}'/>",
                        get("mac"),
                        get("name"),
                        get("ip")
                    ));
                }
            }
            Event::Start(tag) | Event::Empty(tag)
                if FRAME.iter().any(|(name, ..)| *name == tag.name().as_ref()) =>
            {
                for (_, keys, what) in
                    FRAME.iter().filter(|(name, ..)| *name == tag.name().as_ref())
                {
                    let values = keys.iter().filter_map(|key| {
                        crate::drivers::provider::libvirt::observe::attribute(&tag, key)
                    });
                    found.frame.push((what, values.collect::<Vec<_>>().join(" ")));
                }
            }
            Event::Start(tag) => in_hostname = tag.name().as_ref() == "hostname",
            Event::Text(text) if in_hostname => {
                dns.push_str(&format!("<hostname>{}</hostname>", AsRef::<str>::as_ref(&text)));
                in_hostname = false;
            }
            Event::End(tag) if tag.name().as_ref() == "host" && !dns.is_empty() => {
                found.dns.push(std::mem::take(&mut dns) + "</host>");
            }
            _ => {}
        }
    }
}
