//! What the documents tell people to type, typed: each page of the workshop is gone through on a real
//! lab, what it breaks is noticed, and what it names as the cure cures it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::kubernetes::DEFAULT;

use crate::rig::documents::{LOOKS, block, page, words};
use crate::rig::guests::{Rig, kill, text};

/// Goes through README's list and the pages of all stages that the lab has.
pub fn are_as_told(rig: &Rig, lab: &lab::model::Lab) {
    only_look(rig);
    for stage in DEFAULT.stages.iter().filter(|stage| !(stage.nodes)(lab).is_empty()) {
        looks(rig, stage.name, |_| true);
        breaks(rig, stage.name);
    }
    let output = rig.lab(&["up"]);
    assert!(text(&output.stderr).contains("nothing to do"), "{}", text(&output.stderr));
}

/// README's list.
pub fn only_look(rig: &Rig) {
    for line in LOOKS {
        typed(rig, line);
    }
    a_journal_is_followed(rig);
}

/// The first half of a stage's page: where to look, as far as `wanted` says.
pub fn looks(rig: &Rig, stage: &str, wanted: fn(&str) -> bool) {
    // All checks were made when the lab came up.
    let lines = block(&page(stage), "## Look");
    for line in lines.iter().filter(|line| wanted(line) && !line.starts_with("lab verify")) {
        typed(rig, line);
    }
    rig.say(&format!("where to look for {stage} is as told"));
}

/// The second half: what it breaks is noticed, and what it names as the cure cures it.
fn breaks(rig: &Rig, stage: &str) {
    let page = &page(stage);
    let lines = block(page, "## Break it");
    for line in &lines {
        let words = words(line);
        let output = rig.lab(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let (out, said) = (text(&output.stdout), text(&output.stderr));
        match words[0].as_str() {
            "verify" => {
                assert_eq!(output.status.code(), Some(1), "`{line}` found nothing: {out}\n{said}");
            }
            "plan" => assert!(out.contains("changed by hand"), "`{line}` found nothing: {out}"),
            // What is broken is what answers.
            "kubectl" if stage == "etcd" => {}
            _ => assert!(output.status.success(), "`{line}`: {said}"),
        }
    }
    if let Some(cure) = page.split('`').find(|part| part.starts_with("lab stage run ")) {
        typed(rig, cure);
    }
    let ready = || rig.lab(&["kubectl", "wait", "--for=condition=Ready", "node", "--all"]);
    let start = Instant::now();
    while !ready().status.success() {
        assert!(start.elapsed() < Duration::from_secs(600), "the nodes do not come back");
    }
    if stage == "control-plane" {
        rig.ok(&["kubectl", "rollout", "status", "deployment/waits", "--timeout=300s"]);
        rig.ok(&["kubectl", "delete", "deployment", "waits"]);
    }
    if stage != "verify" {
        typed(rig, &format!("lab verify {stage}"));
    }
    rig.say(&format!("what {stage} breaks and mends is as told"));
}

fn typed(rig: &Rig, line: &str) {
    let words = words(line);
    rig.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

/// `lab logs -f`: what is written after it began arrives.
fn a_journal_is_followed(rig: &Rig) {
    let mut command = rig.command(&["logs", "-f", "kubelet", "-n", "1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.next().is_some());
    rig.ok(&["ssh", "worker1", "--", "sudo systemctl restart kubelet"]);
    let found = lines.take(2000).any(|line| line.contains("Started"));
    kill(&mut child);
    assert!(found);
}
