//! Further disks of nodes: those of defaults, group and override by name, and what cannot be of them.

use crate::model::code;
use crate::model::disk::{self, Disk, Filesystem};
use crate::model::size;
use crate::model::topology::given::{Entry, Given, text};
use crate::model::topology::problem::{Problem, Span, printable};

/// Less does not hold a file system.
const LEAST: u64 = 8 << 20;

/// What all say, then the group, then the node itself: of one name the last.
pub(super) fn of(all: [Option<&Given>; 3], problems: &mut Vec<Problem>) -> Vec<Disk> {
    let mut entries: Vec<&Entry> = Vec::new();
    for given in all.into_iter().flatten() {
        for entry in given.get("disks").map(Given::entries).unwrap_or_default() {
            match entries.iter_mut().find(|known| known.key == entry.key) {
                Some(known) => *known = entry,
                None => entries.push(entry),
            }
        }
    }
    for entry in &entries {
        alone(entry, problems);
    }
    let disks: Vec<Disk> = entries.iter().filter_map(|entry| disk(entry)).collect();
    together(&entries, problems);
    disks
}

fn disk(entry: &Entry) -> Option<Disk> {
    let given = &entry.given;
    let mount = text(given.get("mount")).map(str::to_owned);
    let usual = if mount.is_some() { Filesystem::Ext4 } else { Filesystem::Raw };
    Some(Disk {
        // libvirt rounds, too: the next run must find what this one asked for.
        bytes: given.get("size").and_then(Given::bytes)?.next_multiple_of(size::MIB),
        serial: text(given.get("serial")).unwrap_or(&entry.key).to_owned(),
        filesystem: text(given.get("filesystem")).and_then(Filesystem::parse).unwrap_or(usual),
        mount,
        keep: given.get("keep").and_then(Given::truth).unwrap_or(false),
        name: entry.key.clone(),
    })
}

/// A disk that many nodes have is spoken of once.
fn tell(at: &Span, message: String, help: impl Into<String>, problems: &mut Vec<Problem>) {
    let problem = Problem::error(&code::BAD_DISK, at, message).help(help);
    let is_told =
        |known: &Problem| *known.code == code::BAD_DISK && known.span.as_ref() == Some(at);
    if !problems.iter().any(is_told) {
        problems.push(problem);
    }
}

/// What is wrong with a disk whatever else there is.
fn alone(entry: &Entry, problems: &mut Vec<Problem>) {
    let given = &entry.given;
    let name = printable(&entry.key);
    if let Some(size) = given.get("size")
        && size.bytes().is_some_and(|bytes| bytes < LEAST)
    {
        let message = format!("the disk '{name}' is of {}", size::human(size.bytes().unwrap_or(0)));
        tell(
            &size.span,
            message,
            "give it at least 8MiB; space is taken only as it fills",
            problems,
        );
    }
    if given.get("serial").is_none()
        && let Err(flaw) = disk::serial(&entry.key)
    {
        let help = "write a `serial` of its own, or a shorter name";
        tell(
            &entry.key_span,
            format!("the disk '{name}' has no serial number: {}", flaw.message),
            help,
            problems,
        );
    }
    let raw = given.get("filesystem").filter(|given| given.text() == Some(Filesystem::Raw.name()));
    if let Some(raw) = raw.filter(|_| given.get("mount").is_some()) {
        let message = format!("the disk '{name}' is mounted, and nothing is on it");
        let help = format!("write `filesystem: {}`, or remove `mount`", Filesystem::Ext4.name());
        tell(&raw.span, message, help, problems);
    }
}

/// Disks of one node that are in each other's way.
fn together(entries: &[&Entry], problems: &mut Vec<Problem>) {
    if let Some(first_too_many) = entries.get(disk::MOST) {
        let message = format!("a node has {} further disks", entries.len());
        let help = format!("a node has {} at most", disk::MOST);
        tell(&first_too_many.key_span, message, help, problems);
    }
    for (at, entry) in entries.iter().enumerate() {
        let before = entries.iter().take(at);
        for other in before {
            let serial =
                |entry: &Entry| text(entry.given.get("serial")).unwrap_or(&entry.key).to_owned();
            if serial(entry) == serial(other) {
                let span = entry.given.get("serial").map_or(&entry.key_span, |given| &given.span);
                let message = format!(
                    "the disks '{}' and '{}' have one serial number",
                    printable(&other.key),
                    printable(&entry.key)
                );
                tell(span, message, "give each its own: the node finds them by it", problems);
            }
            let mount = |entry: &'_ Entry| text(entry.given.get("mount")).map(str::to_owned);
            if let Some(given) = entry.given.get("mount")
                && mount(entry).is_some()
                && mount(entry) == mount(other)
            {
                let message = format!(
                    "the disks '{}' and '{}' are mounted at one folder",
                    printable(&other.key),
                    printable(&entry.key)
                );
                tell(&given.span, message, "give each a folder of its own", problems);
            }
        }
    }
}
