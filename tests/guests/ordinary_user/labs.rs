//! Two labs with the same addresses at once, of a user that this test makes, on a computer that is as it was
//! before they go and after. Their nodes are copies of one golden guest, which share nothing that must be one's
//! own. Each test is a chapter on these labs, which the last of them, by its name, takes down.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::rig::account::{self, Account};
use crate::rig::guard::Guard;
use crate::rig::screen::Terminal;
use crate::rig::shared::Shared;
use crate::rig::traces::{differences, differences_that_stay, traces};

const LABS: [&str; 2] = ["one", "two"];

static BOTH: Shared<Labs> = Shared::new();

/// Both labs, and what is known of the time before them.
pub struct Labs {
    pub account: Account,
    guard: Guard,
    /// What the computer looked like before.
    before: Vec<(&'static str, BTreeSet<String>)>,
    /// What the two `up` said.
    said: [String; 2],
    /// A chapter failed, or has begun.
    dirty: bool,
}

impl Labs {
    /// At once, after one that was killed while it made the golden guest: `down` finds its engine.
    fn come_up() -> Self {
        let mut account = Account::new("lab-test-user");
        account.clone = "warm";
        let before = traces();
        let mut last = Vec::from(LABS.map(|name| account.command(&["down", "--lab", name])));
        last.push(account.removal());
        let guard = Guard::over(&last, account.home.path());
        account.ok(&["images", "list"]);
        account.write("one", "none", "alpha");
        account.up_killed_at("one", "provider");
        killed_over_the_golden_guest(&account);
        let said = LABS.map(|name| account.begin_up(name, "none")).map(account::came_up);
        Self { account, guard, before, said, dirty: false }
    }
}

fn killed_over_the_golden_guest(account: &Account) {
    account.up_killed_at("one", "golden ");
    let home = account.home.path();
    assert!(!processes(home).is_empty(), "nothing was killed half way");
    account.ok(&["down", "--lab", "one"]);
    let left = processes(home);
    assert!(left.is_empty(), "{left:#?}");
}

/// Processes that have something below `dir` on their command line, but for the guard of this test.
fn processes(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(dir) && !line.starts_with("sh -c trap"))
        .collect()
}

/// A chapter. After one that failed, both labs are first made what their topologies say.
pub fn chapter(proves: impl FnOnce(&mut Labs)) {
    BOTH.with(Labs::come_up, |labs| {
        if labs.dirty {
            for name in LABS {
                labs.account.ok(&["up", "--lab", name, "--until", "ssh"]);
            }
        }
        labs.dirty = true;
        proves(labs);
        labs.dirty = false;
    });
}

#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn doctor_finds_all_that_is_needed() {
    chapter(|Labs { account, .. }| {
        let doctor: serde_json::Value =
            serde_json::from_slice(&account.lab(&["doctor", "-o", "json"]).stdout).unwrap();
        let findings = doctor["findings"].as_array().unwrap();
        for needed in ["namespaces", "id-ranges", "tun", "programs"] {
            let of_it: Vec<_> = findings.iter().filter(|one| one["name"] == needed).collect();
            assert!(!of_it.is_empty(), "nothing of {needed}: {doctor}");
            assert!(of_it.iter().all(|finding| finding["grade"] == "good"), "{of_it:?}");
        }
    });
}

/// One of them made the golden guest, while the other waited for it.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn both_are_copies_of_one_golden_guest() {
    chapter(|Labs { account, said, .. }| {
        let copied = |said: &String| said.contains("copies of golden guests: alpha");
        assert!(said.iter().all(copied), "{said:#?}");
        let cache = account.home.path().join(".cache/lab/golden");
        let kept = fs::read_dir(&cache).unwrap().flatten();
        assert_eq!(kept.filter(|entry| entry.path().join("disk.qcow2").exists()).count(), 1);
        assert!(!account.home.path().join(".local/state/lab/one/workshop").exists());
    });
}

#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn they_have_the_same_addresses_and_nothing_in_common() {
    chapter(|Labs { account, .. }| {
        account.ok(&["ssh", "--lab", "one", "alpha", "--", "touch /var/tmp/one && sync"]);
        account.ok(&["ssh", "--lab", "two", "alpha", "--", "test ! -e /var/tmp/one"]);
        let labs: serde_json::Value =
            serde_json::from_str(&account.ok(&["list", "-o", "json"])).unwrap();
        let states: Vec<&str> = labs["labs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lab| lab["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, ["running", "running"]);
        // Guests of one lab reach nobody outside of it: there is no way.
        let reach = account.lab(&[
            "ssh",
            "--lab",
            "one",
            "alpha",
            "--",
            "timeout 5 bash -c '</dev/tcp/10.240.0.1/22'",
        ]);
        assert!(!reach.status.success(), "a guest reached something beside its lab");
    });
}

/// What the person's shell had open when the labs came up.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn what_a_shell_had_open_is_not_open_in_engines() {
    chapter(|Labs { account, .. }| {
        let program = account.home.path().join("lab");
        let holders: Vec<PathBuf> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .flat_map(|process| {
                fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten()
            })
            .map(|fd| fd.path())
            .filter(|fd| fs::read_link(fd).is_ok_and(|file| file == program))
            .collect();
        assert!(holders.is_empty(), "{holders:?}");
    });
}

#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn there_are_ways_in_and_no_way_out() {
    chapter(|Labs { account, .. }| {
        // The person's own ways in: a command in the lab's network, and a port of this computer's.
        let inside = account.ok(&["shell", "--lab", "two", "--", "ip", "-4", "-o", "address"]);
        assert!(inside.contains("10.240.0.1/24"), "{inside}");
        // There is no way out: no link but the lab's own, and no route beyond its network.
        let links = account.ok(&["shell", "--lab", "two", "--", "ip", "-o", "link"]);
        let name = |line: &str| line.split(": ").nth(1).unwrap().to_owned();
        let foreign = |name: &String| {
            name != "lo" && !["virbr", "vnet", "lab"].iter().any(|own| name.starts_with(own))
        };
        let foreign: Vec<String> = links.lines().map(name).filter(foreign).collect();
        assert!(foreign.is_empty(), "{foreign:?}: {links}");
        let routes = account.ok(&["shell", "--lab", "two", "--", "ip", "route"]);
        assert!(
            !routes.contains("default") && routes.lines().all(|r| r.starts_with("10.240.0.0/24")),
            "{routes}"
        );
        let mut command = account.command(&["forward", "--lab", "two", "0:alpha:22"]);
        let mut forward = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(forward.stderr.take().unwrap()).lines().map_while(Result::ok);
        // Warnings of the topology may come first.
        let port =
            |line: String| Some(line.strip_prefix("127.0.0.1:")?.split(' ').next()?.to_owned());
        let port = said.into_iter().find_map(port).unwrap();
        let mut greeting = [0; 8];
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"SSH-2.0-");
        // The command is the last of a chain of programs that become each other.
        forward.kill().unwrap();
        forward.wait().unwrap();
    });
}

#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn only_processes_are_more_on_the_computer() {
    chapter(|Labs { before, .. }| {
        // It has the same links, addresses, routes, rules and mounts.
        let mut seen = differences(before);
        seen.retain(|line| !line.starts_with("processes: more"));
        assert!(seen.is_empty(), "{seen:#?}");
    });
}

/// The engine dies with everything in it; it is told truthfully, and comes back.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn when_an_engine_dies_it_is_told_and_comes_back() {
    chapter(|Labs { account, .. }| {
        account.ok(&["ssh", "--lab", "one", "alpha", "--", "touch /var/tmp/one && sync"]);
        let alive = account.home.path().join(".local/state/lab/one/engine/alive");
        let pid: i32 = fs::read_to_string(&alive).unwrap().trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        let status: serde_json::Value =
            serde_json::from_str(&account.ok(&["status", "--lab", "one", "-o", "json"])).unwrap();
        assert_eq!(
            (&status["engine_running"], &status["nodes"][0]["state"]),
            (&false.into(), &"absent".into())
        );
        // It comes back on a terminal, and outlives it.
        let terminal = Terminal::run(account.command(&["up", "--lab", "one", "--until", "ssh"]));
        let (code, said) = terminal.end();
        assert_eq!(code, Some(0), "{said:#?}");
        account.ok(&["ssh", "--lab", "one", "alpha", "--", "test -e /var/tmp/one"]);
    });
}

/// The last one, by its name.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn when_they_are_gone_the_computer_is_as_it_was() {
    let labs = BOTH.take(Labs::come_up);
    for lab in LABS {
        // Another lab that is up meanwhile is no trace of this one.
        labs.account.ok(&["down", "--lab", lab, "--prove"]);
    }
    let left = differences_that_stay(&labs.before);
    assert!(left.is_empty(), "{left:#?}");
    assert!(!labs.account.home.path().join(".local/state/lab").exists(), "its directory stayed");
    labs.account.say("the computer is as it was");
    drop(labs.account);
    labs.guard.dismiss();
}
