//! Nodes that are namespaces of this computer: the real programs, at native speed. What a guest's kernel and
//! firmware do is left to the tests on guests.
//!
//! `make test` runs these; they need root and the Kubernetes binaries.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "../rig/mod.rs"]
mod rig;

mod high_availability;
