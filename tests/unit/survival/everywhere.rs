//! Each command of a person, cut before each of its changes.

use super::{Step, World};
use crate::rig;

/// Cuts `last`, after `first`, at every change it makes. How many there were.
fn cut_everywhere(topology: &str, first: &[Step], last: Step) -> usize {
    cut_everywhere_in(World::new, &rig::shipped(topology), first, last)
}

fn cut_everywhere_in(make: fn(&str) -> World, text: &str, first: &[Step], last: Step) -> usize {
    let clean = make(text);
    first.iter().for_each(|step| clean.run(*step).unwrap());
    clean.rig.gate.shut_at(None);
    clean.run(last).unwrap();
    let (points, wanted) = (clean.rig.gate.passed(), clean.state());
    let mut cuts = 0;
    for at in 1..=points.len() {
        let world = make(text);
        first.iter().for_each(|step| world.run(*step).unwrap());
        world.rig.gate.shut_at(Some(at));
        let place = &points[at - 1];
        // A cut after the last change that matters may go unnoticed.
        let cut = world.run(last);
        cuts += usize::from(cut.is_err());
        world.rig.gate.shut_at(None);
        let again = world.run(last);
        assert!(again.is_ok(), "{last:?} cut at {at} ({place}): {cut:?}, then {again:?}");
        let found = world.state();
        if found != wanted {
            let lines: Vec<&str> = wanted.lines().collect();
            let other: Vec<&str> = found.lines().filter(|line| !lines.contains(line)).collect();
            let missing: Vec<&str> =
                lines.iter().filter(|line| !found.contains(**line)).copied().collect();
            panic!("{last:?} cut at {at} ({place}): too much: {other:#?}, missing: {missing:#?}");
        }
    }
    assert!(2 * cuts > points.len(), "{last:?}: of {} cuts {cuts} were noticed", points.len());
    let name = &clean.rig.lab().name;
    eprintln!("{name}: {last:?} after {first:?}: {} points", points.len());
    points.len()
}

#[test]
fn up_is_cut_everywhere() {
    let points = cut_everywhere("three", &[], Step::Up);
    assert!(points > 60, "{points}");
    let copied = cut_everywhere_in(World::with_goldens, &rig::shipped("three"), &[], Step::Up);
    assert!(copied > points + 12, "{copied} after {points}");
}

/// What was going to be removed, or made anew, still is.
#[test]
fn edits_are_cut_everywhere() {
    let three = rig::shipped("three");
    let two_workers = three.replace("  worker:\n    count: 1", "  worker:\n    count: 2");
    assert_ne!(two_workers, three);
    let points = cut_everywhere_in(World::new, &two_workers, &[Step::Up], Step::Edit);
    assert!(points > 40, "{points}");
}

#[test]
fn snapshots_are_cut_everywhere() {
    let mut points = cut_everywhere("three", &[Step::Up], Step::Save("one"));
    points += cut_everywhere("single", &[Step::Up], Step::SaveDisks("one"));
    assert!(points > 100, "{points}");
}

#[test]
fn restores_are_cut_everywhere() {
    let saved = [Step::Up, Step::Save("one")];
    let mut points = cut_everywhere("three", &saved, Step::Restore("one"));
    let away = [Step::Up, Step::Save("one"), Step::PutAway];
    points += cut_everywhere("three", &away, Step::Restore("one"));
    points += cut_everywhere("single", &[Step::Up, Step::SaveDisks("a")], Step::Restore("a"));
    assert!(points > 20, "{points}");
}

#[test]
fn deletions_and_down_are_cut_everywhere() {
    let saved = [Step::Up, Step::Save("one")];
    let mut points = cut_everywhere("three", &saved, Step::Down);
    points += cut_everywhere("three", &saved, Step::PutAway);
    points += delete_everywhere();
    assert!(points > 100, "{points}");
}

/// The same steps over real connections, which end in the middle of them.
#[test]
fn everything_is_cut_over_ssh() {
    let points = cut_everywhere_in(World::over_ssh, &rig::shipped("single"), &[], Step::Up);
    assert!(points > 60, "{points}");
}

/// The same calls on libvirt itself, whose ids, documents and refusals are not ours.
#[test]
fn everything_is_cut_on_libvirts_test_driver() {
    let on = World::on_test_driver;
    let (single, three) = (rig::shipped("single"), rig::shipped("three"));
    let mut points = cut_everywhere_in(on, &single, &[], Step::Up);
    points += cut_everywhere_in(on, &three, &[Step::Up], Step::Save("one"));
    let saved = [Step::Up, Step::Save("one")];
    points += cut_everywhere_in(on, &three, &saved, Step::Restore("one"));
    points += cut_everywhere_in(on, &three, &saved, Step::Down);
    let away = [Step::Up, Step::Save("one"), Step::PutAway];
    points += cut_everywhere_in(on, &single, &saved, Step::PutAway);
    points += cut_everywhere_in(on, &single, &away, Step::Restore("one"));
    assert!(points > 200, "{points}");
}

/// A deletion that was cut is finished by whatever comes next; deleting again finds nothing.
fn delete_everywhere() -> usize {
    let three = rig::shipped("three");
    let first = [Step::Up, Step::Save("one")];
    let clean = World::new(&three);
    first.iter().for_each(|step| clean.run(*step).unwrap());
    clean.rig.gate.shut_at(None);
    clean.run(Step::Delete("one")).unwrap();
    let points = clean.rig.gate.passed();
    clean.run(Step::Up).unwrap();
    let wanted = clean.state();
    let mut cuts = 0;
    for at in 1..=points.len() {
        let world = World::new(&three);
        first.iter().for_each(|step| world.run(*step).unwrap());
        world.rig.gate.shut_at(Some(at));
        cuts += usize::from(world.run(Step::Delete("one")).is_err());
        world.rig.gate.shut_at(None);
        let again = world.run(Step::Delete("one"));
        let gone = again.as_ref().is_err_and(|error| error.contains("there is none"));
        assert!(again.is_ok() || gone, "cut at {at} ({}): {again:?}", points[at - 1]);
        world.run(Step::Up).unwrap();
        let found = world.state();
        assert_eq!(found, wanted, "cut at {at} ({})", points[at - 1]);
    }
    assert!(2 * cuts > points.len(), "of {} cuts {cuts} were noticed", points.len());
    points.len()
}
