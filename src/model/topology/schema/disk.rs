//! Disks besides the one that a node boots from.

use crate::model::disk::{self, Filesystem};
use crate::model::topology::preset::Preset;
use crate::model::topology::schema::kind::{Kind, Table, may, need};

/// Further disks by name.
pub(super) const DISKS: Kind = Kind::Named(&Kind::Table(&DISK));

const DISK: Table = Table {
    name: "disk",
    fields: &[
        need("size", Kind::Size, "How large it is; space is taken as it fills."),
        may(
            "serial",
            Kind::Text(disk::serial),
            "What the node finds it by: /dev/disk/by-id/virtio-SERIAL.",
        )
        .or(Preset::Follows("its name")),
        may(
            "filesystem",
            Kind::Choice(Filesystem::NAMES),
            "What is put onto it while nothing is on it; `none` leaves it raw.",
        )
        .or(Preset::Follows("ext4 where it is mounted, else none")),
        may("mount", Kind::Text(disk::mount), "The folder of the node that it is mounted at."),
        may(
            "keep",
            Kind::Boolean,
            "It stays when its node is made anew or leaves the topology; `lab down` takes it, too.",
        )
        .or(Preset::Truth(false)),
    ],
};
