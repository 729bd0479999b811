//! What a lab needs after it was restored: the right time before anything else, then the word to all
//! neighbours. The proof that its parts found together again is
//! [`Flavour::restored`](crate::kubernetes::flavour::Flavour::restored). Scripts, no IO.

use minijinja::context;

use crate::model::{Lab, Node};
use crate::render::{RenderError, Templates};

/// Seconds by which a clock may be off after it was set.
pub const CLOCK_TOLERANCE: f64 = 0.5;

/// What a guest is told whose clock is right.
pub const CLOCK_IS_RIGHT: &str = "right";

/// What a guest is told that shall tell the time once more.
pub const TELL_THE_TIME: &str = "tell";

/// Script that sets the guest's clock in talk with somebody who knows the time: it tells its own, and
/// moves it by as many seconds as it reads, until it is told that it is right.
///
/// # Errors
/// When the template cannot be rendered.
pub fn set_clock(templates: &Templates) -> Result<String, RenderError> {
    templates.render("stages/os/set-clock.sh.j2", &context! {})
}

/// Script by which the holder of a floating address makes itself known: the computer's own table
/// was not restored with the guests, and may have another node in it. `None` on other nodes.
///
/// The gateway is forgotten first, so that the next packet has to ask for it, and asking tells.
///
/// # Errors
/// When the template cannot be rendered.
pub fn announce(
    templates: &Templates,
    lab: &Lab,
    node: &Node,
) -> Result<Option<String>, RenderError> {
    let addresses: Vec<String> = lab.vips_of(node).map(|vip| vip.address.to_string()).collect();
    if addresses.is_empty() {
        return Ok(None);
    }
    let (addresses, gateway) = (addresses.join(" "), lab.network.gateway.to_string());
    let data = context! { addresses, gateway };
    templates.render("stages/load_balancer/announce.sh.j2", &data).map(Some)
}
