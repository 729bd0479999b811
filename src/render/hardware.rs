//! The part of a domain's definition that makes it this guest: read alike from our document and from what
//! libvirt holds, so that a change made with other tools is seen, and libvirt's own additions are not.

use serde::Deserialize;

use crate::model::inventory::Hardware;
use crate::render::templates::RenderError;

#[derive(Deserialize)]
struct Domain {
    memory: Amount,
    vcpu: Text,
    os: Os,
    cpu: Option<Cpu>,
    devices: Devices,
}

#[derive(Deserialize)]
struct Cpu {
    #[serde(rename = "@mode", default)]
    mode: String,
    model: Option<Text>,
}

#[derive(Deserialize)]
struct Amount {
    #[serde(rename = "@unit", default)]
    unit: String,
    #[serde(rename = "$text")]
    count: u64,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "$text", default)]
    text: String,
}

#[derive(Deserialize)]
struct Os {
    kernel: Option<String>,
    cmdline: Option<String>,
}

#[derive(Deserialize)]
struct Devices {
    #[serde(rename = "disk", default)]
    disks: Vec<Disk>,
    #[serde(rename = "interface", default)]
    cards: Vec<Card>,
}

#[derive(Deserialize)]
struct Disk {
    target: Target,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "@dev")]
    dev: String,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "@file")]
    file: Option<String>,
    #[serde(rename = "@network")]
    network: Option<String>,
    #[serde(rename = "@bridge")]
    bridge: Option<String>,
}

#[derive(Deserialize)]
struct Card {
    mac: Mac,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Mac {
    #[serde(rename = "@address")]
    address: String,
}

/// Reads the hardware of a domain document.
///
/// # Errors
/// When it is no document of a domain.
pub fn hardware(xml: &str) -> Result<Hardware, RenderError> {
    let domain: Domain = quick_xml::de::from_str(xml)
        .map_err(|error| RenderError::new(format!("read a domain document: {error}")))?;
    let (disks, cards) = (domain.devices.disks, domain.devices.cards);
    let disks = disks.into_iter().map(|d| (d.target.dev, d.source.and_then(|s| s.file)));
    let cards = cards.into_iter().map(|card| {
        (
            card.mac.address.to_ascii_lowercase(),
            card.source.and_then(|source| source.network.or(source.bridge)),
        )
    });
    Ok(Hardware {
        memory_kib: kib(&domain.memory),
        cpus: domain.vcpu.text.trim().to_owned(),
        cpu: domain.cpu.map(cpu).unwrap_or_default(),
        kernel: domain.os.kernel,
        cmdline: domain.os.cmdline,
        disks: disks.map(|(dev, file)| (dev, file.unwrap_or_default())).collect(),
        cards: cards.map(|(mac, network)| (mac, network.unwrap_or_default())).collect(),
    })
}

/// A model where one is named, else the way to it.
fn cpu(cpu: Cpu) -> String {
    let model = cpu.model.map(|model| model.text.trim().to_owned());
    model.unwrap_or(cpu.mode)
}

/// Libvirt writes KiB, whatever it was given; we write MiB.
fn kib(memory: &Amount) -> u64 {
    match memory.unit.as_str() {
        "MiB" => memory.count << 10,
        "GiB" => memory.count << 20,
        _ => memory.count,
    }
}
