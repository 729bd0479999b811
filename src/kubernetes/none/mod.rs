//! The flavour `none`: machines with names, and nothing of Kubernetes on them.

use crate::kubernetes::flavour::{Benchmark, Flavour};
use crate::kubernetes::hard_way;
use crate::kubernetes::stages::{firewall, os, outside};

/// What `kubernetes: none` in a topology chooses.
pub const FLAVOUR: Flavour = Flavour {
    name: crate::model::lab::NO_KUBERNETES,
    stages: &[outside::STAGE, os::STAGE, firewall::STAGE],
    templates: &[],
    // Nobody has a duty that they could be asked for.
    operations: hard_way::FLAVOUR.operations,
    certificates: |_| Vec::new(),
    binaries: &[],
    images: |_| Vec::new(),
    client: "",
    roles_come_and_go: true,
    benchmark: Benchmark::PLAIN,
};
