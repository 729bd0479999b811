//! What stands in a lab's way: foreign objects with our names, networks that are in use.

use ipnet::Ipv4Net;

use crate::model::inventory::{HostNetwork, Inventory, Mark, overlap};
use crate::model::network::Joined;
use crate::model::platform::Layout;
use crate::model::{Lab, size};
use crate::plan::diff::Desired;
use crate::render::disk_name;

/// Something in the way, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What is wrong.
    pub message: String,
    /// The cure.
    pub help: String,
}

/// Further disks that would have to become smaller: whatever is at their end would be lost.
fn smaller<'a>(lab: &'a Lab, inventory: &'a Inventory) -> impl Iterator<Item = Conflict> + 'a {
    let pool = inventory.pools.iter().find(|pool| pool.uuid == lab.pool_id());
    let disks = lab.guests().flat_map(|node| node.disks.iter().map(move |disk| (node, disk)));
    disks.filter_map(move |(node, disk)| {
        let now = *pool?.sizes.get(&disk_name(&node.name, &disk.name))?;
        (now > disk.bytes).then(|| Conflict {
            message: format!(
                "the disk {} of {} has {} and cannot become smaller",
                disk.name,
                node.name,
                size::human(now)
            ),
            help: format!(
                "write `size: {}`, or a disk of another name, which begins empty",
                size::human(now)
            ),
        })
    })
}

/// Disks do not move. Those of a private libvirt are wherever the lab's directory is by now.
fn elsewhere(lab: &Lab, desired: &Desired, inventory: &Inventory) -> Option<Conflict> {
    let wanted = desired.pool.as_ref()?;
    let is_usual = wanted.path == Layout::system().pool(&wanted.name);
    if lab.options.storage.is_none() && !is_usual {
        return None;
    }
    let found = inventory.pools.iter().find(|pool| pool.uuid == wanted.uuid)?;
    (!found.path.is_empty() && found.path != wanted.path).then(|| Conflict {
        message: format!("the lab's disks are in {}, not in {}", found.path, wanted.path),
        help: match found.path.rsplit_once('/') {
            Some((folder, _)) => {
                format!("write `options: {{storage: {folder}}}`, or `lab down` first")
            }
            None => "`lab down` first".into(),
        },
    })
}

/// Everything in the way of `lab`. Our own objects never are.
pub fn conflicts(
    lab: &Lab,
    desired: &Desired,
    inventory: &Inventory,
    host: &[HostNetwork],
) -> Vec<Conflict> {
    let mut found = Vec::new();
    for domain in inventory.domains.iter().filter(|domain| domain.node_of(lab.id).is_none()) {
        if desired.domains.iter().any(|ours| ours.name == domain.name || ours.uuid == domain.uuid) {
            found.push(Conflict {
                message: format!("a domain '{}' exists that this lab did not make", domain.name),
                help: "rename the lab, or remove that domain yourself".into(),
            });
        }
        let clash = lab.nodes.iter().find(|node| domain.macs.contains(&node.mac));
        if let Some(node) = clash {
            found.push(Conflict {
                message: format!(
                    "the MAC address {} of {} is in use by domain '{}'",
                    node.mac, node.name, domain.name
                ),
                help: format!("set another `mac` under `overrides: {}:`", node.name),
            });
        }
    }
    found.extend(smaller(lab, inventory));
    found.extend(elsewhere(lab, desired, inventory));
    if let Some(wanted) = &desired.pool {
        let others = inventory.pools.iter().filter(|pool| pool.name == wanted.name);
        for pool in others.filter(|pool| pool.uuid != wanted.uuid) {
            found.push(Conflict {
                message: format!(
                    "a storage pool '{}' exists that this lab did not make",
                    pool.name
                ),
                help: "rename the lab, or remove that pool yourself".into(),
            });
        }
    }
    match &lab.network.joined {
        Some(joined) => found.extend(not_to_be_joined(lab, joined, inventory)),
        None => in_the_network(lab, inventory, host, &mut found),
    }
    found
}

/// Why a network that is there already cannot be joined.
fn not_to_be_joined(lab: &Lab, joined: &Joined, inventory: &Inventory) -> Option<Conflict> {
    let conflict = |message: String, help: String| Some(Conflict { message, help });
    let own = inventory.networks.iter().find(|network| network.uuid == lab.network.uuid);
    if own.is_some() {
        let message = "the lab has a network of its own, and would join another one";
        return conflict(message.into(), "`lab down` first: its nodes are made anew anyway".into());
    }
    let mut networks = inventory.networks.iter();
    let found = match joined {
        // One that no network of libvirt's has is the computer's own.
        Joined::Bridge(name) => networks.find(|it| it.bridge.as_deref() == Some(name))?,
        Joined::Libvirt(name) => match networks.find(|it| it.name == *name) {
            Some(found) => found,
            None => {
                let help = "`virsh net-list --all` lists those that there are";
                return conflict(format!("libvirt has no network '{name}'"), help.into());
            }
        },
    };
    let name = &found.name;
    if found.mark.is_some() {
        let message = format!("the network '{name}' is of another lab, and goes with it");
        return conflict(message, "choose a network that no lab made".into());
    }
    let cidr = lab.network.cidr;
    if !found.cidrs.is_empty() && !found.cidrs.iter().any(|net| net.contains(&cidr)) {
        let nets: Vec<String> = found.cidrs.iter().map(ToString::to_string).collect();
        let message = format!("the network '{name}' has {}, and not {cidr}", nets.join(", "));
        return conflict(message, format!("write `cidr: {}`, and addresses in it", nets[0]));
    }
    match found.active {
        true => None,
        false => conflict(
            format!("the network '{name}' is not running"),
            format!("virsh net-start {name}"),
        ),
    }
}

/// What stands in the way of a network that lab makes.
fn in_the_network(
    lab: &Lab,
    inventory: &Inventory,
    host: &[HostNetwork],
    found: &mut Vec<Conflict>,
) {
    let foreign = |mark: &Option<Mark>| mark.as_ref().is_none_or(|mark| mark.lab != lab.id);
    let cidr = lab.network.cidr;
    let overlaps = |net: &Ipv4Net| overlap(*net, cidr);
    let free = || advice(cidr, inventory, host);
    for network in inventory.networks.iter().filter(|network| foreign(&network.mark)) {
        if network.name == lab.network.name || network.uuid == lab.network.uuid {
            found.push(Conflict {
                message: format!("a network '{}' exists that this lab did not make", network.name),
                help: "rename the lab, or remove that network yourself".into(),
            });
        } else if network.cidrs.iter().any(&overlaps) {
            found.push(Conflict {
                message: format!("{cidr} overlaps the libvirt network '{}'", network.name),
                help: free(),
            });
        }
    }
    let ours = |used: &&HostNetwork| used.device != lab.network.bridge;
    let libvirts = |used: &&HostNetwork| {
        !inventory.networks.iter().any(|n| n.bridge.as_deref() == Some(used.device.as_str()))
    };
    let mut reported: Vec<&str> = Vec::new();
    for used in host.iter().filter(ours).filter(libvirts).filter(|used| overlaps(&used.net)) {
        if !reported.contains(&used.device.as_str()) {
            reported.push(&used.device);
            found.push(Conflict {
                message: format!(
                    "{cidr} is already reached by this computer ({} via {})",
                    used.net, used.device
                ),
                help: free(),
            });
        }
    }
}

/// A network of the size of `like` that meets none of `used`: `like` itself where it can be.
pub fn free_network(like: Ipv4Net, used: &[Ipv4Net]) -> Option<Ipv4Net> {
    let others = (1..=255u8).filter_map(|third| {
        let base =
            std::net::Ipv4Addr::new(10, 240u8.wrapping_add(third / 16), third.wrapping_mul(16), 0);
        Ipv4Net::new(base, like.prefix_len()).ok().map(|net| net.trunc())
    });
    let meets = |net: &Ipv4Net| used.iter().any(|other| overlap(*other, *net));
    std::iter::once(like).chain(others).find(|net| !meets(net))
}

fn advice(like: Ipv4Net, inventory: &Inventory, host: &[HostNetwork]) -> String {
    let networks = inventory.networks.iter().flat_map(|network| network.cidrs.iter().copied());
    let used: Vec<Ipv4Net> = networks.chain(host.iter().map(|used| used.net)).collect();
    match free_network(like, &used) {
        Some(net) => format!(
            "{net} is free: use it as the network's cidr, and move the addresses; `lab init --cidr` does both for a new topology"
        ),
        None => "choose another cidr for the network".into(),
    }
}
