//! Text made from the model: libvirt XML, cloud-init seeds, and the environment that renders the
//! stages' own templates. Values are escaped by the kind of file they go into; an undefined name
//! is an error. No IO.

pub mod access;
mod device;
mod domain;
pub mod golden;
pub mod graph;
mod hardware;
mod merged;
mod multipart;
mod network;
mod seed;
mod shell;
mod snapshot;
mod templates;
mod volume;

pub use device::{DeviceSpec, devices};
pub use domain::{DirectBoot, DiskSpec, DomainSpec, Placement, domain, golden_domain};
pub use hardware::hardware;
pub use network::{NetworkSpec, network};
pub use seed::{Seed, golden_seed, seed};
pub use shell::quote;
pub use snapshot::{SnapshotSpec, snapshot};
pub use templates::{CLOUD_INIT, FOLDERS, RenderError, TOPOLOGIES, Templates, XML_TEMPLATES};
pub use volume::{
    PoolSpec, VolumeSpec, base_volume, disk, disk_name, disk_of, disks_of, overlay, overlay_name,
    pool, raw_volume, seed_name, sha256, volumes_of,
};
