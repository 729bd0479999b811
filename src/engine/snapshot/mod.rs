//! Snapshots of the whole lab: made, restored and deleted as one. What is begun is written down
//! before its first effect, so that a run which was cut is finished or taken back by the next.

mod clock;
pub(crate) mod create;
mod delete;
pub(crate) mod interrupted;
mod list;
mod open;
mod parts;
mod restore;

pub use create::{SnapshotRequest, create};
pub use delete::delete;
pub use list::{SnapshotInfo, list};
pub use open::drivers;
pub use restore::{RestoreOptions, Restored, restore};
