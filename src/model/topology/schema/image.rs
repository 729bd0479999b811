//! Images of people's own.

use crate::model::os;
use crate::model::own_image;
use crate::model::topology::schema::kind::{Kind, Table, may, need};

/// A name of the catalogue, or one of a person's own with what it is.
pub(super) const IMAGE: Kind = Kind::WordOr(os::names, &OWN_IMAGE);

const OWN_IMAGE: Table = Table {
    name: "image",
    fields: &[
        need("name", Kind::Label(40), "How it is called on this computer."),
        need(
            "like",
            Kind::Shipped(os::names),
            "The system of the catalogue that it is: whose packages and tools count.",
        ),
        may("file", Kind::Path, "The image: a qcow2 file, copied when it is needed first."),
        may(
            "url",
            Kind::Text(own_image::url),
            "The same at an https address, with its `sha256`. Without both, `lab images add` has brought it.",
        ),
        may("sha256", Kind::Text(own_image::sha256), "What the file must hash to, in hex."),
    ],
};
