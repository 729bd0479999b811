//! Floating addresses and load balancers, while what they lead to is killed, frozen, or hangs.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{API, FRONT, PATIENCE, Rig, text};

/// A stopped process keeps its port open and answers nobody.
pub fn a_hanging_api_server_is_left_out(rig: &Rig) {
    let (holder, balancer) = (rig.only_holder(API), rig.only_holder(FRONT));
    let node = rig.spaces.get(&holder);
    node.signal("STOP", "kube-apiserver");
    let start = Instant::now();
    let moved = loop {
        if rig.only_holder(API) != holder {
            break start.elapsed().as_secs_f64();
        }
        assert!(start.elapsed() < PATIENCE, "{holder} keeps {API} with a hung API");
        std::thread::sleep(Duration::from_millis(50));
    };
    // HAProxy's own word, and then every question through it is answered.
    let down = loop {
        let line = statistics(rig, &balancer, &holder);
        if line.contains(",DOWN,") {
            break start.elapsed().as_secs_f64();
        }
        assert!(start.elapsed() < PATIENCE, "{line}");
        std::thread::sleep(Duration::from_millis(50));
    };
    // Sessions that it was ever given: the eighth column. Slow or not, none of these came to it.
    let given = || statistics(rig, &balancer, &holder).split(',').nth(7).unwrap().to_owned();
    let (before, ask) = (given(), rig.question(FRONT, "--max-time 60"));
    for _ in 0..20 {
        assert!(rig.spaces.client(&ask).status.success(), "a question was not answered");
    }
    assert_eq!(given(), before, "a hung API server still gets questions");
    assert_eq!(rig.only_holder(FRONT), balancer, "another load balancer was asked");
    node.signal("CONT", "kube-apiserver");
    rig.say(&format!(
        "a hung API server: {API} moved after {moved:.1} s, HAProxy left it out after {down:.1} s"
    ));
    rig.seconds_to_answer(API);
}

/// HAProxy's line about the API server of a node.
fn statistics(rig: &Rig, balancer: &str, node: &str) -> String {
    let told = rig.spaces.get(balancer).shell(
        "python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect(\"/run/haproxy/admin.sock\"); \
         s.sendall(b\"show stat\\n\"); print(s.makefile().read())'",
    );
    let told = text(&told.stdout);
    let line = told.lines().find(|line| line.starts_with(&format!("api,{node},")));
    line.unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// What a round does to the node that has the address.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// Its service manager starts keepalived again.
    Kill,
    /// Its watchdog ends keepalived; until then both nodes have the address.
    Freeze,
    /// Thawed before the watchdog speaks: two masters must agree.
    FreezeAndThaw,
    /// What keepalived watches hangs: HAProxy, or the API server.
    HangWatched,
}

const BLOWS: [Blow; 4] = [Blow::Kill, Blow::Freeze, Blow::FreezeAndThaw, Blow::HangWatched];

/// What LAB_TEST_ROUNDS says.
pub fn rounds() -> usize {
    std::env::var("LAB_TEST_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap())
}

/// Rounds of kill, freeze, thaw and hang: each blow on each floating address, once, or as often as
/// LAB_TEST_ROUNDS says. How long takeovers take is judged where there are enough of them.
pub fn floating_addresses_move(rig: &Rig) {
    let rounds = rounds();
    // The two addresses have nothing to do with each other: side by side.
    let half = |address, watched| {
        let round = move |round: usize| {
            let blow = BLOWS[round % BLOWS.len()];
            let holder = rig.only_holder(address);
            let (gap, settled) = strike(rig, address, watched, &holder, blow);
            rig.say(&format!("round {round}: {blow:?} on {holder}: {address} was silent for {gap:.2} s, settled after {settled:.1} s"));
            gap
        };
        (0..rounds / 2).map(round).collect::<Vec<f64>>()
    };
    let mut takeovers = std::thread::scope(|scope| {
        let front = scope.spawn(|| half(FRONT, "haproxy"));
        let mut all = half(API, "kube-apiserver");
        all.extend(front.join().unwrap());
        all
    });
    takeovers.sort_by(f64::total_cmp);
    let percentile = |part: usize| takeovers[(takeovers.len() * part).div_ceil(100) - 1];
    let (median, p95, p99) = (percentile(50), percentile(95), percentile(99));
    rig.say(&format!(
        "takeover in {rounds} rounds: median {median:.2} s, p95 {p95:.2} s, p99 {p99:.2} s"
    ));
    assert!(median < 10.0, "{takeovers:?}");
    // The longest ones are the computer's hiccups as likely as ours: they are told, not judged.
    assert!(rounds < 50 || p95 < 5.0, "{takeovers:?}");
}

/// Strikes the holder and watches until exactly one node has the address for good. The longest time
/// in which the API did not answer there, and the time until all was settled, in seconds.
fn strike(rig: &Rig, address: Ipv4Addr, watched: &str, holder: &str, blow: Blow) -> (f64, f64) {
    let node = rig.spaces.get(holder);
    let ask = rig.question(address, "--connect-timeout 0.3 --max-time 1");
    let (signal, program) = match blow {
        Blow::Kill => ("KILL", "keepalived"),
        Blow::Freeze | Blow::FreezeAndThaw => ("STOP", "keepalived"),
        Blow::HangWatched => ("STOP", watched),
    };
    node.signal(signal, program);
    let start = Instant::now();
    let (mut answered, mut gap, mut thawed) = (0.0, 0.0_f64, false);
    let settled = loop {
        let now = || start.elapsed().as_secs_f64();
        if rig.spaces.client(&ask).status.success() {
            gap = gap.max(now() - answered);
            answered = now();
        }
        if matches!(blow, Blow::FreezeAndThaw) && !thawed && now() > 4.3 {
            node.signal("CONT", "keepalived");
            thawed = true;
        }
        let holders = rig.spaces.holders(address);
        let moved = holders.len() == 1 && holders[0] != holder;
        let done = match blow {
            Blow::Kill | Blow::Freeze | Blow::HangWatched => moved,
            Blow::FreezeAndThaw => thawed && holders.len() == 1 && now() > 6.5,
        };
        // An answer after the move: the address leads somewhere again.
        if done && now() - answered < 0.5 {
            break now();
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{blow:?} on {holder}: {address} is held by {holders:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    if matches!(blow, Blow::HangWatched) {
        node.signal("CONT", watched);
    }
    // Healed before the next round: keepalived of the node that was struck takes part again.
    let deadline = Instant::now() + PATIENCE;
    let healthy = "systemctl is-active keepalived && /etc/lab/floating-address check-api || /etc/lab/floating-address check-proxy";
    while !node.shell(healthy).status.success() {
        if Instant::now() > deadline {
            let found = node.shell("set -x; ps -ef; journalctl -u keepalived; /etc/lab/floating-address check-api; systemctl is-active keepalived; echo $?");
            panic!("{holder} does not heal: {}{}", text(&found.stdout), text(&found.stderr));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_millis(4500));
    let holders = rig.spaces.holders(address);
    assert_eq!(holders.len(), 1, "{blow:?} on {holder}: {address} ends with {holders:?}");
    (gap, settled)
}
