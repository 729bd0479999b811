//! The network's part of the grammar.

use crate::model::code;
use crate::model::dns;
use crate::model::network::{self, MTU, Mode, Uplink};
use crate::model::topology::preset::{self, Preset};
use crate::model::topology::schema::kind::{Keys, Kind, Table, may, need};

pub(super) const NETWORK: Table = Table {
    name: "network",
    fields: &[
        need("cidr", Kind::Network, "Addresses of the nodes."),
        may("gateway", Kind::Address, "The computer's own address in it: gateway and DNS of the nodes.")
            .or(Preset::Follows("the first")),
        may(
            "bridge",
            Kind::Text(network::bridge),
            "A bridge of this computer that the nodes join, instead of a network of the lab's own. `gateway` is that network's router, `forwarders` are the DNS servers of the nodes.",
        ),
        may(
            "existing",
            Kind::Text(network::libvirt),
            "The same: a network that this computer's libvirt has.",
        ),
        may(
            "mode",
            Kind::Choice(Mode::NAMES),
            "How the network reaches the outside: behind this computer's address; `routed`, by the guests' own, which needs this computer's libvirt and somebody who leads answers back; or not at all.",
        ).or(Preset::Word(preset::MODE.name())),
        may(
            "uplink",
            Kind::Choice(Uplink::NAMES),
            "What guests reach outside: the internet, all that this computer reaches, or nothing. Through this computer's libvirt, which keeps nothing from them; or through pasta or slirp4netns, where the libvirt is the lab's own and one of them is installed.",
        ).or(Preset::Word(preset::UPLINK.name())),
        may(
            "dhcp",
            Kind::AddressRange,
            "Range for guests that are not in this file.",
        ).or(Preset::Follows("none")),
        may("mtu", Kind::Integer(1280, 9216), "Largest packet, in bytes; that of pods follows from it.")
            .or(Preset::Number(MTU)),
        may(
            "forwarders",
            Kind::List(&Kind::Address),
            "Servers that the network's DNS asks for names it does not know.",
        ).or(Preset::Follows("the computer's own")),
        may(
            "records",
            Kind::Keyed(&NAMES, &Kind::Table(&RECORD)),
            "What the network's DNS knows besides nodes and floating addresses, by name: of the lab's domain, or whole with a dot at the end; `*.apps` for every name below `apps`.",
        ),
        may(
            "reservations",
            Kind::Named(&Kind::Table(&RESERVATION)),
            "Guests that are not in this file, by name: DHCP keeps an address for each, and DNS knows it.",
        ),
    ],
};

/// Names that DNS can have.
const NAMES: Keys = Keys { judge: dns::check_name, code: &code::BAD_RECORD, what: "name" };

const RECORD: Table = Table {
    name: "record",
    fields: &[
        may("a", Kind::Address, "The name's address."),
        may(
            "cname",
            Kind::Text(dns::check_target),
            "A node, floating address, reservation or record that it is another name of.",
        ),
        may("txt", Kind::Text(dns::check_text), "A text."),
        may(
            "srv",
            Kind::Table(&SRV),
            "Who serves what its name says: `_SERVICE._tcp` or `_SERVICE._udp`.",
        ),
    ],
};

const SRV: Table = Table {
    name: "srv record",
    fields: &[
        need("target", Kind::Text(dns::check_target), "Name of who serves."),
        need("port", Kind::Integer(1, 65535), "Its port."),
        may("priority", Kind::Integer(0, 65535), "The lowest is asked first.")
            .or(Preset::Number(0)),
        may("weight", Kind::Integer(0, 65535), "Share among those of one priority.")
            .or(Preset::Number(0)),
    ],
};

const RESERVATION: Table = Table {
    name: "reservation",
    fields: &[
        need("mac", Kind::Mac, "MAC address of the guest."),
        need("address", Kind::Address, "The address that it gets."),
    ],
};
