//! The difference between what a topology asks for and what was found, as data. The first `up` is
//! a difference from nothing, a rerun a difference of nothing. No IO.

mod change;
mod conflict;
mod diff;
mod object;
mod removal;

pub use change::{Change, ChangeKind};
pub use conflict::{Conflict, conflicts, free_network};
pub use diff::{Desired, Observed, StageGoal, diff};
pub use object::Object;
pub use removal::{Keep, Remains, removal};
