//! Checks: what `lab verify` proves, `lab inspect` asks and a restore waits for. What is asked stands
//! in the folder of the stage that is judged (`checks.rs` there); here is what checks are.

mod check;
pub(crate) mod needs;
mod port;
mod scope;

pub use check::{Afterwards, Check, Health, Judge, KUBECTL, MISSING, Plan, WARNING};
pub use needs::Needs;
pub use port::{Peer, Port};
pub use scope::Scope;
pub(crate) use scope::{value, with_known};

/// The scripts that belong to no stage.
pub(crate) const TEMPLATES: crate::kubernetes::stage::Shipped = templates!(
    "checks":
    "disk.sh.j2",
    "memory.sh.j2",
    "namespace.sh.j2",
    "ports.sh.j2",
    "programs.sh.j2",
);
