//! A network with names, addresses and a packet size of a person's own.

use std::fs;

use super::{SYSTEM, System, chapter};

/// What DNS answers, line by line.
fn dig(lab: &System, questions: &[&str]) -> String {
    let questions = questions.iter().map(|one| format!("dig +short @10.250.0.254 {one}"));
    lab.ok(&["ssh", "alpha", "--", &questions.collect::<Vec<_>>().join("; ")])
}

/// Names, reservations, gateway and packet size of a person's own; some change while guests run, some do not.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn networks_have_names_of_a_persons_own() {
    chapter(|lab| {
        let link = lab.ok(&["ssh", "alpha", "--", "ip -o link show up; ip route show default"]);
        assert!(link.contains("mtu 1400") && link.contains("via 10.250.0.254"), "{link}");
        let answers = dig(
            lab,
            &[
                "www.sys.lab",
                "any.apps.sys.lab",
                "mirror.example.com",
                "owner.sys.lab TXT",
                "_ldap._tcp.sys.lab SRV",
                "printer.sys.lab",
                "-x 10.250.0.77",
            ],
        );
        let wanted = [
            "10.250.0.11",
            "10.250.0.11",
            "10.250.0.5",
            "\"the storage team\"",
            "0 0 389 alpha.sys.lab.",
            "10.250.0.77",
            "printer.sys.lab.",
        ];
        assert_eq!(answers.lines().collect::<Vec<_>>(), wanted);
        let more =
            SYSTEM.replace("    www:", "    db: {cname: alpha}\n    note: {txt: more}\n    www:");
        fs::write(lab.file(), more).unwrap();
        let plan = lab.ok(&["plan", "--until", "ssh"]);
        assert!(plan.contains("its records changed"), "{plan}");
        lab.ok(&["up", "--until", "ssh"]);
        let answers = dig(lab, &["db.sys.lab", "note.sys.lab TXT", "www.sys.lab", "alpha.sys.lab"]);
        assert_eq!(answers, "10.250.0.11\n\"more\"\n10.250.0.11\n10.250.0.11\n");
        fs::write(lab.file(), SYSTEM.replace("*.apps", "*.other")).unwrap();
        let (code, _, said) = lab.lab(&["up", "--until", "ssh"]);
        assert!(code == 1 && said.contains("cannot change while guests use it"), "{code} {said}");
        fs::write(lab.file(), SYSTEM).unwrap();
        lab.ok(&["up", "--until", "ssh"]);
        assert_eq!(dig(lab, &["db.sys.lab"]), "");
        a_link_is_late_and_as_always_again(lab);
    });
}

fn a_link_is_late_and_as_always_again(lab: &System) {
    // Milliseconds until the network's DNS has answered.
    let late = || -> u64 {
        let ask =
            "dig @10.250.0.254 alpha.sys.lab | sed -n 's/^;; Query time: \\([0-9]*\\).*/\\1/p'";
        lab.ok(&["ssh", "alpha", "--", ask]).trim().parse().unwrap()
    };
    let said = lab.ok(&["link", "alpha", "--delay", "700ms", "--rate", "10mbit"]);
    assert!(said.contains("delay 700ms") && said.contains("rate 10Mbit"), "{said}");
    assert!(late() >= 700);
    assert!(lab.ok(&["status"]).contains("link delay 700ms"));
    let said = lab.ok(&["link", "alpha", "--clear"]);
    assert!(said.contains("as always"), "{said}");
    assert!(late() < 700);
}
