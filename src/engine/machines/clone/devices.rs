//! The devices that a golden guest has not.

use crate::engine::task::error::EngineError;
use crate::render::{self, DeviceSpec, DomainSpec};

/// The disk that a guest boots from, as every domain of ours names it.
const ROOT_DISK: &str = "vda";
/// The seed: what comes with it must be there before.
const SEED_DISK: &str = "vdb";

/// The devices of a domain that its golden guest has not, in the order in which they are plugged in.
pub(crate) fn plugged(domain: &DomainSpec) -> Result<Vec<DeviceSpec>, EngineError> {
    let mut devices = render::devices(&domain.xml)?;
    devices.retain(|device| device.name != ROOT_DISK);
    devices.sort_by_key(|device| device.name == SEED_DISK);
    Ok(devices)
}
