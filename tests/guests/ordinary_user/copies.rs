//! Nodes that are copies of a golden guest: they share nothing that must be one's own, and what is frozen or
//! restarted is as with nodes that booted.

use std::collections::BTreeSet;

use super::labs::chapter;
use crate::rig::account::Account;

/// What must not be shared by copies, of both labs.
const OWN: &[&str] = &[
    "cat /etc/machine-id",
    "cat /proc/sys/kernel/random/boot_id",
    "cat /proc/sys/kernel/random/uuid",
    "head -c 32 /dev/urandom | od -An -tx1",
    "cat /etc/ssh/ssh_host_ed25519_key.pub",
    "cat /sys/class/net/en*/address",
    "sudo cat /sys/class/dmi/id/product_uuid",
];

/// What stays as it is for as long as a node lives.
const IDENTITY: &str = "cat /etc/machine-id /etc/hostname; ip -4 -o address show scope global | awk '{print $4}'; sudo cat /etc/ssh/ssh_host_ed25519_key";

fn on(account: &Account, lab: &str, node: &str, command: &str) -> String {
    account.ok(&["ssh", "--lab", lab, node, "--", command])
}

/// Asks a node all that is its own: what it says, no other may have said.
fn is_its_own(account: &Account, lab: &str, node: &str, seen: &mut BTreeSet<String>) {
    let asked = OWN.iter().map(|question| format!("echo $( ({question}) | tr '\\n' ' ')"));
    let said = on(account, lab, node, &asked.collect::<Vec<_>>().join("; "));
    let answers: Vec<&str> = said.lines().collect();
    assert_eq!(answers.len(), OWN.len(), "{said}");
    for (question, answer) in OWN.iter().zip(answers) {
        assert!(answer.len() > 5, "{node}: {question}: {answer}");
        assert!(seen.insert(answer.into()), "{question}: {answer} of {node} is another's, too");
    }
}

/// Two of one lab and one of another, which takes what is there without being asked to.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn copies_share_nothing_that_must_be_ones_own() {
    chapter(|labs| {
        let account = &mut labs.account;
        account.clone = "auto";
        account.write("two", "none", "alpha, beta");
        let up = ["up", "-f", "two.yaml", "--until", "ssh"];
        let said = account.lab(&up);
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("copies of golden guests: beta"), "{said}");
        let mut seen = BTreeSet::new();
        for (lab, node) in [("one", "alpha"), ("two", "alpha"), ("two", "beta")] {
            on(
                account,
                lab,
                node,
                "test -d /run/lab/golden && systemctl is-active -q ssh && ! systemctl --failed -q --no-legend | grep .",
            );
            is_its_own(account, lab, node, &mut seen);
            // As at a first boot, the machine's id is the domain's.
            let same = "test $(cat /etc/machine-id) = $(sudo cat /sys/class/dmi/id/product_uuid | tr -d -)";
            on(account, lab, node, same);
            // However long the way there and back is, its clock was within it.
            let now = || time::OffsetDateTime::now_utc().unix_timestamp();
            let start = now();
            let theirs: i64 = on(account, lab, node, "date +%s").trim().parse().unwrap();
            let possible = start - 5..=now() + 5;
            assert!(possible.contains(&theirs), "{theirs}, and here it was {possible:?}");
        }
    });
}

/// A copy is an ordinary node: nothing to do, frozen and back, and itself after a restart.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn frozen_and_restarted_a_copy_is_itself() {
    chapter(|labs| {
        let account = &labs.account;
        let lab = |arguments: &[&str]| account.ok(&[arguments, &["--lab", "one"]].concat());
        lab(&["snapshot", "create", "copied"]);
        on(account, "one", "alpha", "sudo touch /var/tmp/later && sync");
        lab(&["snapshot", "restore", "copied"]);
        on(account, "one", "alpha", "test ! -e /var/tmp/later");
        let before = on(account, "one", "alpha", IDENTITY);
        lab(&["restart", "alpha"]);
        assert_eq!(on(account, "one", "alpha", IDENTITY), before);
        on(account, "one", "alpha", "cloud-init status --wait && test ! -e /run/lab/golden");
        let again = account.lab(&["up", "--lab", "one", "--until", "ssh"]);
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(again.status.success() && said.contains("nothing to do"), "{said}");
        lab(&["snapshot", "restore", "copied"]);
        on(account, "one", "alpha", "test -d /run/lab/golden");
        lab(&["snapshot", "delete", "copied"]);
    });
}
