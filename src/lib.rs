//! `lab` provisions libvirt/KVM labs and bootstraps Kubernetes on them from one topology file.
//!
//! The rooms, bottom to top; each imports only what stands before it (see ARCHITECTURE.md):
//! [`model`] nouns · `pki` secrets · `render` text · `drivers` everything that does IO · `kubernetes` stages,
//! checks and operations · `plan` the difference · `engine` the orchestrator · `cli` the command line.

pub mod cli;
pub mod drivers;
pub mod engine;
pub mod kubernetes;
pub mod model;
pub mod pki;
pub mod plan;
pub mod render;
