//! VRRP router ids of floating addresses: stable ones that no other lab of the computer has.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::model::lab::Vip;
use crate::model::name::object_id;

/// Gives each floating address its VRRP router id: the one the topology says, else the one it had
/// before, else one that follows from the names and that neither this lab nor another one has.
/// `taken` are ids of other labs on the computer.
pub fn assign(lab: Uuid, vips: &mut [Vip], before: &BTreeMap<String, u8>, taken: &BTreeSet<u8>) {
    let mut used: BTreeSet<u8> =
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
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;

    use super::assign;
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
        assign(uuid::Uuid::from_u128(5), vips, &before, &taken);
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
