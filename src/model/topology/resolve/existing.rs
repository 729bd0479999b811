//! What fits existing machines, and what fits guests.

use crate::model::code;
use crate::model::lab::{KUBEADM, Machine};
use crate::model::ssh::Bastion;
use crate::model::topology::given::{Given, text};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span};
use crate::model::topology::resolve::images;
use crate::model::topology::schema::EXISTING;

/// What makes a guest or its network, by the table that it stands in. Of an existing machine it says nothing.
const OF_GUESTS: &[&str] = &[
    "cpus",
    "storage",
    "cpu_model",
    "xml",
    "autostart",
    "memory",
    "disk",
    "disks",
    "user_data",
    "mac",
    "boot_timeout",
    "clone",
    "acceleration",
];
const OF_THEIR_NETWORK: &[&str] =
    &["bridge", "existing", "mode", "uplink", "dhcp", "forwarders", "records", "reservations"];

/// Where an image is that nobody boots from.
const OF_THEIR_IMAGES: &[&str] = &["file", "url", "sha256"];

/// How existing machines are reached. Guests are reached by keys that are made for them.
const OF_EXISTING: &[&str] = &["port", "key", "known_hosts", "bastion"];

/// What the nodes stand on.
pub(super) fn machine(root: &Given) -> Machine {
    match text(root.get("provider")) {
        Some(EXISTING) => Machine::Existing,
        _ => Machine::Guest,
    }
}

/// Refuses what would be without effect.
pub(super) fn refuse_unfit(root: &Given, machine: Machine, problems: &mut Vec<Problem>) {
    let mut unfit = match machine {
        Machine::Existing => of_guests(root),
        Machine::Guest => of_existing(root),
    };
    unfit.sort_by_key(|(_, at)| at.start);
    for (field, at) in unfit {
        let (message, help) = match machine {
            Machine::Existing => (
                format!("existing machines are as they are: `{field}` would change nothing"),
                format!("remove `{field}`"),
            ),
            Machine::Guest => (
                format!("`{field}` is of existing machines, and lab makes these nodes"),
                format!("remove `{field}`, or write `provider: {EXISTING}` at the top"),
            ),
        };
        let problem = Problem::error(&code::FIELD_AND_PROVIDER, &at, message).help(help);
        problems.push(problem);
    }
}

/// Machines are given back as they were, which was never shown of what kubeadm leaves.
pub(super) fn refuse_kubeadm(root: &Given, machine: Machine, problems: &mut Vec<Problem>) {
    let flavour = root.get("kubernetes").and_then(|given| given.get("flavour"));
    let Some(flavour) = flavour.filter(|flavour| text(Some(flavour)) == Some(KUBEADM)) else {
        return;
    };
    if machine == Machine::Existing {
        let message = "existing machines are not set up by kubeadm yet";
        let problem = Problem::error(&code::FIELD_AND_PROVIDER, &flavour.span, message);
        problems.push(problem.help("remove `flavour`: they are set up by systemd units"));
    }
}

/// Where an SSH server listens.
pub(super) fn port(given: Option<&Given>) -> u16 {
    let port = given.and_then(Given::number).and_then(|port| u16::try_from(port).ok());
    port.unwrap_or(preset::SSH_PORT)
}

/// A machine that leads to the others, as `user` where it says nobody else.
pub(super) fn bastion(given: &Given, user: &str) -> Option<Bastion> {
    Some(Bastion {
        host: text(given.get("host"))?.to_owned(),
        user: text(given.get("user")).unwrap_or(user).to_owned(),
        port: port(given.get("port")),
        host_key: text(given.get("host_key")).map(str::to_owned),
    })
}

type Place = (String, Span);

fn fields(given: Option<&Given>, names: &[&str]) -> Vec<Place> {
    let entries = given.map(Given::entries).unwrap_or_default();
    let unfit = entries.iter().filter(|entry| names.contains(&entry.key.as_str()));
    unfit.map(|entry| (entry.key.clone(), entry.key_span.clone())).collect()
}

fn of_groups(root: &Given, names: &[&str]) -> Vec<Place> {
    root.of_nodes().flat_map(|given| fields(Some(given), names)).collect()
}

fn of_guests(root: &Given) -> Vec<Place> {
    let mut all = of_groups(root, OF_GUESTS);
    all.extend(fields(root.get("defaults"), OF_GUESTS));
    all.extend(fields(root.get("options"), OF_GUESTS));
    all.extend(fields(root.get("network"), OF_THEIR_NETWORK));
    all.extend(fields(root.get("ssh"), &["authorized_keys"]));
    all.extend(fields(root.get("kubernetes"), &["host_routes"]));
    all.extend(images::given(root).flat_map(|image| fields(Some(image), OF_THEIR_IMAGES)));
    all
}

fn of_existing(root: &Given) -> Vec<Place> {
    let mut all = of_groups(root, &["host_key"]);
    all.extend(fields(root.get("ssh"), OF_EXISTING));
    all
}
