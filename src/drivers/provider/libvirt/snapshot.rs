//! A domain's part of a lab's snapshot: an internal snapshot of its qcow2 disk, with or without its
//! memory.

use serde_json::{Value, json};
use uuid::Uuid;
use virt::domain::{Domain, DomainState};
use virt::domain_snapshot::DomainSnapshot;
use virt::enumutil::Enum;
use virt::sys;

use crate::drivers::provider::libvirt::connection::{Libvirt, failed};
use crate::drivers::provider::libvirt::storage;
use crate::drivers::provider::{ProviderError, Result};
use crate::model::snapshot::{Documents, Kind};
use crate::render::SnapshotSpec;

/// True while a domain stands still in the middle of running.
pub(crate) fn is_paused(domain: &Domain) -> bool {
    matches!(domain.state(), Ok((Enum::Known(DomainState::Paused), _)))
}

/// Names of a domain's snapshots; none where the driver knows no snapshots.
pub(crate) fn names(domain: &Domain) -> Vec<String> {
    let all = domain.list_all_snapshots(0).unwrap_or_default();
    let mut names: Vec<String> = all.iter().filter_map(|snapshot| snapshot.name().ok()).collect();
    names.sort();
    names
}

fn find(libvirt: &Libvirt, uuid: Uuid, doing: &str) -> Result<Domain> {
    libvirt.domain(uuid).ok_or_else(|| ProviderError::new(doing, "the domain is not defined"))
}

fn part(domain: &Domain, name: &str) -> Option<DomainSnapshot> {
    Domain::lookup_snapshot_by_name(domain, name, 0).ok()
}

pub(crate) fn suspend(libvirt: &Libvirt, uuid: Uuid) -> Result<()> {
    let domain = find(libvirt, uuid, "make a domain stand still")?;
    if is_paused(&domain) {
        return Ok(());
    }
    let name = domain.name().unwrap_or_default();
    domain.suspend().map_err(failed(format!("make domain '{name}' stand still")))
}

pub(crate) fn save(libvirt: &Libvirt, spec: &SnapshotSpec) -> Result<Documents> {
    let domain = find(libvirt, spec.domain, "save a domain")?;
    let name = domain.name().unwrap_or_default();
    let doing = || format!("save domain '{name}'");
    let secure = sys::VIR_DOMAIN_XML_SECURE | sys::VIR_DOMAIN_XML_INACTIVE;
    let definition = domain.xml_desc(secure).map_err(failed(doing()))?;
    let running = domain.is_active().unwrap_or(false);
    let snapshot = match running && spec.kind == Kind::Disk {
        true => save_live_disk(&domain, spec, &definition, &doing())?,
        false => domain.create_snapshot_xml(&spec.xml, 0).map_err(failed(doing()))?,
    };
    let document = snapshot.xml_desc(sys::VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    Ok(Documents { domain: definition, snapshot: document.map_err(failed(doing()))? })
}

/// libvirt makes internal snapshots of running guests with their memory only; QEMU itself can leave
/// it out. libvirt is told afterwards.
fn save_live_disk(
    domain: &Domain,
    spec: &SnapshotSpec,
    definition: &str,
    doing: &str,
) -> Result<DomainSnapshot> {
    // All of them in one moment, or none.
    let action = |device: &String| {
        let data = json!({"device": device, "name": spec.name});
        json!({"type": "blockdev-snapshot-internal-sync", "data": data})
    };
    let actions: Vec<Value> = devices(domain, spec, doing)?.iter().map(action).collect();
    monitor(domain, "transaction", &json!({"actions": actions}), doing)?;
    let end = "</domainsnapshot>";
    let xml = spec.redefine.replace(end, &format!("{definition}{end}"));
    domain
        .create_snapshot_xml(&xml, sys::VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
        .map_err(failed(doing))
}

/// Asks QEMU itself. Its refusals come as answers, not as errors.
fn monitor(domain: &Domain, command: &str, arguments: &Value, doing: &str) -> Result<Value> {
    let request = json!({"execute": command, "arguments": arguments}).to_string();
    let answer = domain.qemu_monitor_command(&request, 0).map_err(failed(doing))?;
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|error| ProviderError::new(doing, format!("QEMU answers: {error}")))?;
    match answer["error"]["desc"].as_str() {
        Some(refused) => Err(ProviderError::new(doing, refused)),
        None => Ok(answer["return"].clone()),
    }
}

/// QEMU's names of the qcow2 layers on the domain's disks.
fn devices(domain: &Domain, spec: &SnapshotSpec, doing: &str) -> Result<Vec<String>> {
    let nodes = monitor(domain, "query-named-block-nodes", &json!({"flat": true}), doing)?;
    let layer_of = |disk: &String| {
        let is_it = |node: &&Value| {
            let file = node["file"].as_str().unwrap_or_default();
            node["drv"] == "qcow2" && file.rsplit('/').next() == Some(disk)
        };
        let found = nodes.as_array().and_then(|nodes| nodes.iter().find(is_it));
        let name = found.and_then(|node| node["node-name"].as_str()).map(str::to_owned);
        name.ok_or_else(|| ProviderError::new(doing, format!("QEMU has no disk {disk} open")))
    };
    spec.disks().map(layer_of).collect()
}

/// The domain and its part, defined again from `documents` when libvirt no longer knows them.
fn known(
    libvirt: &Libvirt,
    spec: &SnapshotSpec,
    documents: &Documents,
    doing: &str,
) -> Result<(Domain, DomainSnapshot)> {
    let domain = match libvirt.domain(spec.domain) {
        Some(domain) => domain,
        None => {
            libvirt.connect.define_domain_xml_flags(&documents.domain, 0).map_err(failed(doing))?
        }
    };
    let snapshot = match part(&domain, &spec.name) {
        Some(snapshot) => snapshot,
        None => domain
            .create_snapshot_xml(&documents.snapshot, sys::VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
            .map_err(failed(doing))?,
    };
    Ok((domain, snapshot))
}

pub(crate) fn revert(libvirt: &Libvirt, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
    let doing = format!("bring the domain of {} back to snapshot '{}'", spec.disk, spec.name);
    let (domain, snapshot) = known(libvirt, spec, documents, &doing)?;
    if spec.kind == Kind::Disk {
        if domain.is_active().unwrap_or(false) {
            domain.destroy().map_err(failed(doing.clone()))?;
        }
        // It has the disks of that time again, and no others.
        if !documents.domain.is_empty() {
            let defined = libvirt.connect.define_domain_xml_flags(&documents.domain, 0);
            defined.map(drop).map_err(failed(doing.clone()))?;
        }
        return snapshot.revert(0).map_err(failed(doing));
    }
    // A definition that changed since is part of what comes back.
    let flags = sys::VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED | sys::VIR_DOMAIN_SNAPSHOT_REVERT_FORCE;
    snapshot.revert(flags).map_err(failed(doing))
}

/// Bytes that a memory takes at the very least.
const LITTLE: u64 = 64 << 20;

/// A disk that was brought back to a snapshot keeps a reference of its own to the memory in it, until
/// memory is saved there again. So it is, for nothing.
fn drop_memory(domain: &Domain, spec: &SnapshotSpec, doing: &str) -> Result<()> {
    const NAME: &str = "lab.nothing";
    if let Some(left) = part(domain, NAME) {
        left.delete(0).map_err(failed(doing))?;
    }
    if !domain.is_active().unwrap_or(false) {
        return Ok(());
    }
    let xml = spec.xml.replace(&spec.name, NAME);
    let made = domain.create_snapshot_xml(&xml, 0).map_err(failed(doing))?;
    made.delete(0).map_err(failed(doing))
}

pub(crate) fn forget(libvirt: &Libvirt, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
    let doing = format!("delete snapshot '{}' in {}", spec.name, spec.disk);
    let there = libvirt.domain(spec.domain);
    let unknown = there.as_ref().is_none_or(|domain| part(domain, &spec.name).is_none());
    if unknown && documents.snapshot.is_empty() {
        // Cut between QEMU's part of the work and libvirt's: only the disk knows it.
        if let Some(domain) = there.filter(|_| spec.kind == Kind::Disk)
            && let Ok(devices) = devices(&domain, spec, &doing)
        {
            for device in devices {
                let arguments = json!({"device": device, "name": spec.name});
                let command = "blockdev-snapshot-delete-internal-sync";
                let _ = monitor(&domain, command, &arguments, &doing);
            }
        }
        return Ok(());
    }
    let (domain, snapshot) = known(libvirt, spec, documents, &doing)?;
    let measure = || storage::bytes(libvirt, &spec.pool, &spec.disk).unwrap_or_default();
    let before = measure();
    let deleted = snapshot.delete(0);
    if spec.kind == Kind::Memory && deleted.is_ok() && before.saturating_sub(measure()) < LITTLE {
        drop_memory(&domain, spec, &doing)?;
    }
    if there.is_none() {
        let flags = sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        domain.undefine_flags(flags).map_err(failed(doing.clone()))?;
    }
    deleted.map_err(failed(doing))
}
