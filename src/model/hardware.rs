//! What a guest is like besides its size: the model of its processor, and what a person adds to its definition.

use quick_xml::Reader;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};

use crate::model::flaw::Flaw;

/// The processor of the computer itself, under hardware virtualisation.
pub const HOST: &str = "host";
/// Everything that QEMU has.
pub const MAX: &str = "max";

/// Judges a model of processors.
///
/// # Errors
/// What is wrong with it.
pub fn cpu_model(text: &str) -> Result<(), Flaw> {
    let help = "write `host`, `max`, or a model of QEMU's like `Skylake-Server`; `cpus` says how many there are";
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_word = !text.is_empty() && text.len() <= 60 && text.chars().all(is_plain);
    if !is_word || text.chars().all(|c| c.is_ascii_digit()) {
        return Err(Flaw::new("this is no model of a processor", help));
    }
    Ok(())
}

/// Elements of a domain that say which guest it is, and what else lab itself says of it.
const OWN: &[&str] =
    &["name", "uuid", "genid", "metadata", "memory", "currentMemory", "vcpu", "os"];
/// Devices that follow from other fields.
const OWN_DEVICES: &[(&str, &str)] =
    &[("disk", "disks"), ("serial", "nothing: `lab console` needs the one there is")];
/// As deep as no domain of libvirt's is.
const DEEPEST: usize = 32;

/// Judges what is to be added to the definition of a guest: elements of a libvirt domain.
///
/// # Errors
/// What is wrong with it.
pub fn snippet(text: &str) -> Result<(), Flaw> {
    let help = "write elements of a libvirt domain, like `<devices><watchdog model='i6300esb'/></devices>`";
    let bad = |why: String| Flaw::new(format!("this is no XML that can be added: {why}"), help);
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut elements = 0;
    let mut cards = Cards::default();
    loop {
        let event = reader.read_event().map_err(|error| bad(error.to_string()))?;
        match event {
            Event::Eof if !path.is_empty() => {
                return Err(bad(format!("<{}> has no end", path.join("><"))));
            }
            Event::Eof if elements == 0 => return Err(bad("it has no element".into())),
            Event::Eof => return Ok(()),
            Event::Start(tag) => {
                path.push(tag.name().as_ref().to_owned());
                cards.begin(&path);
                attributes(&tag).map_err(|error| bad(error.to_string()))?;
                refuse_own(&path)?;
                elements += 1;
            }
            Event::Empty(tag) => {
                path.push(tag.name().as_ref().to_owned());
                attributes(&tag).map_err(|error| bad(error.to_string()))?;
                refuse_own(&path)?;
                cards.begin(&path);
                cards.end(&path)?;
                path.pop();
                elements += 1;
            }
            Event::End(_) => {
                cards.end(&path)?;
                path.pop();
            }
            Event::Text(found) if path.is_empty() && !found.trim().is_empty() => {
                return Err(bad("there is text outside of any element".into()));
            }
            Event::Text(_) | Event::Comment(_) => {}
            Event::GeneralRef(_) if !path.is_empty() => {}
            _ => return Err(bad("only elements, text and comments can be added".into())),
        }
        if path.len() > DEEPEST {
            return Err(bad("it is nested too deeply".into()));
        }
    }
}

/// Network cards among what is added: without an address of their own libvirt would choose another each time.
#[derive(Default)]
struct Cards {
    has_mac: bool,
}

impl Cards {
    fn begin(&mut self, path: &[String]) {
        match path {
            [devices, card] if devices == "devices" && card == "interface" => self.has_mac = false,
            [devices, card, mac] if devices == "devices" && card == "interface" => {
                self.has_mac |= mac == "mac";
            }
            _ => {}
        }
    }

    fn end(&self, path: &[String]) -> Result<(), Flaw> {
        let is_card =
            matches!(path, [devices, card] if devices == "devices" && card == "interface");
        match is_card && !self.has_mac {
            true => Err(Flaw::new(
                "a network card is added without an address of its own",
                "write `<mac address='52:54:00:...'/>` into it: nodes of one group want one each, under `overrides`",
            )),
            false => Ok(()),
        }
    }
}

fn attributes(tag: &BytesStart<'_>) -> Result<(), AttrError> {
    tag.attributes().try_for_each(|found| found.map(drop))
}

fn refuse_own(path: &[String]) -> Result<(), Flaw> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["domain"] => Err(Flaw::new(
            "the definition of a guest is made by lab; this is added to it",
            "write what stands inside of `<domain>` alone",
        )),
        [name] if OWN.contains(&name) => Err(Flaw::new(
            format!("<{name}> is said by lab itself"),
            "remove that element; `cpus`, `memory`, `disk` and `name` are fields of their own",
        )),
        ["cpu", "model"] => Err(Flaw::new(
            "the model of processors is a field of its own",
            "remove <model>, and write `cpu_model`",
        )),
        ["devices", device] => match OWN_DEVICES.iter().find(|(own, _)| *own == device) {
            Some((own, field)) => Err(Flaw::new(
                format!("<{own}> is said by lab itself"),
                format!("remove that element; what there is for it: {field}"),
            )),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_domain_can_be_added() {
        for good in [
            "<devices><watchdog model='i6300esb' action='reset'/></devices>\n",
            "<memoryBacking><hugepages/></memoryBacking><devices>\n<!-- a card --><tpm model='tpm-crb'/></devices>",
            "<description>mine &amp; yours</description>",
            "<devices><interface type='bridge'><mac address='52:54:00:00:00:09'/><source bridge='br0'/></interface></devices>",
            "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-S'/></qemu:commandline>",
        ] {
            assert!(snippet(good).is_ok(), "{good}: {:?}", snippet(good));
        }
        for bad in [
            "",
            "text",
            "<devices>",
            "<devices></device>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<domain><devices/></domain>",
            "<uuid>1</uuid>",
            "<cpu><model>Nehalem</model></cpu>",
            "<devices><disk/></devices>",
            "<devices><interface type='bridge'><source bridge='br0'/></interface></devices>",
            "<devices><interface type='user'/></devices>",
            "<!DOCTYPE x><a/>",
            "<?xml version='1.0'?><a/>",
            "<a/> and more",
        ] {
            assert!(snippet(bad).is_err(), "{bad}");
        }
        assert!(snippet(&"<a>".repeat(100)).is_err());
    }

    #[test]
    fn numbers_are_no_models() {
        assert!(cpu_model("host").is_ok() && cpu_model("Skylake-Server").is_ok());
        for bad in ["", "2", "a b", "x'y", "</model>"] {
            assert!(cpu_model(bad).is_err(), "{bad}");
        }
    }
}
