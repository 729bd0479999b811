//! Everything that needs neither guests nor root: golden files, the engine on drivers that keep everything
//! in memory, the built binary in a home of its own. `make unit` runs it.
// A topology in which every field is said is one long value.
#![recursion_limit = "256"]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "../rig/mod.rs"]
mod rig;

mod architecture;
mod checks;
mod cli;
mod components;
mod doctor;
mod down;
mod existing;
mod faults;
mod fetch;
mod fuzzing;
mod golden;
mod guard;
mod imports;
mod injection;
mod kubeadm;
mod libvirt_test_driver;
mod locked;
mod pki;
mod recipes;
mod retire;
mod rotation;
mod scripts;
mod snapshots;
mod ssh;
mod survival;
mod topology_fields;
mod types;
mod up;
mod user_data;
mod verify;
