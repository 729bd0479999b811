//! Control groups of the machines: below this process's own in every hierarchy of version 1, and, where
//! there is none of those, below the root of version 2.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What kubelets limit pods with.
const CONTROLLERS: &[&str] = &["cpu", "cpuset", "memory", "pids"];

/// The directories in which those of the rig are made, one of each hierarchy.
pub fn own() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let alone = text.lines().count() == 1;
    let directory = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (kinds, path) = (fields.next()?, fields.next()?);
        let mount = mounts.lines().find_map(|mount| place(mount, kinds))?;
        // In version 2 only the root may have both processes and groups with controllers.
        Some(if alone { mount } else { mount.join(path.trim_start_matches('/')) })
    };
    text.lines().filter_map(directory).collect()
}

/// Where a mount is, if it is the hierarchy of these kinds.
fn place(mount: &str, kinds: &str) -> Option<PathBuf> {
    let mut fields = mount.split(' ').skip(1);
    let (place, system, options) = (fields.next()?, fields.next()?, fields.next()?);
    let has = |kind| options.split(',').any(|option| option == kind);
    let fits = match kinds {
        "" => system == "cgroup2",
        kinds => system == "cgroup" && kinds.split(',').all(has),
    };
    fits.then(|| PathBuf::from(place))
}

/// Makes a group that processes can be put into.
pub fn make(group: &Path) {
    let parent = group.parent().unwrap();
    let offered = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
    for controller in offered.split_whitespace().filter(|name| CONTROLLERS.contains(name)) {
        fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
    }
    fs::create_dir(group).unwrap_or_else(|error| panic!("make {}: {error}", group.display()));
    if group.join("cgroup.controllers").exists() {
        return;
    }
    // In version 1 groups begin without processors.
    for file in ["cpuset.cpus", "cpuset.mems"].map(|name| group.join(name)) {
        if file.exists() {
            let all = fs::read_to_string(parent.join(file.file_name().unwrap())).unwrap();
            fs::write(file, all.trim()).unwrap();
        }
    }
}

/// Ends every process of groups, one of each hierarchy, at once.
pub fn kill(groups: &[PathBuf]) {
    let mut switches = groups.iter().map(|group| group.join("cgroup.kill"));
    let switch = switches.find(|file| file.exists());
    fs::write(switch.expect("control groups of version 2, if only beside those of 1"), "1")
        .unwrap();
}

/// Removes a group whose processes were killed, after those that were made in it.
pub fn remove(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    // They are in it until they are gone for good.
    while let Err(error) = fs::remove_dir(group) {
        assert!(Instant::now() < deadline, "remove {}: {error}", group.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}
