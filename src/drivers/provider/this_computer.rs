//! This computer around the guests of its own libvirt.

use crate::drivers::host::routes::{self, Routes};
use crate::drivers::provider::{ProviderError, Result, Surroundings};

/// The computer that `lab` runs on. Guests of its libvirt reach the outside through libvirt's own
/// network: they need no program for that.
#[derive(Clone, Copy, Debug)]
pub struct ThisComputer;

impl Surroundings for ThisComputer {
    fn routes(&self, bridge: &str) -> Result<Routes> {
        routes::list(bridge).map_err(|error| ProviderError::of_computer(error.to_string(), ""))
    }

    fn set_routes(&self, bridge: &str, wanted: &Routes) -> Result<()> {
        routes::set(bridge, wanted)
            .map_err(|error| ProviderError::of_computer(error.to_string(), ""))
    }

    fn has_uplink(&self, _internet_only: bool) -> bool {
        false
    }

    fn start_uplink(&self, _internet_only: bool) -> Result<()> {
        Ok(())
    }
}
