//! What a private provider offers its guests besides libvirt: routes inside its own network, and a way to
//! the outside.

use crate::drivers::host::routes::Routes;
use crate::drivers::provider::private::{PrivateLibvirt, control};
use crate::drivers::provider::{ProviderError, Result, Surroundings};

impl Surroundings for PrivateLibvirt {
    fn routes(&self, bridge: &str) -> Result<Routes> {
        let found = control::routes(&self.control_socket(), bridge, None);
        found.map_err(|error| ProviderError::of_computer(error.to_string(), ""))
    }

    fn set_routes(&self, bridge: &str, wanted: &Routes) -> Result<()> {
        let made = control::routes(&self.control_socket(), bridge, Some(wanted));
        made.map(drop).map_err(|error| ProviderError::of_computer(error.to_string(), ""))
    }

    fn has_uplink(&self) -> bool {
        PrivateLibvirt::has_uplink(self)
    }

    fn start_uplink(&self) -> Result<()> {
        PrivateLibvirt::start_uplink(self)
    }
}
