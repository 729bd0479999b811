//! Names and the identities derived from them: the strict grammars, MACs, UUIDs, bridge names.

use uuid::Uuid;

/// Namespace of every UUID that `lab` derives; fixed for ever.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x7d0c_51a4_6a0e_4c53_9a7e_1f0b_6c61_6221);

const RESERVED: &[&str] = &["localhost", "kubernetes", "all", "gateway"];

/// Checks an RFC 1123 label: lower-case letters, digits and hyphens, at most `max` characters.
///
/// # Errors
/// What is wrong and how to mend it, as (message, help).
pub fn check_label(what: &str, text: &str, max: usize) -> Result<(), (String, String)> {
    let shown = crate::model::topology::problem::printable(text);
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err((
            format!("{what} contains a control character (U+{:04X})", c as u32),
            "use letters, digits and hyphens".into(),
        ));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
        return Err((
            format!("{what} '{shown}' contains '{c}' (U+{:04X}), which is not ASCII", c as u32),
            "use the letters a to z".into(),
        ));
    }
    if text.is_empty() {
        return Err((format!("{what} is empty"), "give it a name such as node1".into()));
    }
    if text.len() > max {
        return Err((
            format!("{what} '{shown}' has {} characters; at most {max} fit", text.len()),
            "choose a shorter name".into(),
        ));
    }
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return Err((
            format!("{what} '{shown}' has capital letters; host names have no case"),
            format!("write '{}'", text.to_ascii_lowercase()),
        ));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err((
            format!("{what} '{shown}' contains '{c}'"),
            "use letters, digits and hyphens".into(),
        ));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err((
            format!("{what} '{shown}' must start and end with a letter or digit"),
            format!("write '{}'", text.trim_matches('-')),
        ));
    }
    if RESERVED.contains(&text) {
        return Err((
            format!("'{text}' has a meaning of its own and cannot be {what}"),
            format!("write '{text}1'"),
        ));
    }
    Ok(())
}

/// Checks a domain name: labels joined by dots, at most 200 characters.
///
/// # Errors
/// As [`check_label`].
pub fn check_domain(text: &str) -> Result<(), (String, String)> {
    if text.len() > 200 {
        return Err(("the domain is longer than 200 characters".into(), "shorten it".into()));
    }
    for label in text.split('.') {
        check_label("a part of the domain", label, 63)?;
    }
    Ok(())
}

/// Who owns a lab: enough to tell two people's labs of one name apart on one computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Stable id of the computer, from `/etc/machine-id` or the host name.
    pub machine: String,
    /// Numeric user id.
    pub uid: u32,
}

/// The lab's id: the same for the same owner and name, so that losing local state loses only keys.
pub fn lab_id(owner: &Owner, name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{}/{}/{name}", owner.machine, owner.uid).as_bytes())
}

/// Id of one thing in a lab, `kind` being `domain`, `network` or `pool`.
pub fn object_id(lab: Uuid, kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&lab, format!("{kind}/{name}").as_bytes())
}

/// MAC address of a node's first card, in the range QEMU guests use (52:54:00).
pub fn mac(lab: Uuid, node: &str) -> String {
    let id = object_id(lab, "mac", node);
    let [a, b, c, ..] = *id.as_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

/// Bridge name: 13 characters, and so inside the kernel's limit of 15.
pub fn bridge(lab: Uuid) -> String {
    let id = object_id(lab, "bridge", "nat").simple().to_string();
    format!("lab{}", &id[..10])
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Gives each floating address its VRRP router id: the one the topology says, else the one it had
/// before, else one that follows from the names and that neither this lab nor another one has.
/// `taken` are ids of other labs on the computer.
pub fn assign_router_ids(
    lab: Uuid,
    vips: &mut [crate::model::lab::Vip],
    before: &std::collections::BTreeMap<String, u8>,
    taken: &std::collections::BTreeSet<u8>,
) {
    let mut used: std::collections::BTreeSet<u8> =
        vips.iter().filter(|vip| vip.router_id_given).map(|vip| vip.router_id).collect();
    for vip in vips.iter_mut().filter(|vip| !vip.router_id_given) {
        let wanted = object_id(lab, "vip", &vip.name).as_u128() % 255;
        let derived = (0..255u128).map(|step| ((wanted + step) % 255) as u8 + 1);
        let kept = before.get(&vip.name).copied().filter(|id| !used.contains(id));
        let free = derived.clone().find(|id| !used.contains(id) && !taken.contains(id));
        // With more floating addresses than ids, labs share some: their bridges are apart anyway.
        let id = kept.or(free).or_else(|| derived.clone().find(|id| !used.contains(id)));
        vip.router_id = id.unwrap_or(1);
        used.insert(vip.router_id);
    }
}

#[cfg(test)]
mod router_ids {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;

    use super::assign_router_ids;
    use crate::model::lab::Vip;
    use crate::model::role::Role;

    fn vip(name: &str, given: Option<u8>) -> Vip {
        Vip {
            name: name.into(),
            address: Ipv4Addr::LOCALHOST,
            role: Role::ControlPlane,
            router_id: given.unwrap_or_default(),
            router_id_given: given.is_some(),
        }
    }

    fn ids(vips: &mut [Vip], before: &[(&str, u8)], taken: &[u8]) -> Vec<u8> {
        let before: BTreeMap<String, u8> =
            before.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect();
        let taken: BTreeSet<u8> = taken.iter().copied().collect();
        assign_router_ids(uuid::Uuid::from_u128(5), vips, &before, &taken);
        vips.iter().map(|vip| vip.router_id).collect()
    }

    #[test]
    fn an_id_is_stable_and_nobody_elses() {
        let first = ids(&mut [vip("api", None), vip("front", None)], &[], &[]);
        assert_ne!(first[0], first[1]);
        assert!(first.iter().all(|id| *id > 0));
        assert_eq!(first, ids(&mut [vip("api", None), vip("front", None)], &[], &[]));
        // Another lab has it: the next one. Once recorded, it stays whoever comes later.
        let moved = ids(&mut [vip("api", None)], &[], &first[..1]);
        assert_ne!(moved[0], first[0]);
        assert_eq!(ids(&mut [vip("api", None)], &[("api", moved[0])], &[moved[0]]), moved);
    }

    #[test]
    fn what_the_topology_says_is_kept_and_never_given_to_another() {
        let free = ids(&mut [vip("api", None)], &[], &[])[0];
        let both = ids(&mut [vip("api", None), vip("front", Some(free))], &[], &[free]);
        assert_eq!(both[1], free);
        assert_ne!(both[0], free);
    }

    #[test]
    fn with_every_id_taken_the_lab_still_gets_different_ones() {
        let all: Vec<u8> = (1..=255).collect();
        let found = ids(&mut [vip("a", None), vip("b", None)], &[], &all);
        assert_ne!(found[0], found[1]);
    }
}
