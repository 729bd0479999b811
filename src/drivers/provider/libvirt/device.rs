//! Devices that come and go while a domain runs.

use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::domain::Domain;
use virt::sys;

use crate::drivers::provider::libvirt::connection::{Libvirt, failed};
use crate::drivers::provider::{ProviderError, Result};
use crate::render::{DeviceSpec, devices};

/// How long a guest may take to let go of a device.
const PATIENCE: Duration = Duration::from_secs(60);
/// libvirt waits for five seconds itself, and then tells nobody but listeners.
const PAUSE: Duration = Duration::from_millis(100);

fn find(libvirt: &Libvirt, uuid: Uuid, doing: &str) -> Result<Domain> {
    libvirt.domain(uuid).ok_or_else(|| ProviderError::new(doing, "the domain is not defined"))
}

fn has(domain: &Domain, spec: &DeviceSpec, doing: &str) -> Result<bool> {
    let xml = domain.xml_desc(0).map_err(failed(doing))?;
    let there = devices(&xml).map_err(|error| ProviderError::new(doing, error.to_string()))?;
    Ok(there.iter().any(|device| device.name == spec.name))
}

pub(crate) fn attach(libvirt: &Libvirt, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
    let doing = format!("plug {} into a running domain", spec.name);
    let domain = find(libvirt, uuid, &doing)?;
    if has(&domain, spec, &doing)? {
        return Ok(());
    }
    let flags = sys::VIR_DOMAIN_AFFECT_LIVE;
    domain.attach_device_flags(&spec.xml, flags).map(drop).map_err(failed(doing))
}

pub(crate) fn detach(libvirt: &Libvirt, uuid: Uuid, spec: &DeviceSpec) -> Result<()> {
    let doing = format!("take {} out of a running domain", spec.name);
    let domain = find(libvirt, uuid, &doing)?;
    if !has(&domain, spec, &doing)? {
        return Ok(());
    }
    let flags = sys::VIR_DOMAIN_AFFECT_LIVE | sys::VIR_DOMAIN_AFFECT_CONFIG;
    domain.detach_device_flags(&spec.xml, flags).map(drop).map_err(failed(doing.clone()))?;
    let deadline = Instant::now() + PATIENCE;
    while has(&domain, spec, &doing)? {
        if Instant::now() > deadline {
            return Err(ProviderError::new(doing, "the guest does not let go of it"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
