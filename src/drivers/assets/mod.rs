//! What comes from outside, and the one cache that holds it: images of operating systems, Kubernetes
//! and runtime binaries, container images, golden guests.

pub mod binaries;
pub mod download;
pub mod goldens;
pub mod images;
pub mod seed;
pub mod sparse;
