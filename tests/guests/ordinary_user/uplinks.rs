//! Ways to the outside: where a topology wants one, and where it wants none.

use std::fs;
use std::path::PathBuf;

use crate::rig::account::{self, Account};
use crate::rig::outside::{NAME, NEIGHBOUR, Outside, SERVER};

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
    // Killed while the way is made: it is there after the next run all the same, once.
    user.write("open", "internet", "alpha");
    user.up_killed_at("open", "uplink ");
    let others = [user.begin_up("open", "internet"), root.begin_up("root", "all")];
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
    // The computer and the networks around it are none of a guest's business, unless the topology says so.
    let reaches = |account: &Account, lab: &str, address: &str| {
        let ask = format!("timeout 20 bash -c '</dev/tcp/{address}/80' 2>&1");
        let output = account.lab(&["ssh", "--lab", lab, "alpha", "--", &ask]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let own = outside.address(open);
    for address in [NEIGHBOUR, &*own] {
        let (reached, said) = reaches(&user, "open", address);
        assert!(!reached && !said.contains("refused"), "{address}: {said}");
    }
    for address in [NEIGHBOUR, &*outside.address(third)] {
        assert!(reaches(&root, "root", address).0, "{address} is not reached, and may be");
    }
    // The word is changed: so is what guests reach, at once.
    for (word, wanted) in [("all", true), ("internet", false)] {
        user.write("open", word, "alpha");
        let said = user.ok(&["up", "-f", "open.yaml", "--until", "ssh"]);
        assert_eq!(reaches(&user, "open", NEIGHBOUR).0, wanted, "{word}: {said}");
    }
    user.network = Some(closed.clone());
    assert!(!user.lab(&guest("closed")).status.success(), "it reached the outside");
    assert_eq!(outside.sent(closed), 0, "packets left a lab without an uplink");
    assert!(outside.sent(open) > 0 && outside.sent(third) > 0);
    user.network = Some(open.clone());

    // The lab without a way out is one of machines alone: all else is as with a cluster.
    user.network = Some(closed.clone());
    user.write_alone("closed", "none");
    let said = user.ok(&["up", "-f", "closed.yaml"]);
    assert!(!said.contains("kubectl"), "{said}");
    user.ok(&["up", "-f", "closed.yaml"]);
    user.ok(&["verify", "--lab", "closed"]);
    user.ok(&["snapshot", "create", "--lab", "closed", "bare"]);
    let written = "echo one | sudo tee /etc/one >/dev/null";
    user.ok(&["exec", "--lab", "closed", "--", written]);
    user.ok(&["snapshot", "restore", "--lab", "closed", "bare", "--yes"]);
    let there = user.ok(&["exec", "--lab", "closed", "--", "ls /etc/one /etc/kubernetes || true"]);
    assert!(!there.lines().any(|line| line.ends_with("/etc/one")), "{there}");
    let status = user.ok(&["status", "--lab", "closed"]);
    assert!(status.contains("alpha") && !status.contains("control-plane"), "{status}");
    assert!(user.ok(&["list"]).contains("closed"));
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
