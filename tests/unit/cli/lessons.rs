//! Lessons of people's own, as far as no lab is needed.

use std::fs;

use serde_json::Value as Json;

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
            "it is for the flavour kubeadm, and the lab is of hard-way",
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

/// The example of the documents is a lesson.
#[test]
fn the_documents_show_a_lesson() {
    let home = Home::new();
    let page = fs::read_to_string("docs/lessons.md").unwrap();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = home.path().join("shown");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("lesson.yaml"), block).unwrap();
    for file in ["pending.md", "answers.sh", "data.sh"] {
        fs::write(folder.join(file), "# what is here is no matter\n").unwrap();
    }
    let output = home.lab(&["lesson", "lint", "shown"]);
    assert!(output.status.success(), "{}", err(&output));
}

/// What editors are told is what the documents tell.
#[test]
fn the_schema_and_the_page_know_the_same_fields() {
    let home = Home::new();
    let schema: Json = serde_json::from_str(&out(&home.lab(&["schema", "lesson"]))).unwrap();
    let page = fs::read_to_string("docs/lessons.md").unwrap();
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut fields = 0;
    for table in tables.filter(|table| table["type"] == "object") {
        assert_eq!(table["additionalProperties"], false, "{table}");
        for name in table["properties"].as_object().unwrap().keys() {
            assert!(
                page.contains(&format!("{name}:")) || page.contains(&format!("`{name}`")),
                "{name}"
            );
            fields += 1;
        }
    }
    assert!(fields > 20, "{fields}");
}

/// A line for each seat, whoever sits there.
#[test]
fn a_teacher_sees_the_lessons_of_all_labs() {
    let home = Home::new();
    let lesson = lab::model::lesson::shipped("exam").unwrap();
    let seat = |name: &str, file: &str, done: usize, ended: Option<i64>| {
        let folder = home.path().join(".local/state/lab").join(name);
        fs::create_dir_all(folder.join("lessons")).unwrap();
        fs::write(folder.join("lab.json"), "{}").unwrap();
        let mut progress = lab::model::lesson::progress::Progress::new(lesson, 1, 600);
        progress.at = done;
        progress.ended = ended;
        for record in progress.steps.iter_mut().take(done) {
            (record.done, record.tries, record.hints) = (Some(660), 2, 1);
        }
        fs::write(folder.join(file), serde_json::to_string(&progress).unwrap()).unwrap();
    };
    seat("seat01", "lesson.json", 3, None);
    seat("seat02", "lessons/600-exam.json", 8, Some(6600));
    let table = out(&home.lab(&["lesson", "score", "--all"]));
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!(rows[1][..3], ["seat01", "exam", "fault-4"]);
    assert_eq!(rows[1][4..], ["6", "3", "21/80"]);
    assert_eq!(rows[2], ["seat02", "exam", "-", "100", "16", "8", "56/80"]);
    let all: Json =
        serde_json::from_str(&out(&home.lab(&["lesson", "score", "--all", "-o", "json"]))).unwrap();
    assert_eq!(all["lessons"][0]["step"], "fault-4", "{all}");
}
