//! A lesson of one's own from its first word to its last, as a learner and an author type it.

use std::fs;

use serde_json::Value as Json;

use crate::existing::Basement;

const LESSON: &str = "title: Mine
level: beginner
minutes: 5
topology: ../lab.yaml
steps:
  - name: pending
    text: pending.md
    break: {fault: scheduler-stopped}
    never: [{script: kept.sh, on: control-plane, says: what the cluster knows is there}]
    points: 10
    cost: 3
  - name: full
    text: full.md
    break: {script: quota.sh, on: control-plane}
    verify: [{script: takes.sh, on: control-plane, says: there is room in the namespace}]
    hints: [Who limits a namespace?]
    solve: [{script: free.sh, on: control-plane}]
    points: 5
";

const FILES: &[(&str, &str)] = &[
    ("lesson.yaml", LESSON),
    ("pending.md", "# Pods that wait\n"),
    ("full.md", "# A namespace that is full\n"),
    ("kept.sh", "kubectl get namespace default\n"),
    ("quota.sh", "kubectl -n default create quota none --hard=pods=0\n"),
    ("takes.sh", "! kubectl -n default get quota none\n"),
    ("free.sh", "kubectl -n default delete quota none --ignore-not-found\n"),
];

fn json(basement: &Basement, arguments: &[&str]) -> Json {
    let said = basement.lab(&[arguments, &["-o", "json", "-q"]].concat());
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}\n{said}"))
}

/// On a cluster that is up, which is whole at the end.
pub fn a_lesson_is_done(basement: &Basement) {
    let folder = basement.home.path().join("mine");
    basement.lab(&["lesson", "new", "mine"]);
    basement.lab(&["lesson", "lint", "mine"]);
    // What everybody begins with works.
    let said = basement.lab(&["lesson", "test", "./mine", "--times", "1"]);
    assert!(said.contains("ok      first (1): well"), "{said}");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    FILES.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
    let said = basement.lab(&["lesson", "test", "./mine"]);
    assert_eq!(said.matches("ok     ").count(), 4, "{said}");
    basement.say("the lesson is tried by its author");
    fs::write(folder.join("free.sh"), "true\n").unwrap();
    let said = String::from_utf8(
        basement.lab_says(&["lesson", "test", "./mine", "--patience", "4s"]).stdout,
    )
    .unwrap();
    assert!(said.contains("FAILED  full (1): its solution does not solve it"), "{said}");
    basement
        .on("main", "kubectl --kubeconfig=/etc/kubernetes/admin.conf -n default delete quota none");
    fs::write(folder.join("free.sh"), FILES[6].1).unwrap();
    basement.say("a solution that is none is told");

    let said = basement.lab(&["lesson", "start", "./mine"]);
    assert!(said.contains("# Pods that wait") && !said.contains("scheduler"), "{said}");
    assert!(basement.on("main", "systemctl is-active kube-scheduler || true").contains("inactive"));
    let said = basement.refused(&["up"]);
    assert!(said.contains("error[L0608]") && said.contains("broken on purpose"), "{said}");
    let said = basement.refused(&["lesson", "start", "exam"]);
    assert!(
        said.contains("error[L0608]") && said.contains("the lesson 'mine' is going on"),
        "{said}"
    );
    let said = basement.refused(&["lesson", "verify"]);
    assert!(said.contains("not yet"), "{said}");
    let said = basement.lab(&["lesson", "hint"]);
    assert!(said.contains("kubectl describe pod") && said.contains("hint 1 of 2"), "{said}");
    // What a learner does.
    basement.on("main", "systemctl enable --quiet --now kube-scheduler");
    let said = basement.lab(&["lesson", "verify", "--watch"]);
    assert!(
        said.contains("done: 7 of 10 points") && said.contains("# A namespace that is full"),
        "{said}"
    );
    basement.say("a step is done, for what its hint left");
    let score = json(basement, &["lesson", "score"]);
    assert_eq!((&score["points"], &score["of"]), (&Json::from(7), &Json::from(15)), "{score}");
    // There are no snapshots here: what solves it comes before it is broken anew.
    basement.lab(&["lesson", "reset"]);
    basement.refused(&["lesson", "verify"]);
    let said = json(basement, &["lesson", "status"]);
    assert_eq!(said["step"]["step"], "full", "{said}");
    basement.lab(&["lesson", "solve"]);
    let said = basement.lab(&["lesson", "verify"]);
    assert!(said.contains("the lesson 'mine' is done: 7 of 15 points"), "{said}");
    let said = basement.refused(&["lesson", "status"]);
    assert!(said.contains("no lesson is going on"), "{said}");
    basement.say("the lesson is done");

    let said = basement.refused(&["lesson", "break", "quota", "worker1"]);
    assert!(said.contains("error[L0607]") && said.contains("of the role control-plane"), "{said}");
    // What nobody knows is the same for the same number, and a stop puts it right.
    let seen = basement.lab(&["lesson", "break", "--seed", "5"]);
    assert!(seen.contains("# Something is broken"), "{seen}");
    let said = basement.lab(&["lesson", "stop"]);
    assert!(said.contains("what was broken is put right"), "{said}");
    let said = basement.lab(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
    basement.say("what nobody knew is put right");
}
