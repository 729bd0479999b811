//! What the engine works with.

use std::sync::Arc;

use crate::drivers::provider::Hypervisor;
use crate::engine::lab::reach::Reach;

/// The drivers that a lab is worked on with.
#[derive(Clone)]
pub struct Drivers {
    /// Where guests run.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// How nodes are reached.
    pub reach: Reach,
}

impl std::fmt::Debug for Drivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Drivers({})", self.hypervisor.uri())
    }
}
