//! What is said of an add-on besides its name.

use crate::model::topology::preset::Preset;
use crate::model::topology::schema::kind::{Kind, Table, may};
use crate::model::topology::schema::pairs;

pub(super) const ADDON: Table = Table {
    name: "add-on",
    fields: &[
        may("name", Kind::Label(40), "Which one; of one's own any name.")
            .or(Preset::Follows("that of its folder")),
        may(
            "folder",
            Kind::Folder,
            "The folder of one's own add-on, relative to the file: manifests, and `addon.yaml` where there is more to say.",
        ),
        may(
            "files",
            Kind::Pairs(&pairs::FILES),
            "Its files, name and text, in the topology itself instead of a folder.",
        ),
        may(
            "parameters",
            Kind::Pairs(&pairs::PARAMETERS),
            "What it is told; `lab addons show NAME` has them.",
        ),
    ],
};
