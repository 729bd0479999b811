//! The devices of a domain document that can be plugged in while it runs: disks and network cards.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::render::templates::RenderError;

/// A disk or a network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Name of a disk inside the guest, or the card's hardware address.
    pub name: String,
    /// Its element in the domain's document.
    pub xml: String,
}

/// Reads the devices of a domain document, in its order.
///
/// # Errors
/// When it is not XML.
pub fn devices(xml: &str) -> Result<Vec<DeviceSpec>, RenderError> {
    let bad = |error: String| RenderError::new(format!("read a domain document: {error}"));
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    let mut open: Option<Open> = None;
    loop {
        let begin = position(&reader);
        match reader.read_event().map_err(|error| bad(error.to_string()))? {
            Event::Eof => return Ok(found),
            Event::Start(tag) if naming(tag.name().as_ref()).is_some() => {
                open = Some(Open { begin, kind: tag.name().as_ref().into(), name: String::new() });
            }
            Event::Start(tag) | Event::Empty(tag) => {
                if let Some(open) = &mut open {
                    open.hear(&tag);
                }
            }
            Event::End(tag) if open.as_ref().is_some_and(|o| o.kind == tag.name().as_ref()) => {
                if let Some(Open { begin, name, .. }) = open.take() {
                    let xml = xml.get(begin..position(&reader)).unwrap_or_default().to_owned();
                    found.push(DeviceSpec { name, xml });
                }
            }
            _ => {}
        }
    }
}

/// A device of which the end was not read yet.
struct Open {
    begin: usize,
    kind: String,
    name: String,
}

impl Open {
    /// Takes the name where this element has it.
    fn hear(&mut self, tag: &BytesStart<'_>) {
        let Some((element, key)) = naming(&self.kind) else { return };
        let mut attributes = tag.attributes().flatten();
        if tag.name().as_ref() == element
            && let Some(found) = attributes.find(|attribute| attribute.key.as_ref() == key)
        {
            self.name = found.value.to_ascii_lowercase();
        }
    }
}

/// The element and attribute that tell devices of a kind apart; `None` for other kinds.
fn naming(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "disk" => Some(("target", "dev")),
        "interface" => Some(("mac", "address")),
        _ => None,
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_by_their_names() {
        let xml = "<domain><name>a</name><devices><disk type='file'><source file='/x'/>\
                   <target dev='vda' bus='virtio'/></disk><controller type='usb'/>\
                   <interface type='network'><mac address='52:54:00:AA:00:01'/>\
                   <target dev='vnet3'/></interface></devices></domain>";
        let found = devices(xml).unwrap_or_default();
        let names: Vec<&str> = found.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["vda", "52:54:00:aa:00:01"]);
        assert!(
            found[0].xml.starts_with("<disk type='file'>") && found[0].xml.ends_with("</disk>")
        );
    }
}
