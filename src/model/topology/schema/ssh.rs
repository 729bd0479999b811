//! How people and lab log in.

use crate::model::topology::preset::{self, Preset};
use crate::model::topology::schema::kind::{Kind, Table, may, need};

pub(super) const SSH: Table = Table {
    name: "ssh",
    fields: &[
        may("user", Kind::Login, "Login name on the nodes.").or(Preset::Word(preset::USER)),
        may(
            "authorized_keys",
            Kind::List(&Kind::PublicKey),
            "Public keys of people who may log in, too.",
        ),
        may("port", Kind::Integer(1, 65535), "Port of the SSH servers of existing machines.")
            .or(Preset::Number(preset::SSH_PORT as u64)),
        may("key", Kind::Path, "Private key for existing machines.")
            .or(Preset::Follows("those of the SSH agent, else of ~/.ssh")),
        may(
            "bastion",
            Kind::Table(&BASTION),
            "A machine through which existing machines are reached.",
        ),
        may("known_hosts", Kind::Path, "File with the host keys of existing machines.")
            .or(Preset::Follows("~/.ssh/known_hosts")),
    ],
};

const BASTION: Table = Table {
    name: "bastion",
    fields: &[
        need("host", Kind::Host, "Its name or address."),
        may("user", Kind::Login, "Login name there.").or(Preset::Follows("that of the nodes")),
        may("port", Kind::Integer(1, 65535), "Port of its SSH server.")
            .or(Preset::Number(preset::SSH_PORT as u64)),
        may("host_key", Kind::PublicKey, "The public key that it shows.")
            .or(Preset::Follows("what known_hosts says")),
    ],
};
