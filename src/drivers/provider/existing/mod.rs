//! Machines that are there anyway: nobody made them here, and nobody removes them. There are neither
//! networks nor disks, snapshots, consoles or a power switch; nodes are reached by their addresses, and
//! binaries come by whatever brings them ([`Deliveries`]).

use std::sync::Arc;

use uuid::Uuid;

use crate::drivers::provider::{Capability, Deliveries, Provider, ProviderError, Result};
use crate::model::Node;
use crate::model::inventory::{FoundMachine, Inventory};

/// The machines of one lab.
#[derive(Clone, Default)]
pub struct Existing {
    machines: Vec<FoundMachine>,
    deliveries: Option<Arc<dyn Deliveries>>,
}

impl std::fmt::Debug for Existing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Existing").field(&self.machines).finish()
    }
}

impl Existing {
    /// The machines of these nodes of a lab.
    pub fn of<'n>(lab: Uuid, nodes: impl Iterator<Item = &'n Node>) -> Self {
        let machine = |node: &Node| FoundMachine { lab, node: node.name.clone() };
        Self::new(nodes.map(machine).collect())
    }

    /// A provider of these machines, to which nothing can be brought yet.
    pub fn new(machines: Vec<FoundMachine>) -> Self {
        Self { machines, deliveries: None }
    }

    /// The same, with a way to bring binaries to them.
    pub fn delivered_by(self, deliveries: Arc<dyn Deliveries>) -> Self {
        Self { deliveries: Some(deliveries), ..self }
    }
}

impl Provider for Existing {
    fn name(&self) -> &str {
        NAME
    }

    fn uri(&self) -> String {
        "existing:".into()
    }

    fn version(&self) -> Result<String> {
        Ok("machines that are there anyway".into())
    }

    /// Whether a machine runs is found out by whoever asks it something.
    fn inventory(&self) -> Result<Inventory> {
        Ok(Inventory { machines: self.machines.clone(), ..Inventory::default() })
    }

    fn deliveries(&self) -> Result<&dyn Deliveries> {
        self.deliveries.as_deref().ok_or_else(|| ProviderError::lacks(NAME, Capability::Deliveries))
    }
}

/// Its kind.
const NAME: &str = "existing";
