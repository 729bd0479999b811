//! A network with names, addresses and a packet size of a person's own.

use std::fs;

use super::{SYSTEM, System, chapter};
use crate::rig::guests::tool;

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

/// A lab of one machine on a network that is there already.
const JOINED: &str = "name: NAME
network: {cidr: NET.0/24, WHERE, forwarders: [NET.1, 192.0.2.53]}
nodes:
  NAME-1: {roles: [], first_address: NET.11, memory: 512MiB, disk: 5GiB}
kubernetes: none
";

/// A bridge of the computer and a network of its libvirt are joined as they are, and stay so.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn nodes_join_networks_that_are_there() {
    chapter(|lab| {
        let ip = |words: &str| {
            let mut all = vec![lab.inside.as_str(), "ip"];
            all.extend(words.split(' '));
            tool("nsenter", &all)
        };
        let virsh = |words: &[&str]| {
            let uri = lab.libvirt.uri();
            let mut all = vec![lab.inside.as_str(), "virsh", "-q", "-c", &uri];
            all.extend(words);
            tool("nsenter", &all)
        };
        let write = |name: &str, net: &str, place: &str| {
            let text = JOINED.replace("NAME", name).replace("NET", net).replace("WHERE", place);
            fs::write(lab.rig.home.path().join(format!("{name}.yaml")), text).unwrap();
        };
        let refused = |file: &str, what: &str| {
            let (code, _, said) = lab.lab(&["up", "-f", file]);
            assert!(code == 2 && said.contains(what), "{code} {said}");
        };
        write("lan", "10.98.0", "bridge: lan0");
        refused("lan.yaml", "this computer has none of that name");
        write("guest", "10.98.0", "existing: decoy");
        refused("guest.yaml", "the network 'decoy' has 10.99.0.0/24");
        write("guest", "10.99.0", "existing: decoy");
        refused("guest.yaml", "the network 'decoy' is not running");
        ip("link add lan0 type bridge");
        ip("address add 10.98.0.1/24 dev lan0");
        ip("link set lan0 up");
        virsh(&["net-start", "decoy"]);
        let before = (ip("-4 -o address show"), virsh(&["net-dumpxml", "decoy"]));
        let labs = [("lan", "10.98.0"), ("guest", "10.99.0")];
        let ups = labs.map(|(name, _)| lab.command(&["up", "-f", &format!("{name}.yaml")]).spawn());
        for up in ups {
            assert!(up.unwrap().wait().unwrap().success());
        }
        for (name, net) in labs {
            let (file, node) = (format!("{name}.yaml"), format!("{name}-1"));
            let look = "ip route; resolvectl dns; hostname";
            let seen = lab.ok(&["ssh", "-f", &file, &node, "--", look]);
            for what in [format!("default via {net}.1"), format!("{net}.1 192.0.2.53"), node] {
                assert!(seen.contains(&what), "{what}: {seen}");
            }
            lab.ok(&["verify", "-f", &file]);
            assert_eq!(lab.ok(&["up", "-f", &file]), "");
        }
        // Nobody else gets their addresses, nor the computer's own.
        write("other", "10.98.0", "bridge: lan0");
        refused("other.yaml", "is taken on that network, by 52:54:00:");
        let own =
            JOINED.replace("[NET.1,", "[NET.2,").replace(".11", ".1").replace("NAME", "other");
        let own =
            own.replace("NET", "10.98.0").replace("WHERE", "bridge: lan0, gateway: 10.98.0.3");
        fs::write(lab.rig.home.path().join("other.yaml"), own).unwrap();
        refused("other.yaml", "is taken on that network, by this computer");
        for (name, _) in labs {
            lab.ok(&["down", "-f", &format!("{name}.yaml")]);
        }
        let after = (ip("-4 -o address show"), virsh(&["net-dumpxml", "decoy"]));
        assert_eq!(after, before, "a network is not as it was");
        virsh(&["net-destroy", "decoy"]);
        ip("link del lan0");
    });
}
