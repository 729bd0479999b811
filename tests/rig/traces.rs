//! Everything on a computer that a lab could leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

fn tool(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the computer looks like from outside: everything that a lab could leave behind.
pub fn traces() -> Vec<(&'static str, BTreeSet<String>)> {
    let lines = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let mut processes = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // One that ended is there until the first process of the system collects it, which may take its time.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')) {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let name = name.trim().to_owned();
        if ["lab", "libvirtd", "virtlogd", "dnsmasq", "passt.avx2", "slirp4netns"]
            .contains(&name.as_str())
            || name.starts_with("qemu-system")
        {
            processes.insert(format!("{name} {}", entry.file_name().display()));
        }
    }
    let listing = |dir: &str| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().display().to_string()).collect::<BTreeSet<_>>()
    };
    vec![
        ("links", lines(tool("ip", &["-o", "link", "show"]).replace(" state UP ", " "))),
        ("addresses", lines(tool("ip", &["-o", "-4", "address", "show"]))),
        ("routes", lines(tool("ip", &["route", "show", "table", "all"]))),
        ("firewall", lines(tool("nft", &["list", "ruleset"]))),
        ("mounts", lines(fs::read_to_string("/proc/mounts").unwrap())),
        ("namespaces", lines(tool("ip", &["netns", "list"]))),
        ("hosts", lines(fs::read_to_string("/etc/hosts").unwrap())),
        ("run", listing("/run")),
        ("libvirt", listing("/var/lib/libvirt")),
        ("etc-libvirt", listing("/etc/libvirt")),
        ("processes", processes),
    ]
}

/// What is more or less than before.
pub fn differences(before: &[(&'static str, BTreeSet<String>)]) -> Vec<String> {
    let mut found = Vec::new();
    for ((name, before), (_, after)) in before.iter().zip(traces()) {
        found.extend(after.difference(before).map(|line| format!("{name}: more {line}")));
        found.extend(before.difference(&after).map(|line| format!("{name}: less {line}")));
    }
    found
}

/// The same once what is just ending has ended.
pub fn differences_that_stay(before: &[(&'static str, BTreeSet<String>)]) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut found = differences(before);
    while !found.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        found = differences(before);
    }
    found
}
