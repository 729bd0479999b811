//! The lab's own directory on this computer: record, lock, keys, snapshots; and the failpoints that
//! every change hits.

pub mod addon_folder;
mod backup;
pub mod error;
pub mod failpoint;
pub mod file_lock;
pub mod files;
pub mod lesson_folder;
pub mod lock;
pub mod login_file;
pub mod record;
mod secrets;
pub mod snapshot_store;
pub mod store;
mod text_folder;
pub mod topology_file;

pub use error::StoreError;
pub use lock::{Holder, LockError};
pub use record::{Record, Standing, labs, records, router_ids_of_others, standing, standing_on};
pub use store::Store;
