//! Private labs of an ordinary user, on real guests: a user that this test makes, two labs with the same
//! addresses at once, and a computer that is as it was, before they go and after.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use crate::rig::account::{self, Account};
use crate::rig::outside::{NAME, Outside, SERVER};
use crate::rig::screen::Terminal;
use crate::rig::traces::{differences, differences_that_stay, traces};

#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn an_ordinary_user_has_labs_of_their_own() {
    let mut account = Account::new("lab-test-user");
    account.clone = "warm";
    let before = traces();

    let doctor: serde_json::Value =
        serde_json::from_slice(&account.lab(&["doctor", "-o", "json"]).stdout).unwrap();
    for finding in doctor["findings"].as_array().unwrap() {
        let needed = ["namespaces", "id-ranges", "tun", "programs"];
        let name = finding["name"].as_str().unwrap();
        assert!(!needed.contains(&name) || finding["grade"] == "good", "{finding}");
    }

    // Two labs, the same addresses, at once.
    account.ok(&["images", "list"]);
    let said = ["one", "two"].map(|name| account.begin_up(name, "none")).map(account::came_up);
    // One of them made the golden guest, while the other waited for it.
    assert!(said.iter().all(|said| said.contains("copies of golden guests: alpha")), "{said:#?}");
    let identity = |lab: &str| {
        account.ok(&[
            "ssh",
            "--lab",
            lab,
            "alpha",
            "--",
            "cat /etc/machine-id /proc/sys/kernel/random/boot_id",
        ])
    };
    assert_ne!(identity("one"), identity("two"));
    account.ok(&["ssh", "--lab", "one", "alpha", "--", "touch /var/tmp/one && sync"]);
    account.ok(&["ssh", "--lab", "two", "alpha", "--", "test ! -e /var/tmp/one"]);
    let labs: serde_json::Value =
        serde_json::from_str(&account.ok(&["list", "-o", "json"])).unwrap();
    let states: Vec<&str> =
        labs["labs"].as_array().unwrap().iter().map(|lab| lab["state"].as_str().unwrap()).collect();
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

    // What the person's shell had open when the labs came up is not open in the engines.
    let program = account.home.path().join("lab");
    let holders: Vec<PathBuf> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten())
        .map(|fd| fd.path())
        .filter(|fd| fs::read_link(fd).is_ok_and(|file| file == program))
        .collect();
    assert!(holders.is_empty(), "{holders:?}");

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
    let mut said = String::new();
    BufReader::new(forward.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let port = said.strip_prefix("127.0.0.1:").and_then(|rest| rest.split(' ').next()).unwrap();
    let mut greeting = [0; 8];
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    // The command is the last of a chain of programs that become each other.
    forward.kill().unwrap();
    forward.wait().unwrap();

    // This computer has the same links, addresses, routes, rules and mounts; only processes are more.
    let mut seen = differences(&before);
    seen.retain(|line| !line.starts_with("processes: more"));
    assert!(seen.is_empty(), "{seen:#?}");

    // The engine dies with everything in it; it is told truthfully, and comes back.
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

    for lab in ["one", "two"] {
        // Another lab that is up meanwhile is no trace of this one.
        account.ok(&["down", "--lab", lab, "--prove"]);
    }
    let left = differences_that_stay(&before);
    assert!(left.is_empty(), "{left:#?}");
    assert!(!account.home.path().join(".local/state/lab").exists(), "its directory stayed");
    account.say("the computer is as it was");
}

/// What a keeper's file says: the keeper, its program, the engine.
fn keeper(account: &Account, lab: &str) -> [i32; 3] {
    let file = account.home.path().join(format!(".local/state/lab/{lab}/engine/uplink"));
    let text = fs::read_to_string(file).unwrap();
    let pids: Vec<i32> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    pids.try_into().unwrap()
}

/// False for one that has ended, also before its parent took notice.
fn is_there(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
}

/// One user's guest reaches the outside through pasta and root's through slirp4netns; one whose
/// topology says `uplink: none` sends nothing, although both programs are there.
#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn guests_reach_the_outside_where_they_may() {
    let programs = PathBuf::from(std::env::var_os("LAB_UPLINKS").expect("run `make test`"));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page"), "from outside\n").unwrap();
    let mut outside = Outside::new(folder.path());
    let mut user = Account::new("lab-test-user");
    let mut root = Account::new("root");
    let computers = ["closed", "open", "root"].map(|name| outside.computer(name));
    let [closed, open, third] = &computers;
    user.bring_programs(&programs);
    root.bring_programs(&programs);
    user.network = Some(closed.clone());
    let begun = user.begin_up("closed", "none");
    user.network = Some(open.clone());
    root.network = Some(third.clone());
    let others = [user.begin_up("open", "auto"), root.begin_up("root", "auto")];
    account::came_up(begun);
    for (up, program) in others.into_iter().zip(["pasta", "slirp4netns"]) {
        let said = account::came_up(up);
        assert!(said.contains(&format!("uplink {program}")), "{said}");
    }

    let ask = format!(
        "getent hosts {NAME}; exec 3<>/dev/tcp/{SERVER}/80 && printf 'GET /page HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 20 tail -n 1 <&3"
    );
    let ask = ["alpha", "--", "timeout", "30", "bash", "-c", &ask];
    let guest = |lab: &'static str| [&["ssh", "--lab", lab][..], &ask[..]].concat();
    for (account, lab) in [(&user, "open"), (&root, "root")] {
        let answer = account.ok(&guest(lab));
        assert!(answer.contains("from outside") && answer.contains(SERVER), "{answer}");
        // What listens on the computer's own loopback is not reached by way of the gateway.
        let gateway = "timeout 5 bash -c '</dev/tcp/198.18.0.2/80' 2>&1";
        assert!(!account.lab(&["ssh", "--lab", lab, "alpha", "--", gateway]).status.success());
    }
    user.network = Some(closed.clone());
    assert!(!user.lab(&guest("closed")).status.success(), "it reached the outside");
    assert_eq!(outside.sent(closed), 0, "packets left a lab without an uplink");
    assert!(outside.sent(open) > 0 && outside.sent(third) > 0);
    user.network = Some(open.clone());

    // A way that is lost is told, and comes back; whoever keeps it may be killed, too.
    for (lost, victim) in [("program", 1), ("keeper", 0)] {
        let before = keeper(&user, "open");
        kill(before[victim]);
        while is_there(before[victim]) {
            std::thread::yield_now();
        }
        let plan = user.ok(&["plan", "--lab", "open", "--until", "ssh"]);
        assert!(plan.contains("start uplink pasta"), "{lost}: {plan}");
        user.ok(&["up", "--lab", "open", "--until", "ssh"]);
        assert!(user.ok(&guest("open")).contains("from outside"), "without its {lost}");
        assert!(!before[..2].iter().any(|pid| is_there(*pid)), "{lost}: {before:?}");
    }
    let all = [keeper(&user, "open"), keeper(&root, "root")].concat();
    user.ok(&["down", "--lab", "open", "--prove"]);
    root.ok(&["down", "--lab", "root", "--prove"]);
    assert!(!all.iter().any(|pid| is_there(*pid)), "{all:?}");
    user.network = Some(closed.clone());
    user.ok(&["down", "--lab", "closed"]);
    assert_eq!(outside.sent(closed), 0, "packets left a lab without an uplink");
}
