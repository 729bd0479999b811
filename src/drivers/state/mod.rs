//! The lab's own directory on this computer: record, lock, keys, snapshots; and the failpoints that
//! every change passes.

pub mod failpoint;
pub mod snapshots;
pub mod store;
