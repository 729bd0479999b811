//! What others have on the same libvirt, while commands and cuts come in any order.

use std::collections::BTreeMap;

use lab::drivers::provider::Provider;
use lab::model::inventory::{FoundDomain, FoundNetwork, FoundPool, Inventory, Mark};

use super::{Step, World};
use crate::rig;
use crate::rig::random::Random;

/// Objects of others: some look like the lab's own in everything but what counts.
fn decoys(lab: &lab::model::Lab) -> Inventory {
    let mut all = Inventory::default();
    let mark = |at: u128| Mark {
        lab: if at.is_multiple_of(2) { uuid::Uuid::from_u128(at) } else { lab.id },
        node: Some(lab.nodes[0].name.clone()),
        hash: "hash".into(),
        disk: "disk".into(),
        size: None,
        kept: Vec::new(),
    };
    for at in 1..=20u128 {
        all.domains.push(FoundDomain {
            name: format!("decoy-{at}"),
            uuid: uuid::Uuid::from_u128(at),
            mark: Some(mark(at)),
            active: at.is_multiple_of(3),
            paused: at.is_multiple_of(6),
            autostart: false,
            snapshots: vec!["lab-one".into(), "mine".into()],
            macs: vec![format!("52:54:00:ff:00:{at:02x}")],
            hardware: None,
        });
    }
    for at in 21..=35u128 {
        all.networks.push(FoundNetwork {
            name: format!("decoy-{at}"),
            uuid: uuid::Uuid::from_u128(at),
            mark: at.is_multiple_of(2).then(|| mark(at)),
            active: true,
            cidrs: vec![format!("172.{at}.0.0/24").parse().unwrap()],
            bridge: Some(format!("decoy{at}")),
        });
    }
    for at in 36..=50u128 {
        all.pools.push(FoundPool {
            name: format!("decoy-{at}"),
            uuid: uuid::Uuid::from_u128(at),
            active: at.is_multiple_of(2),
            path: String::new(),
            volumes: vec![format!("{}.qcow2", lab.nodes[0].name)],
            sizes: std::collections::BTreeMap::new(),
        });
    }
    all
}

fn of_others(inventory: &Inventory) -> String {
    let mut other = inventory.clone();
    other.domains.retain(|domain| domain.name.starts_with("decoy"));
    other.networks.retain(|network| network.name.starts_with("decoy"));
    other.pools.retain(|pool| pool.name.starts_with("decoy"));
    format!("{other:#?}")
}

const STEPS: &[Step] = &[
    Step::Up,
    Step::Up,
    Step::Save("one"),
    Step::Save("two"),
    Step::SaveDisks("three"),
    Step::Restore("one"),
    Step::Restore("three"),
    Step::Delete("one"),
    Step::Delete("two"),
    Step::PutAway,
    Step::Down,
];

/// Five hundred labs, each with a few commands, some of which are cut. What was done how often.
fn commands_and_cuts(seed: u64) -> BTreeMap<String, usize> {
    let single = rig::shipped("single");
    let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut next = move |limit: usize| random.below(limit);
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for sequence in 0..500 {
        let world = World::new(&single);
        let planted = decoys(&world.rig.lab());
        let before = of_others(&planted);
        world.rig.hypervisor.plant(|all| *all = planted);
        let mut told = Vec::new();
        for _ in 0..4 + next(5) {
            let step = STEPS[next(STEPS.len())];
            let cut = (next(3) == 0).then(|| 1 + next(40));
            world.rig.gate.shut_at(cut);
            let result = world.run(step);
            let verdict = if result.is_ok() { "done" } else { "refused or cut" };
            *done.entry(format!("{step:?} {verdict}")).or_default() += 1;
            told.push((step, cut, result));
        }
        world.rig.gate.shut_at(None);
        let inventory = world.rig.hypervisor.inventory().unwrap();
        assert_eq!(of_others(&inventory), before, "sequence {sequence} of seed {seed}: {told:?}");
        world.run(Step::Down).unwrap_or_else(|error| panic!("{sequence}: {told:?}: {error}"));
        let inventory = world.rig.hypervisor.inventory().unwrap();
        assert_eq!(format!("{inventory:#?}"), before, "left over: {sequence}: {told:?}");
        let store = world.rig.store();
        assert!(!store.root().exists() && store.leftovers().is_empty(), "{sequence}: {told:?}");
    }
    done
}

#[test]
fn a_thousand_random_commands_and_cuts_leave_what_others_have() {
    let seed: u64 = std::env::var("LAB_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    // The longest of all tests: in two halves side by side, since it is the last one to end.
    let halves = std::thread::scope(|scope| {
        let half = scope.spawn(move || commands_and_cuts(seed.wrapping_add(1)));
        [commands_and_cuts(seed), half.join().unwrap()]
    });
    for done in halves {
        eprintln!("{done:#?}");
        for step in STEPS {
            assert!(done.contains_key(&format!("{step:?} done")), "{step:?} never got through");
        }
    }
}
