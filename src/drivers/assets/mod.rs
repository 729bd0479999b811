//! What comes from outside, and the one cache that holds it: images of operating systems, Kubernetes
//! and runtime binaries, container images, golden guests. The list of it is `model::assets`.

pub mod artifact_disk;
pub mod binaries;
pub mod cache;
pub mod download;
pub mod error;
pub mod goldens;
pub mod images;
mod known;
pub(crate) mod regular;
pub mod seed;
pub mod sparse;
mod version;
