//! Lessons of people's own, as far as no lab is needed.

use std::fs;

use super::{Home, err, out};

#[test]
fn a_new_lesson_is_well_written_and_never_written_over() {
    let home = Home::new();
    assert!(home.lab(&["lesson", "new", "dns"]).status.success());
    let said = out(&home.lab(&["lesson", "lint", "dns"]));
    assert!(said.contains("the lesson 'dns' is well written: 1 step"), "{said}");
    fs::write(home.path().join("dns/first.md"), "mine").unwrap();
    assert_eq!(home.lab(&["lesson", "new", "dns"]).status.code(), Some(2));
    assert_eq!(fs::read_to_string(home.path().join("dns/first.md")).unwrap(), "mine");
}

#[test]
fn what_is_wrong_with_a_lesson_is_told_with_its_place() {
    let home = Home::new();
    home.lab(&["lesson", "new", "dns"]);
    let file = home.path().join("dns/lesson.yaml");
    let text = fs::read_to_string(&file).unwrap();
    for (from, to, told) in [
        ("level: beginner", "level: easy", "line 3"),
        ("points: 10", "points: many", "line 10"),
        (
            "topology: single",
            "topology: single\nflavours: [easy]",
            "names a flavour that is none: 'easy'",
        ),
        ("topology: single", "topology: single\nstart: end", "names a stage that is none: 'end'"),
        ("text: first.md", "text: second.md", "has no file 'second.md' (step 'first')"),
        ("fault: scheduler-stopped", "fault: scheduler", "breaks what is no fault: 'scheduler'"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replace(from, to)).unwrap();
        let output = home.lab(&["lesson", "lint", "dns"]);
        assert_eq!(output.status.code(), Some(2));
        let said = err(&output);
        assert!(said.contains("error[L0607]") && said.contains(told), "{to}: {said}");
    }
}

/// What cannot be done in a lab is said before it is touched.
#[test]
fn a_lesson_for_another_lab_is_refused() {
    let home = Home::new();
    home.lab(&["lesson", "new", "dns"]);
    let file = home.path().join("dns/lesson.yaml");
    let text = fs::read_to_string(&file).unwrap();
    for (from, to, told) in [
        (
            "topology: single",
            "topology: single\nflavours: [kubeadm]",
            "is not for labs of the flavour hard-way",
        ),
        ("scheduler-stopped", "balancer-port", "the lab has no node with the role load-balancer"),
        ("    verify:", "    solve: [{stage: walk}]\n    verify:", "does not have: walk"),
        ("    verify:", "    verify:\n      - {check: jump}", "does not have: jump"),
    ] {
        fs::write(&file, text.replace(from, to)).unwrap();
        let output =
            home.lab(&["-f", "single", "lesson", "start", "./dns", "--provider", "private"]);
        let said = err(&output);
        assert!(said.contains("error[L0607]") && said.contains(told), "{to}: {said}");
        assert!(!home.path().join("state/lab/single").exists());
    }
}
