//! Changing a running network without a restart: DHCP reservations and DNS records come and go
//! while guests stay connected.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use virt::network::Network;

use crate::drivers::provider::libvirt::connection::failed;
use crate::drivers::provider::libvirt::observe::attribute;
use crate::drivers::provider::{ProviderError, Result};

/// Elements of a network document, as text in one spelling, so that ours and libvirt's compare.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    dhcp: Vec<String>,
    hosts: Vec<String>,
    texts: Vec<String>,
    services: Vec<String>,
    /// What cannot change while the network runs: what it is called, and its value.
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
    ("forward", &["mode"], "mode or uplink"),
    ("domain", &["name"], "domain"),
    ("bridge", &["name"], "bridge"),
    ("ip", &["address", "netmask"], "cidr or gateway"),
    ("range", &["start", "end"], "dhcp range"),
    ("mtu", &["size"], "mtu"),
    ("forwarder", &["addr"], "forwarders"),
    ("dnsmasq:option", &["value"], "records for all names below one"),
];

/// Attributes of what changes while the network runs, in the order in which they are written.
const DHCP_HOST: &[&str] = &["mac", "name", "ip"];
const TEXT: &[&str] = &["name", "value"];
const SERVICE: &[&str] = &["service", "protocol", "domain", "target", "port", "priority", "weight"];

/// Brings the running network from the document `before` to the document `after`.
pub(crate) fn live(network: &Network, before: &str, after: &str) -> Result<()> {
    let (old, new) = (parts(before)?, parts(after)?);
    if old.frame != new.frame {
        return Err(ProviderError::new(
            "change the running network",
            format!("its {} cannot change while guests use it", first_difference(&old.frame, &new.frame)),
        )
        .hint("`lab down`, then `lab up`; nodes, records, reservations and floating addresses can change at any time"));
    }
    let sections = [
        (virt::sys::VIR_NETWORK_SECTION_IP_DHCP_HOST, &old.dhcp, &new.dhcp),
        (virt::sys::VIR_NETWORK_SECTION_DNS_HOST, &old.hosts, &new.hosts),
        (virt::sys::VIR_NETWORK_SECTION_DNS_TXT, &old.texts, &new.texts),
        (virt::sys::VIR_NETWORK_SECTION_DNS_SRV, &old.services, &new.services),
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

/// An element with these attributes, as far as it has them.
fn rebuilt(tag: &BytesStart<'_>, name: &str, attributes: &[&str]) -> String {
    let written = |key: &&str| Some(format!(" {key}='{}'", escape(attribute(tag, key)?)));
    let attributes: String = attributes.iter().filter_map(written).collect();
    format!("<{name}{attributes}/>")
}

impl Parts {
    /// An element that stands for itself; true where it was one.
    fn takes(&mut self, tag: &BytesStart<'_>) -> bool {
        match tag.name().as_ref() {
            "host" if attribute(tag, "mac").is_some() => {
                self.dhcp.push(rebuilt(tag, "host", DHCP_HOST));
            }
            "txt" => self.texts.push(rebuilt(tag, "txt", TEXT)),
            "srv" => self.services.push(rebuilt(tag, "srv", SERVICE)),
            name => {
                let Some((_, keys, what)) = FRAME.iter().find(|(of, ..)| *of == name) else {
                    return false;
                };
                let values: Vec<String> =
                    keys.iter().filter_map(|key| attribute(tag, key)).collect();
                self.frame.push((what, values.join(" ")));
            }
        }
        true
    }
}

fn parts(xml: &str) -> Result<Parts> {
    let bad = |error: &dyn std::fmt::Display| {
        ProviderError::new("read the running network", error.to_string())
    };
    let mut reader = Reader::from_str(xml);
    let mut found = Parts::default();
    let mut host = String::new();
    let mut in_hostname = false;
    loop {
        match reader.read_event().map_err(|error| bad(&error))? {
            Event::Eof => return Ok(found),
            Event::Start(tag) | Event::Empty(tag) if found.takes(&tag) => {}
            Event::Start(tag) if tag.name().as_ref() == "host" => {
                host = format!("<host ip='{}'>", attribute(&tag, "ip").unwrap_or_default());
            }
            Event::Start(tag) => in_hostname = tag.name().as_ref() == "hostname",
            Event::Text(text) if in_hostname => {
                host.push_str(&format!("<hostname>{}</hostname>", AsRef::<str>::as_ref(&text)));
                in_hostname = false;
            }
            Event::End(tag) if tag.name().as_ref() == "host" && !host.is_empty() => {
                found.hosts.push(std::mem::take(&mut host) + "</host>");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_record_are_one() {
        let ours = "<network><dns><forwarder addr=\"192.0.2.1\"/><txt name=\"a.lab\" value=\"x &amp; y\"/>\
            <host ip=\"10.0.0.1\">\n<hostname>a.lab</hostname>\n<hostname>a</hostname></host>\
            <srv service=\"ldap\" protocol=\"tcp\" domain=\"lab\" target=\"a.lab\" port=\"389\" priority=\"1\" weight=\"2\"/></dns>\
            <ip><dhcp><host mac=\"52:54:00:00:00:01\" name=\"a\" ip=\"10.0.0.1\"/></dhcp></ip></network>";
        let theirs = "<network><dns><forwarder addr='192.0.2.1'/><txt value='x &amp; y' name='a.lab'/>\
            <srv weight='2' priority='1' port='389' target='a.lab' domain='lab' protocol='tcp' service='ldap'/>\
            <host ip='10.0.0.1'><hostname>a.lab</hostname><hostname>a</hostname></host></dns>\
            <ip><dhcp><host ip='10.0.0.1' name='a' mac='52:54:00:00:00:01'/></dhcp></ip></network>";
        let (ours, theirs) = (parts(ours).unwrap_or_default(), parts(theirs).unwrap_or_default());
        assert_eq!(ours, theirs);
        assert_eq!(ours.texts, ["<txt name='a.lab' value='x &amp; y'/>"]);
        assert_eq!(
            ours.hosts,
            ["<host ip='10.0.0.1'><hostname>a.lab</hostname><hostname>a</hostname></host>"]
        );
        assert_eq!((ours.dhcp.len(), ours.services.len(), ours.frame.len()), (1, 1, 2));
    }
}
