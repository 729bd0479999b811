//! Snapshots of `three` on real guests: under a writer, with clocks a day off, of disks alone, over the
//! end of libvirt, and with `lab` killed on the way.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::rig::guests::{Rig, kill, text, tool};
use crate::rig::random::Random;
use crate::three::{BASE, chapter, nothing_to_do, rough_chapter};

/// Writes numbers to etcd as fast as each is acknowledged. The numbers are handed in one by one, so
/// that a guest which is taken back in time does not go on writing by itself.
struct Writer {
    child: Child,
    feeder: Option<JoinHandle<()>>,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    fn start(rig: &Rig) -> Self {
        let script = "sudo sh -c 'while read -r n; do \
             curl -fsS --cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/healthcheck-client.crt --key /etc/etcd/pki/healthcheck-client.key \
             -d \"{\\\"key\\\":\\\"$(printf writer/%06d $n | base64)\\\",\\\"value\\\":\\\"eA==\\\"}\" https://127.0.0.1:2379/v3/kv/put >/dev/null && echo $n; done'";
        let mut command = rig.command(&["ssh", "etcd1", "--", script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let count = Arc::clone(&acknowledged);
        let feeder = std::thread::spawn(move || feed(input, BufReader::new(output), &count));
        Self { child, feeder: Some(feeder), acknowledged }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until `more` writes were acknowledged from now.
    fn wait_for(&self, more: u64) {
        let (wanted, deadline) = (self.acknowledged() + more, Instant::now() + minutes(3));
        while self.acknowledged() < wanted {
            assert!(Instant::now() < deadline, "etcd acknowledges nothing any more");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(mut self) {
        kill(&mut self.child);
        self.feeder.take().unwrap().join().unwrap();
    }
}

fn feed(mut input: ChildStdin, output: impl BufRead, acknowledged: &AtomicU64) {
    if writeln!(input, "1").is_err() {
        return;
    }
    for line in output.lines().map_while(Result::ok) {
        let number: u64 = line.trim().parse().unwrap();
        acknowledged.store(number, Ordering::SeqCst);
        if writeln!(input, "{}", number + 1).is_err() {
            return;
        }
    }
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Numbers that are in etcd.
fn written(rig: &Rig) -> Vec<u64> {
    let list = rig.ok(&["ssh", "etcd1", "--", "sudo ETCDCTL_API=3 etcdctl --cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/healthcheck-client.crt --key /etc/etcd/pki/healthcheck-client.key get writer/ --prefix --keys-only"]);
    let numbers = list.lines().filter_map(|line| line.strip_prefix("writer/"));
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// Restores a snapshot, and checks at once what the command promises with its end.
fn restored(rig: &Rig, name: &str) -> serde_json::Value {
    let told = rig.json(&["snapshot", "restore", name, "-o", "json"]);
    healthy(rig);
    rig.say(&format!("restored: {told}"));
    told
}

fn healthy(rig: &Rig) {
    let skew = skew(rig);
    assert!(skew < 1.0, "a clock is {skew} s off");
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert_eq!(nodes.matches(" Ready ").count(), 1, "{nodes}");
    let ready = rig.ok(&["kubectl", "get", "--raw=/readyz"]);
    assert_eq!(ready, "ok");
}

/// Seconds by which the worst clock is certainly off: the way there and back does not count.
fn skew(rig: &Rig) -> f64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let mut worst: f64 = 0.0;
    for node in ["etcd1", "controller1", "worker1"] {
        let start = now();
        let theirs: f64 = rig.ok(&["ssh", node, "--", "date +%s.%N"]).trim().parse().unwrap();
        worst = worst.max(start - theirs).max(theirs - now());
    }
    worst
}

/// Bytes of the nodes' disks.
fn bytes(rig: &Rig) -> u64 {
    let pool = rig.home.path().join("state/lab/three/engine");
    let found = tool("find", &[pool.to_str().unwrap(), "-name", "*.qcow2", "-printf", "%b\n"]);
    found.lines().map(|blocks| blocks.parse::<u64>().unwrap() * 512).sum()
}

/// True when it had not ended before.
fn killed_after(rig: &Rig, arguments: &[&str], patience: Duration) -> bool {
    let mut child = rig.command(arguments).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    rig.say(&format!("killing lab {} after {patience:?}", arguments.join(" ")));
    kill(&mut child);
    true
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_snapshot_under_a_writer_is_one_moment() {
    chapter(|rig| {
        let writer = Writer::start(rig);
        writer.wait_for(5);
        let before = writer.acknowledged();
        let manifest = rig.json(&["snapshot", "create", "moment", "-o", "json"]);
        let after = writer.acknowledged();
        let off = skew(rig);
        assert!(off < 1.0, "a guest that stood still is left {off} s behind");
        rig.say(&format!(
            "three guests stood still for {} s; writes 1 to {before} acknowledged before, {after} at the end",
            manifest["pause_seconds"]
        ));
        writer.wait_for(5);
        writer.stop();
        rig.ok(&["kubectl", "create", "configmap", "later"]);
        rig.ok(&["ssh", "worker1", "--", "sudo touch /var/lib/later"]);

        restored(rig, "moment");
        let numbers = written(rig);
        let last = numbers.last().copied().unwrap_or_default();
        assert!(numbers.iter().copied().eq(1..=last), "there are gaps: {numbers:?}");
        // One write may have been on its way.
        assert!(
            (before..=after + 1).contains(&last),
            "{last} is not within {before} and {after} + 1"
        );
        let later = rig.ok(&["kubectl", "get", "configmap", "later", "--ignore-not-found"]);
        assert_eq!(later, "", "what came after the snapshot is still there");
        rig.ok(&["ssh", "worker1", "--", "test ! -e /var/lib/later"]);
        let web =
            rig.ok(&["ssh", "worker1", "--", "curl -fsS -m 60 http://worker1:30080/index.html"]);
        assert_eq!(web.trim(), "hello from web");
        rig.ok(&["snapshot", "delete", "moment"]);
    });
}

/// Saved while the guests believed that it was yesterday; restored, they know better before
/// anything else is asked of them.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn clocks_are_right_after_a_restore() {
    rough_chapter(|rig| {
        rig.ok(&[
            "exec",
            "--",
            "sudo systemctl stop systemd-timesyncd 2>/dev/null; sudo date -s '1 day ago' >/dev/null",
        ]);
        rig.ok(&["snapshot", "save", "yesterday"]);
        let told = restored(rig, "yesterday");
        let behind = told["behind_seconds"].as_f64().unwrap();
        assert!((86_400.0..87_600.0).contains(&behind), "{behind}");
        rig.ok(&["snapshot", "rm", "yesterday"]);
    });
}

/// What two restores of one moment say of random numbers.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn restored_twice_a_guest_has_other_random_numbers() {
    rough_chapter(|rig| {
        let ask = "head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'; cat /proc/sys/kernel/random/uuid";
        let [one, two] = [(); 2].map(|()| {
            rig.ok(&["snapshot", "restore", BASE]);
            rig.ok(&["ssh", "worker1", "--", ask])
        });
        assert!(one.trim().len() == 100 && two.trim().len() == 100, "{one} {two}");
        assert!(one[..64] != two[..64] && one[64..] != two[64..], "{one} {two}");
    });
}

/// Disks without memory: of guests that run, and of guests that do not. Deleted, they take nothing.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn disks_alone_are_saved_and_come_back() {
    rough_chapter(|rig| {
        let before = bytes(rig);
        let live = rig.json(&["snapshot", "create", "live", "--disk-only", "-o", "json"]);
        let pause = live["pause_seconds"].as_f64().unwrap();
        rig.say(&format!("disks of three running guests saved in {pause:.2} s"));
        rig.ok(&[
            "ssh",
            "worker1",
            "--",
            "sudo dd if=/dev/urandom of=/var/lib/later bs=1M count=64 conv=fsync 2>/dev/null",
        ]);
        // One node alone: the others would boot, too, for minutes, as they do after a loss of power.
        rig.ok(&["snapshot", "restore", "live", "--node", "worker1"]);
        rig.ok(&["ssh", "worker1", "--", "test ! -e /var/lib/later"]);
        healthy(rig);

        let listed = rig.json(&["snapshot", "list", "-o", "json"]);
        let names: Vec<&str> =
            listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, [BASE, "live"], "{listed}");
        for one in listed.as_array().unwrap() {
            assert!(one["restorable"] == true && one["stage"] == "verify", "{one}");
            assert!(one["bytes"].as_u64().is_some(), "{one}");
        }
        rig.ok(&["snapshot", "delete", "live"]);
        // Memory takes space, and gives it back.
        rig.ok(&["snapshot", "create", "heavy"]);
        let heavy = bytes(rig);
        rig.ok(&["snapshot", "delete", "heavy"]);
        let after = bytes(rig);
        rig.say(&format!(
            "disks took {} MiB, {} MiB with a snapshot more, {} MiB without it",
            before >> 20,
            heavy >> 20,
            after >> 20
        ));
        assert!(heavy - after > 300 << 20, "{before} {heavy} {after}");
    });
}

/// libvirt, its guests and its network are gone as after a loss of power; disks and keys are not.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn put_away_the_lab_comes_back_with_its_snapshots() {
    chapter(|rig| {
        rig.ok(&["down", "--keep-snapshots"]);
        let left = tool("pgrep", &["-f", "qemu-system.*three-"]);
        assert_eq!(left, "", "guests still run");
        let listed = rig.ok(&["snapshot", "list"]);
        assert!(listed.contains(BASE) && listed.contains("yes"), "{listed}");
        restored(rig, BASE);
        nothing_to_do(rig, &["up"]);
    });
}

/// `lab` killed in commands of all kinds, at moments that differ from run to run; the same command again
/// completes it.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn killed_anywhere_a_command_is_completed_by_the_next_one() {
    chapter(|rig| {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        rig.say(&format!("kills at random moments, seed {seed}"));
        let mut random = Random::new(u64::from(seed) | 1);
        let commands: [&[&str]; 4] = [
            &["snapshot", "create", "again"],
            &["snapshot", "restore", BASE],
            &["up"],
            &["snapshot", "delete", "again"],
        ];
        for arguments in commands {
            if arguments == ["up"] {
                let marker = ["os", "etcd", "runtime", "pod-network"][random.below(4)];
                rig.ok(&["exec", "--", &format!("sudo rm -f /var/lib/lab/stages/{marker}")]);
            }
            let patience = Duration::from_millis(100 + random.below(6000) as u64);
            let died = killed_after(rig, arguments, patience);
            let again = rig.lab(arguments);
            let said = text(&again.stderr);
            let over = said.contains("there is one of that name") || said.contains("there is none");
            assert!(again.status.success() || over, "after a kill ({died}): {said}");
        }
        restored(rig, BASE);
        let listed = rig.json(&["snapshot", "list", "-o", "json"]);
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        nothing_to_do(rig, &["up"]);
        rig.verified(&[]);
    });
}
