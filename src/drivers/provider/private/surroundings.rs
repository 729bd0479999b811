//! What a private provider offers its guests besides libvirt: routes inside its own network, and a way to
//! the outside.

use crate::drivers::host::fence;
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

    fn has_uplink(&self, internet_only: bool) -> bool {
        let fenced = || match control::fence(&self.control_socket(), None) {
            Ok(fence) => fence.is_empty() != internet_only,
            // One that an earlier version started knows of no fence, and goes on as it is.
            Err(_) => true,
        };
        PrivateLibvirt::has_uplink(self) && fenced()
    }

    fn start_uplink(&self, internet_only: bool) -> Result<()> {
        let refused = |error: std::io::Error| {
            ProviderError::of_computer(
                "keep guests from this computer's own network",
                error.to_string(),
            )
            .hint("`uplink: none` in the topology keeps every packet inside")
        };
        let fence = match internet_only {
            true => fence::around_this_computer().map_err(refused)?,
            false => Vec::new(),
        };
        // Before there is a way out.
        match control::fence(&self.control_socket(), Some(&fence)) {
            Ok(_) => {}
            Err(error) if !control::is_unknown(&error) => return Err(refused(error)),
            Err(_) if !internet_only => {}
            Err(_) => {
                return Err(ProviderError::of_computer(
                    "keep guests from this computer's own network: the lab's libvirt was started by an earlier lab; \
                     `lab down` and `lab up`, or `uplink: all` in the topology",
                    "",
                ));
            }
        }
        PrivateLibvirt::start_uplink(self)
    }
}
