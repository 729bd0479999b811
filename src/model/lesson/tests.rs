#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::lesson::progress::Progress;

fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const HEAD: &str = "title: T\nlevel: beginner\nminutes: 1\ntopology: single\nsteps:\n";

fn lesson(steps: &str) -> Result<Lesson, Flaw> {
    Lesson::of(
        "mine",
        files(&[(DESCRIPTION, &format!("{HEAD}{steps}")), ("a.md", "# A"), ("a.sh", "true")]),
    )
}

#[test]
fn every_shipped_lesson_and_fault_is_one() {
    let lessons: Vec<_> = LESSONS.dirs().filter(|dir| dir.path().as_os_str() != FAULTS).collect();
    for dir in &lessons {
        let read = Lesson::of(name_of(dir), files_of(dir));
        assert!(read.is_ok(), "{read:?}");
    }
    let faults: Vec<_> = LESSONS.get_dir(FAULTS).unwrap().dirs().collect();
    for dir in &faults {
        let read = Fault::of(name_of(dir), files_of(dir));
        assert!(read.is_ok(), "{read:?}");
    }
    assert!(faults.len() >= 30 && lessons.len() >= 6);
    assert_eq!((all().len(), super::faults().len()), (lessons.len(), faults.len()));
}

/// Files that nobody names are mistakes.
#[test]
fn every_file_of_a_lesson_is_used() {
    for lesson in all() {
        let named = lesson.text(DESCRIPTION);
        for file in lesson.files.keys().filter(|file| *file != DESCRIPTION) {
            assert!(named.contains(file.as_str()), "{}: {file}", lesson.name);
        }
    }
    for fault in super::faults() {
        let named = fault.files.get(FAULT).unwrap();
        for file in fault.files.keys().filter(|file| *file != FAULT && *file != "break.sh") {
            assert!(named.contains(file.as_str()), "{}: {file}", fault.name);
        }
    }
}

#[test]
fn what_cannot_be_a_lesson_says_why() {
    let told = |steps: &str| lesson(steps).unwrap_err().message;
    assert!(Lesson::of("mine", files(&[])).unwrap_err().message.contains("it has no lesson.yaml"));
    assert!(told("  - {name: a, txt: a.md}\n").contains("lesson.yaml of 'mine': "));
    for (step, why) in [
        ("{name: A, text: a.md}", "has a step that cannot be"),
        ("{name: a, text: b.md}", "has no file 'b.md' (step 'a')"),
        ("{name: a, text: a.md}", "judges nothing (step 'a')"),
        ("{name: a, text: a.md, verify: [{stage: os}]}", "has no way out (step 'a')"),
        (
            "{name: a, text: a.md, verify: [{}], solve: [{stage: os}]}",
            "has a question that is none",
        ),
        ("{name: a, text: a.md, verify: [{script: a.sh}]}", "has a question that says nothing"),
        ("{name: a, text: a.md, verify: [{check: x, on: worker}]}", "that no script goes with"),
        (
            "{name: a, text: a.md, verify: [{stage: os}], solve: [{}]}",
            "has a solution that is none",
        ),
        ("{name: a, text: a.md, break: {}}", "breaks nothing"),
        ("{name: a, text: a.md, break: {fault: kubelet}}", "breaks what is no fault: 'kubelet'"),
        ("{name: a, text: a.md, break: {script: a.sh}}", "breaks something nowhere"),
        ("{name: a, text: a.md, break: {fault: any, on: worker}}", "that nobody knows"),
        ("{name: a, text: a.md, break: {fault: names, layers: [os]}}", "chooses among faults"),
    ] {
        let message = told(&format!("  - {step}\n"));
        assert!(message.contains(why), "{step}: {message}");
    }
    let twice = "  - {name: a, text: a.md, break: {fault: names}}\n".repeat(2);
    assert!(told(&twice).contains("has two steps named 'a'"));
}

#[test]
fn points_are_those_of_who_did_it() {
    let steps = "  - {name: a, text: a.md, break: {fault: names}, points: 10, cost: 3}\n  \
                   - {name: b, text: a.md, break: {fault: names}, points: 5}\n";
    let lesson = lesson(steps).unwrap();
    let mut progress = Progress::new(&lesson, 1, 100);
    assert_eq!(progress.score(&lesson), (0, 15));
    progress.record().unwrap().hints = 2;
    progress.record().unwrap().done = Some(160);
    assert_eq!(progress.score(&lesson), (4, 15));
    progress.record().unwrap().hints = 9;
    assert_eq!(progress.points(&lesson, 0), (0, 10));
    progress.at = 1;
    progress.record().unwrap().done = Some(170);
    progress.record().unwrap().is_solved = true;
    assert_eq!(progress.score(&lesson), (0, 15));
    progress.record().unwrap().is_solved = false;
    assert_eq!(progress.score(&lesson), (5, 15));
    let text = serde_json::to_string(&progress).unwrap();
    assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
}

const LAB: &str = "name: basement
network: {cidr: 10.249.0.0/24}
nodes:
  main: {roles: [etcd, control-plane], first_address: 10.249.0.11}
  worker: {count: 2, first_address: 10.249.0.31}
";

/// What nobody knows follows from a number, and is never twice in one lesson.
#[test]
fn faults_that_nobody_knows_follow_from_a_number() {
    let owner = crate::model::Owner { machine: "m".into(), uid: 0 };
    let lab = crate::model::topology::load(LAB, &owner).unwrap().lab;
    let dealt = |lesson: &Lesson, place: usize, seed: u64| {
        let dealt = deal(lesson, place, &lab, seed).unwrap();
        assert!(!dealt.solve.is_empty() && !dealt.hints.is_empty() && !dealt.verify.is_empty());
        (dealt.fault.unwrap(), dealt.broken.unwrap().node)
    };
    let any = Lesson::of_breakage(Breakage { fault: Some(ANY.into()), ..Breakage::default() });
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let (fault, node) = dealt(&any, 0, seed);
        let again = dealt(&any, 0, seed);
        assert_eq!((&again.0.name, &again.1), (&fault.name, &node));
        assert!(fault.unfit(&lab).is_none() && lab.node(&node).unwrap().is(fault.role().unwrap()));
        seen.insert(fault.name.as_str());
    }
    assert!(seen.len() > 15, "{seen:?}");
    assert!(!seen.contains("balancer-port") && !seen.contains("floating-address"), "{seen:?}");
    let exam = shipped("exam").unwrap();
    for seed in 0..20 {
        let all: std::collections::BTreeSet<&str> =
            (0..exam.steps.len()).map(|place| dealt(exam, place, seed).0.name.as_str()).collect();
        assert_eq!(all.len(), exam.steps.len());
    }
}
