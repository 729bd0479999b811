//! Labs that are removed while others come: the lock, and what killed runs leave.

use std::fs;

use lab::drivers::state::failpoint::Failpoints;
use lab::drivers::state::{LockError, Store};

use crate::rig;

/// A lab's directory with files as an `up` leaves them.
fn some_lab(store: &Store) {
    for file in ["lab.json", "topology.yaml", "pki/ca.key", "ssh/id_ed25519", "snapshots/a/files/x"]
    {
        store.write(file, file).unwrap();
    }
}

/// While a removal is under way, or was cut, nobody finds a half lab behind its lock.
#[test]
fn no_run_begins_inside_a_removal() {
    let home = rig::home();
    let points = Failpoints::counting();
    let store = || Store::new(home.path(), "one").behind(points.clone());
    let fresh = || {
        let held = store().lock("lab down").unwrap();
        some_lab(&store());
        held
    };
    drop(fresh());
    points.shut_at(None);
    store().remove().unwrap();
    let changes = points.passed().len();
    assert!(changes > 8, "{changes}");
    for at in 1..=changes {
        let held = fresh();
        points.shut_at(Some(at));
        store().remove().unwrap_err();
        points.shut_at(None);
        let other = Store::new(home.path(), "one");
        match other.lock("lab up") {
            Err(LockError::Held(_)) => {
                assert!(other.path("pki/ca.key").exists(), "{at}: half a lab behind its lock");
            }
            Err(LockError::Failed(error)) => panic!("{at}: {error}"),
            Ok(_lock) => {
                let names = other.names("").unwrap();
                assert_eq!(names, ["lock", "lock.json"], "{at}: a lock on half a lab");
            }
        }
        drop(held);
        // What the cut removal left goes with the next run, of this lab alone.
        let neighbour = home.path().join(format!(".gone-one-two-{}", uuid::Uuid::nil()));
        fs::create_dir_all(&neighbour).unwrap();
        drop(other.lock("lab up").unwrap());
        assert!(other.leftovers().is_empty(), "{at}");
        assert!(neighbour.exists(), "{at}: another lab's leftovers were taken");
        other.remove().unwrap();
        fs::remove_dir(neighbour).unwrap();
        assert!(!home.path().join("one").exists());
    }
}

/// The file that is locked is the one that has the name: runs and removals at once never meet.
#[test]
fn a_lock_counts_only_while_its_file_has_its_name() {
    let home = rig::home();
    let (rounds, inside) = (150, std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let store = Store::new(home.path(), "one");
                let mut done = 0;
                while done < rounds {
                    let lock = match store.lock("lab up") {
                        Ok(lock) => lock,
                        Err(LockError::Held(_)) => {
                            std::thread::yield_now();
                            continue;
                        }
                        Err(LockError::Failed(error)) => panic!("{error}"),
                    };
                    let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(others, 0, "two runs in one lab");
                    let names = store.names("").unwrap();
                    assert_eq!(names, ["lock", "lock.json"]);
                    some_lab(&store);
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    store.remove().unwrap();
                    drop(lock);
                    done += 1;
                }
            });
        }
    });
}

#[test]
fn what_killed_writes_left_goes_with_the_next_lock() {
    let home = rig::home();
    let store = Store::new(home.path(), "one");
    some_lab(&store);
    let left = ["pki/.new-abc", ".new-def", "snapshots/a/files/.new-ghi"];
    for file in left {
        fs::write(store.path(file), "a key").unwrap();
    }
    fs::create_dir_all(store.path("engine")).unwrap();
    fs::write(store.path("engine/.new-not-ours"), "").unwrap();
    let lock = store.lock("lab up").unwrap();
    for file in left {
        assert!(!store.path(file).exists(), "{file}");
    }
    assert!(store.path("engine/.new-not-ours").exists() && store.path("pki/ca.key").exists());
    drop(lock);
}
