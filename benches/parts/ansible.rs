//! Ansible on the same nodes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::rig::guests::{Rig, text};

/// Ansible's list of the nodes.
pub fn inventory(rig: &Rig) -> PathBuf {
    let path = rig.home.path().join("inventory");
    fs::write(&path, rig.ok(&["inventory"])).unwrap();
    path
}

/// Seconds that Ansible takes to reach all nodes.
pub fn ping(rig: &Rig, inventory: &Path) -> f64 {
    let start = Instant::now();
    let output = Command::new("ansible")
        .args(["-i", inventory.to_str().unwrap(), "all", "-m", "ping", "-f", "20"])
        .env("HOME", rig.home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    start.elapsed().as_secs_f64()
}
