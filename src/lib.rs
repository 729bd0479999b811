//! `lab` provisions libvirt/KVM labs and bootstraps Kubernetes on them from one topology file.
//!
//! The rooms, bottom to top; each imports only what stands before it (see ARCHITECTURE.md):
//! [`model`] nouns · `pki` secrets · `render` text · `kubernetes` steps · `plan` difference ·
//! `drivers` hands · `engine` conductor · `cli` mouth.

pub mod cli;
pub mod drivers;
pub mod engine;
pub mod kubernetes;
pub mod model;
pub mod pki;
pub mod plan;
pub mod render;
