//! A lesson on guests that can be frozen: what is reset goes back to how the lesson began.

use std::fs;

use super::{System, chapter};

const LESSON: &str = "title: Mine
level: beginner
minutes: 5
topology: single
start: ssh
steps:
  - name: first
    text: first.md
    verify: [{script: made.sh, on: worker, says: the file was made}]
    solve: [{script: make.sh, on: worker}]
  - name: second
    text: first.md
    break: {script: break.sh, on: worker}
    verify: [{script: whole.sh, on: worker, says: the motto is whole}]
    solve: [{script: mend.sh, on: worker}]
";

const FILES: &[(&str, &str)] = &[
    ("lesson.yaml", LESSON),
    ("first.md", "# Mottoes\n"),
    ("made.sh", "test -e /var/tmp/motto\n"),
    ("make.sh", "echo whole >/var/tmp/motto\n"),
    ("break.sh", "change /var/tmp/motto -e s/whole/broken/\n"),
    ("whole.sh", "grep -qx whole /var/tmp/motto && test ! -e /var/tmp/litter\n"),
    ("mend.sh", "echo whole >/var/tmp/motto; rm -f /var/tmp/litter\n"),
];

fn snapshots(lab: &System) -> String {
    lab.ok(&["snapshot", "list"])
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn lessons_begin_anew_from_a_snapshot() {
    chapter(|lab| {
        let folder = lab.file().with_file_name("motto");
        fs::create_dir(&folder).unwrap();
        FILES.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
        let folder = folder.to_str().unwrap();
        let before = snapshots(lab);
        lab.ok(&["lesson", "start", folder]);
        assert!(snapshots(lab).contains("lesson-start"));
        assert_eq!(lab.lab(&["lesson", "verify"]).0, 1);
        lab.ok(&[
            "ssh",
            "alpha",
            "--",
            "sudo sh -c 'echo whole >/var/tmp/motto; touch -d 2020-01-01 /var/tmp/motto'",
        ]);
        lab.ok(&["lesson", "verify"]);
        let broken =
            lab.ok(&["ssh", "alpha", "--", "cat /var/tmp/motto; date -r /var/tmp/motto +%Y"]);
        assert_eq!(broken, "broken\n2020\n");
        // Whatever a learner does is gone, and what the step before had them do is there.
        lab.ok(&["ssh", "alpha", "--", "sudo rm /var/tmp/motto; touch /var/tmp/litter"]);
        lab.ok(&["lesson", "reset"]);
        let seen = lab.ok(&["ssh", "alpha", "--", "cat /var/tmp/motto; ls /var/tmp"]);
        assert!(seen.starts_with("broken\n") && !seen.contains("litter"), "{seen}");
        lab.ok(&["lesson", "solve"]);
        lab.ok(&["lesson", "verify"]);
        assert_eq!(snapshots(lab), before);
        lab.ok(&["ssh", "alpha", "--", "sudo rm /var/tmp/motto"]);
    });
}
