//! How fast a lab's nodes are, and how long somebody who only looks waits for them.

use std::time::Duration;

use crate::drivers::host;
use crate::drivers::provider::libvirt::Libvirt;
use crate::engine::lab::provider::ProviderKind;
use crate::model::platform::Acceleration;

/// How fast nodes are.
#[derive(Debug)]
pub struct Timeouts {
    /// KVM or emulation.
    pub acceleration: Acceleration,
    /// The same in words, with the reason.
    pub words: String,
}

impl Timeouts {
    /// What `wanted`, the topology's word, comes to at `place`. On a system libvirt that libvirt
    /// decides: its QEMU may open `/dev/kvm` where we may not.
    pub(crate) fn found(place: &ProviderKind, wanted: &str) -> Self {
        let (acceleration, words) = match place {
            ProviderKind::Existing(_) => (Acceleration::Kvm, "machines that are there".into()),
            ProviderKind::System { uri } if wanted == "auto" && host::has_virtualisation() => {
                match Libvirt::open(uri).is_ok_and(|libvirt| libvirt.offers_kvm()) {
                    true => (Acceleration::Kvm, "KVM".into()),
                    false => host::acceleration("no-kvm-here"),
                }
            }
            _ => host::acceleration(wanted),
        };
        Self { acceleration, words }
    }

    /// Patience with nodes when only looking. An emulated node among many busy ones needs more than ten
    /// seconds to let somebody in; taken for silent, all its stages would be gone through again.
    pub(crate) fn glance(&self) -> Duration {
        Duration::from_secs(if self.acceleration.is_emulated() { 30 } else { 8 })
    }

    /// Patience with nodes that say how they are: busy emulated ones take their time.
    pub(crate) fn vitals(&self) -> Duration {
        Duration::from_secs(if self.acceleration.is_emulated() { 90 } else { 20 })
    }

    /// Nodes that boot at the same time. Emulated ones have all they can use with a processor each: of
    /// more at once none gets on to its stages (docs/timings.md).
    pub(crate) fn boots(&self) -> usize {
        if self.acceleration.is_emulated() { processors() + 1 } else { 8 }
    }

    /// Nodes that are checked at the same time. Checks start programs: on all emulated nodes at once those
    /// leave nothing for the cluster that is checked.
    pub(crate) fn checked(&self) -> usize {
        if self.acceleration.is_emulated() { processors() } else { 64 }
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
