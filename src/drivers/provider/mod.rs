//! What nodes stand on: the seam ([`seam`]), and those who stand behind it. [`libvirt`] speaks to any
//! libvirt, [`private`] brings one of the lab's own, [`existing`] has machines that are there anyway.

mod error;
pub mod existing;
pub mod libvirt;
pub mod private;
mod seam;
mod this_computer;

use std::path::Path;

pub use error::{Capability, ProviderError, Result};
pub use seam::{
    Activity, Clones, Console, Consoles, Content, Delivered, Deliveries, Delivery, Machines,
    Networks, Power, Provider, Snapshots, Storage, Surroundings,
};
pub use this_computer::ThisComputer;

/// The last few readable lines of a file.
pub fn tail(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let printable = |c: char| !c.is_control() || c == '\n';
    let clean: String = text.chars().filter(|c| printable(*c)).collect();
    let lines: Vec<&str> = clean.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(12);
    Some(lines.get(from..)?.join("\n"))
}
