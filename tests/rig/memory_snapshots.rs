//! Snapshots of guests in memory: what was on their disks.

use lab::drivers::provider::{Provider, ProviderError, Result, Snapshots};
use lab::model::snapshot::{Documents, Kind};
use lab::render::SnapshotSpec;

use super::memory::MemoryHypervisor;

impl Snapshots for MemoryHypervisor {
    fn save(&self, spec: &SnapshotSpec) -> Result<Documents> {
        let files = self.disk(&spec.disk).map(|disk| disk.files()).unwrap_or_default();
        let key = (spec.disk.clone(), spec.name.clone());
        self.change(format!("save {} as {}", spec.domain, spec.name), |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == spec.domain) {
                domain.snapshots.retain(|name| *name != spec.name);
                domain.snapshots.push(spec.name.clone());
                domain.snapshots.sort();
            }
        })?;
        let mut state = self.state();
        state.saved.insert(key, files);
        let domain = state.documents.get(&spec.domain).cloned().unwrap_or_default();
        Ok(Documents { domain, snapshot: spec.xml.clone() })
    }

    fn revert(&self, spec: &SnapshotSpec, documents: &Documents) -> Result<()> {
        let doing = format!("revert {} to {}", spec.domain, spec.name);
        if !self.inventory()?.domains.iter().any(|domain| domain.uuid == spec.domain) {
            let name = name_in(&documents.domain).unwrap_or_default();
            self.redefine(spec.domain, &name, &documents.domain)?;
        }
        let files = self.state().saved.get(&(spec.disk.clone(), spec.name.clone())).cloned();
        let files = files.ok_or_else(|| ProviderError::new(&doing, "there is no such part"))?;
        let memory = spec.kind == Kind::Memory;
        self.change(doing, |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == spec.domain) {
                (domain.active, domain.paused) = (memory, memory);
                if !domain.snapshots.contains(&spec.name) {
                    domain.snapshots.push(spec.name.clone());
                }
            }
        })?;
        if let Some(disk) = self.disk(&spec.disk) {
            disk.replace_files(files);
        }
        Ok(())
    }

    fn forget(&self, spec: &SnapshotSpec, _documents: &Documents) -> Result<()> {
        let key = (spec.disk.clone(), spec.name.clone());
        self.change(format!("forget {} of {}", spec.name, spec.domain), |all| {
            for domain in all.domains.iter_mut().filter(|domain| domain.uuid == spec.domain) {
                domain.snapshots.retain(|name| *name != spec.name);
            }
        })?;
        self.state().saved.remove(&key);
        Ok(())
    }
}

/// The name in a domain's document.
fn name_in(xml: &str) -> Option<String> {
    Some(xml.split_once("<name>")?.1.split_once("</name>")?.0.to_owned())
}
