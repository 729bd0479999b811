//! What is asked of a network that is there already before a node joins it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::drivers::host::neighbours;
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::task::error::EngineError;
use crate::model::code;
use crate::model::inventory::Inventory;
use crate::model::network::Joined;

/// Refuses a network that nodes cannot join, and addresses that somebody there has.
///
/// # Errors
/// What is in the way.
pub(super) fn refuse(session: &Session, inventory: &Inventory) -> Result<(), EngineError> {
    let Some(joined) = &session.lab.network.joined else { return Ok(()) };
    let ProviderKind::System { uri } = &session.provider else { return Ok(()) };
    // What another computer has cannot be seen from here; its libvirt says so.
    if !uri.contains(":///") {
        return Ok(());
    }
    match joined {
        Joined::Bridge(name) if !neighbours::is_bridge(name) => Err(EngineError::of(
            &code::CONFLICT,
            format!("join the bridge {name}: this computer has none of that name"),
        )
        .hint("`ip -br link show type bridge` lists those that there are")
        .preflight()),
        _ => refuse_taken(session, inventory),
    }
}

/// Nodes that are there answer with the cards that lab gave them, floating addresses, too; all others must be nobody's.
fn refuse_taken(session: &Session, inventory: &Inventory) -> Result<(), EngineError> {
    let lab = &session.lab;
    let nodes = lab.guests().map(|node| (node.address, node.name.as_str()));
    let floating = lab.vips.iter().map(|vip| (vip.address, vip.name.as_str()));
    let wanted: BTreeMap<Ipv4Addr, &str> = nodes.chain(floating).collect();
    // Guests that leave are there until then.
    let there = inventory.domains.iter().filter(|domain| domain.node_of(lab.id).is_some());
    let there = there.flat_map(|domain| domain.macs.iter().map(String::as_str));
    let cards: BTreeSet<&str> =
        lab.nodes.iter().map(|node| node.mac.as_str()).chain(there).collect();
    let Some(bridge) = inventory.bridge_of(&lab.network) else { return Ok(()) };
    let addresses: Vec<Ipv4Addr> = wanted.keys().copied().collect();
    let found = neighbours::taken(&addresses, bridge);
    let taken = found.iter().find(|(_, who)| !cards.contains(who.as_str()));
    match taken.and_then(|(address, who)| Some((address, who, wanted.get(address)?))) {
        None => Ok(()),
        Some((address, who, name)) => Err(EngineError::of(
            &code::CONFLICT,
            format!("give {name} the address {address}: it is taken on that network, by {who}"),
        )
        .hint("choose addresses that nobody has, and that its DHCP hands to nobody; who has just left is known for a minute")
        .preflight()),
    }
}
