//! Real guests: what only a kernel, a firmware, a disk and a libvirt of their own can show.
//!
//! `make test` runs these, one after the other; they need root, an image and the Kubernetes binaries, all of
//! which `scripts/prepare.sh` brings. What is missing is an error, not a reason to skip.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "../rig/mod.rs"]
mod rig;

mod ordinary_user;
mod pages;
mod system_libvirt;
mod three;
mod whole_clusters;
