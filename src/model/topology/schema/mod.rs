//! The topology file's grammar as data: what fields exist, what they hold, what they mean.
//!
//! One table serves three readers: the checker ([`crate::model::topology::check`]), the JSON Schema that editors
//! use, and the reference in the documentation. A new field is one line here.

mod addon;
mod disk;
mod image;
mod json;
mod kind;
mod kubernetes;
mod network;
mod outside;
pub mod pairs;
mod ssh;

use crate::model::hardware;
use crate::model::lab::NO_KUBERNETES;
use crate::model::opening::Opening;
use crate::model::options::Cloning;
use crate::model::os;
use crate::model::role::Role;
use crate::model::storage;
use crate::model::topology::preset::{self, Preset};
use crate::model::topology::schema::disk::DISKS;
use crate::model::topology::schema::image::IMAGE;
pub use crate::model::topology::schema::json::json_schema;
pub use crate::model::topology::schema::kind::{Field, Keys, Kind, Table};
use crate::model::topology::schema::kind::{may, need};
use crate::model::topology::schema::kubernetes::KUBERNETES;
use crate::model::topology::schema::network::NETWORK;
use crate::model::topology::schema::outside::{AUTHORITIES, PROXY};
use crate::model::topology::schema::ssh::SSH;

const ROLE: Kind = Kind::Choice(Role::NAMES);

/// The whole file.
pub const TOPOLOGY: Table = Table {
    name: "the topology",
    fields: &[
        need("name", Kind::Label(30), "Name of the lab; prefixes every object made for it."),
        may("domain", Kind::Domain, "DNS domain of the nodes.").or(Preset::Follows("NAME.lab")),
        may(
            "provider",
            Kind::Choice(&[EXISTING]),
            "What the nodes stand on where that is not guests: machines that are there already, reached by SSH.",
        )
        .or(Preset::Follows("guests of this computer's libvirt, or of one of the lab's own")),
        need("network", Kind::Table(&NETWORK), "The network all nodes share."),
        may("image", IMAGE, "Operating system of the nodes.")
            .or(Preset::Word(os::DEFAULT)),
        may(
            "defaults",
            Kind::Table(&DEFAULTS),
            "What counts for all groups that say nothing else; what they give cloud-init is added to it.",
        ),
        need("nodes", Kind::Named(&Kind::Table(&GROUP)), "Groups of alike nodes, by name."),
        may("vips", Kind::Named(&Kind::Table(&VIP)), "Floating addresses, by name."),
        may(
            "kubernetes",
            Kind::TableOr(NO_KUBERNETES, &KUBERNETES),
            "What is bootstrapped on the nodes; `none` leaves them machines.",
        ),
        may("ssh", Kind::Table(&SSH), "How people and lab log in."),
        may(
            "firewall",
            Kind::Choice(&["on", "off"]),
            "Whether nodes let others reach the ports of their stages, and nothing else.",
        )
        .or(Preset::Word("off")),
        may(
            "proxy",
            PROXY,
            "Who nodes ask for what is outside of the lab: one for http and https, or each.",
        ),
        may(
            "trusted_authorities",
            AUTHORITIES,
            "Certificates that nodes trust, too: files in PEM, or what is in them.",
        ),
        may("options", Kind::Table(&OPTIONS), "Choices about how the lab runs."),
    ],
};

/// The provider of machines that are there anyway.
pub const EXISTING: &str = "existing";

const CPU_MODEL: Kind = Kind::Text(hardware::cpu_model);
const XML: Kind = Kind::Text(hardware::snippet);
const OPEN_PORTS: Kind = Kind::List(&Kind::Text(Opening::judge));
const CPUS: Kind = Kind::Integer(1, 256);

const DEFAULTS: Table = Table {
    name: "defaults",
    fields: &[
        may("cpus", CPUS, "Virtual CPUs of each node.").or(Preset::Number(preset::CPUS)),
        may("memory", Kind::Size, "Memory of each node.").or(Preset::Bytes(preset::MEMORY)),
        may("disk", Kind::Size, "Disk of each node; space is taken as it fills.")
            .or(Preset::Bytes(preset::DISK)),
        may("disks", DISKS, "Further disks of each node, by name."),
        may(
            "cpu_model",
            CPU_MODEL,
            "What processors each node sees: `host`, `max`, or a model of QEMU's.",
        )
        .or(Preset::Follows("host, and max where guests are emulated")),
        may(
            "xml",
            XML,
            "Elements of a libvirt domain that are added to the definition of each node.",
        ),
        may(
            "open_ports",
            OPEN_PORTS,
            "Ports that the firewall of each node opens, too: `80`, `53/udp`, `8000-8100`.",
        ),
        may("user_data", Kind::UserData, "cloud-config or a script for all nodes."),
        may(
            "labels",
            Kind::Pairs(&pairs::LABELS),
            "What Kubernetes is told of all workers: labels.",
        ),
        may("annotations", Kind::Pairs(&pairs::ANNOTATIONS), "The same: annotations."),
        may(
            "taints",
            Kind::MayBeEmpty(&Kind::Taint),
            "The same: what keeps pods off them; `[]` for none of those above.",
        ),
    ],
};

const GROUP: Table = Table {
    name: "node group",
    fields: &[
        may(
            "roles",
            Kind::MayBeEmpty(&ROLE),
            "What these nodes do; `[]` for machines beside the cluster.",
        )
        .or(Preset::Follows("the group's name, if it is a role")),
        may("count", Kind::Integer(1, 500), "How many; they are called GROUP1, GROUP2 and so on."),
        may(
            "name",
            Kind::Pattern,
            "How they are called: a name with `%d` where the number stands, or `%02d` for two digits.",
        )
        .or(Preset::Follows("GROUP%d")),
        may("first_number", Kind::Integer(0, 9999), "The number of the first.").or(Preset::Number(1)),
        may("names", Kind::List(&Kind::Label(40)), "Their names, instead of `count` and `name`."),
        may("first_address", Kind::Address, "Address of the first; the others follow."),
        may("addresses", Kind::List(&Kind::Address), "The address of each, instead of `first_address`."),
        may("cpus", CPUS, "Virtual CPUs of each.").or(Preset::Number(preset::CPUS)),
        may("memory", Kind::Size, "Memory of each.").or(Preset::Bytes(preset::MEMORY)),
        may("disk", Kind::Size, "Disk of each; space is taken as it fills.")
            .or(Preset::Bytes(preset::DISK)),
        may("disks", DISKS, "Further disks of each, by name, besides those of `defaults`."),
        may("cpu_model", CPU_MODEL, "What processors each sees: `host`, `max`, or a model of QEMU's."),
        may("xml", XML, "Elements of a libvirt domain that are added to the definition of each."),
        may("open_ports", OPEN_PORTS, "Ports that the firewall of each opens, besides those of `defaults`."),
        may("image", IMAGE, "Operating system of these nodes."),
        may("user_data", Kind::UserData, "cloud-config or a script for these nodes."),
        may(
            "labels",
            Kind::Pairs(&pairs::LABELS),
            "What Kubernetes is told of these workers: labels, kept by `lab up`.",
        ),
        may("annotations", Kind::Pairs(&pairs::ANNOTATIONS), "The same: annotations."),
        may(
            "taints",
            Kind::MayBeEmpty(&Kind::Taint),
            "The same: what keeps pods off them; `[]` for none of those above.",
        ),
        may("overrides", Kind::Named(&Kind::Table(&OVERRIDE)), "What differs, by node name."),
    ],
};

const OVERRIDE: Table = Table {
    name: "override",
    fields: &[
        may("address", Kind::Address, "This node's address."),
        may("mac", Kind::Mac, "This node's MAC address.")
            .or(Preset::Follows("derived from the names")),
        may("cpus", CPUS, "This node's virtual CPUs."),
        may("memory", Kind::Size, "This node's memory."),
        may("disk", Kind::Size, "This node's disk."),
        may(
            "disks",
            DISKS,
            "This node's further disks, besides those above; one of the same name counts instead.",
        ),
        may("cpu_model", CPU_MODEL, "What processors this node sees."),
        may("xml", XML, "What is added to this node's definition."),
        may(
            "open_ports",
            OPEN_PORTS,
            "Ports that this node's firewall opens, besides those above.",
        ),
        may("image", IMAGE, "This node's operating system."),
        may("pod_subnet", Kind::Network, "Addresses of this worker's pods.")
            .or(Preset::Follows("chosen by its address")),
        may(
            "host_key",
            Kind::PublicKey,
            "The public key that this existing machine's SSH server shows.",
        )
        .or(Preset::Follows("what known_hosts says")),
        may("user_data", Kind::UserData, "cloud-config or a script for this node."),
        may(
            "labels",
            Kind::Pairs(&pairs::LABELS),
            "What Kubernetes is told of this worker: labels.",
        ),
        may("annotations", Kind::Pairs(&pairs::ANNOTATIONS), "The same: annotations."),
        may(
            "taints",
            Kind::MayBeEmpty(&Kind::Taint),
            "The same: what keeps pods off it; `[]` for none of those above.",
        ),
    ],
};

const VIP: Table = Table {
    name: "floating address",
    fields: &[
        need("address", Kind::Address, "The address that floats."),
        need(
            "role",
            Kind::Choice(&[Role::ControlPlane.name(), Role::LoadBalancer.name()]),
            "Whose nodes hold it: controllers themselves, or load balancers with HAProxy.",
        ),
        may("router_id", Kind::Integer(1, 255), "VRRP virtual router id.")
            .or(Preset::Follows("one that no lab of this computer has")),
    ],
};

const OPTIONS: Table = Table {
    name: "options",
    fields: &[
        may(
            "acceleration",
            Kind::Choice(&["auto", "kvm", "tcg"]),
            "Hardware virtualisation or emulation.",
        ).or(Preset::Word(preset::ACCELERATION)),
        may(
            "boot_timeout",
            Kind::Integer(30, 7200),
            "Seconds a node may take until SSH answers.",
        ).or(Preset::Number(preset::BOOT_TIMEOUT)),
        may(
            "clone",
            Kind::Choice(Cloning::NAMES),
            "Whether new nodes are copies of a golden guest that was booted before: `warm` makes it \
             where it is missing, `auto` takes it where it is there.",
        ).or(Preset::Word(preset::CLONE.name())),
        may(
            "storage",
            Kind::Text(storage::folder),
            "Folder in which the computer's libvirt keeps the lab's disks; made where it is missing.",
        ).or(Preset::Word("/var/lib/libvirt/lab")),
        may(
            "autostart",
            Kind::Boolean,
            "Whether guests of the computer's libvirt start with the computer.",
        ).or(Preset::Follows("as it is")),
    ],
};

/// How fields begin that a person has for anchors of their own: nobody reads them.
pub const OWN: &str = "x-";
