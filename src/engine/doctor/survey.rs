//! Reading the facts. Nothing is changed, and nothing that cannot be read is an error.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::drivers::host::{self, capacity, find_program, run_tool};
use crate::drivers::provider::libvirt::Libvirt;
use crate::drivers::provider::{Provider, private};
use crate::engine::apply::capacity::Demand;
use crate::engine::apply::preflight::early_conflicts;
use crate::engine::doctor::computer::Libvirt::{Answers, Silent};
use crate::engine::doctor::computer::{Computer, Device, Setting, Wanted, WantedNetwork};
use crate::engine::lab::missing::missing_assets;
use crate::engine::lab::open::Session;
use crate::engine::lab::prepare::preview;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::machines::provision::call;
use crate::model::Flaw;
use crate::model::inventory::Inventory;

/// Programs that labs need.
const PROGRAMS: &[&str] = &[
    "dnsmasq",
    "ip",
    "libvirtd",
    "mkfs.ext4",
    "mmdebstrap",
    "newuidmap",
    "qemu-img",
    "qemu-system-x86_64",
    "virtlogd",
];

/// Looks at this computer. `place` is where its disks would be.
pub fn survey(uri: &str, place: &Path) -> Computer {
    let libvirt = Libvirt::open(uri);
    let inventory = libvirt.as_ref().ok().and_then(|libvirt| libvirt.inventory().ok());
    let networks = inventory.unwrap_or_default().networks;
    Computer {
        virtualisation: host::virtualisation(),
        kvm: device("/dev/kvm"),
        tun: device("/dev/net/tun"),
        uplink: private::uplink_programs().first().copied(),
        ends_at_logout: ends_at_logout(&host::user()),
        namespaces_forbidden: forbidden(),
        no_ids: private::ranges().err().map(|error| error.to_string()),
        user: host::user(),
        root: nix::unistd::geteuid().is_root(),
        missing: missing(),
        libvirt: libvirt
            .and_then(|libvirt| libvirt.version())
            .map_or_else(|error| Silent(error.reason), Answers),
        inactive_networks: networks.into_iter().filter(|n| !n.active).map(|n| n.name).collect(),
        links: links(),
        firewall: firewall(),
        firewalld: Path::new("/run/firewalld").exists(),
        selinux: read("/sys/fs/selinux/enforce").trim() == "1",
        apparmor: read("/sys/module/apparmor/parameters/enabled").trim() == "Y",
        memory_mib: capacity::available(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        disk: capacity::free(place),
    }
}

/// What `session`'s lab wants of this computer.
pub async fn wanted(session: &Session) -> Wanted {
    let lab = &session.lab;
    let inventory = match session.provider.is_running().then(|| session.provider.connect()) {
        Some(Ok(provider)) => call(&provider, |h| h.inventory()).await.unwrap_or_default(),
        _ => Inventory::default(),
    };
    let demand = Demand::of(session, &inventory);
    let conflict = early_conflicts(session).await.err();
    let prepared = preview(session).ok();
    let missing = prepared.map(|prepared| missing_assets(session, &prepared.platform));
    Wanted {
        system: Some(matches!(session.provider, ProviderKind::System { .. })),
        isolated: !lab.network.uplink.leads_out(),
        network: lab.network.is_own().then(|| WantedNetwork {
            name: lab.network.name.clone(),
            bridge: lab.network.bridge.clone(),
        }),
        joined: inventory.bridge_of(&lab.network).map(str::to_owned),
        memory_mib: demand.memory,
        nodes: demand.nodes,
        processors: lab.nodes.iter().map(|node| node.cpus as usize).max().unwrap_or_default(),
        conflict: conflict
            .filter(|error| error.preflight)
            .map(|error| Flaw::new(error.to_string(), error.hint.unwrap_or_default())),
        missing: missing
            .into_iter()
            .flatten()
            .map(|missing| Flaw::new(missing.what(), missing.how))
            .collect(),
    }
}

/// Programs that are not there; root needs nobody's help to map ids.
fn missing() -> BTreeSet<&'static str> {
    let root = nix::unistd::geteuid().is_root();
    let needed = PROGRAMS.iter().copied().filter(|name| !(root && *name == "newuidmap"));
    needed.filter(|name| find_program(name).is_none()).collect()
}

/// What runs below a user's own service manager, as terminals of desktops do, always ends with it; the rest
/// as systemd's configuration says, of several files the last one's word.
fn ends_at_logout(user: &str) -> bool {
    let lingers = Path::new("/var/lib/systemd/linger").join(user).exists();
    let managed = read("/proc/self/cgroup").contains("/user@");
    !nix::unistd::geteuid().is_root() && !lingers && (managed || kills_user_processes())
}

fn kills_user_processes() -> bool {
    let roots = ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"];
    let folders = roots.map(|root| format!("{root}/logind.conf.d"));
    let more = folders.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let mut files: Vec<_> = more.map(|entry| entry.path()).collect();
    files.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
    let first = ["/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf"];
    let all = first.iter().map(PathBuf::from).chain(files);
    let texts: String = all.map(|path| read(&path.to_string_lossy()) + "\n").collect();
    let word = texts.lines().rev().find_map(|line| line.trim().strip_prefix("KillUserProcesses="));
    let word = word.unwrap_or_default().trim().to_lowercase();
    ["yes", "y", "true", "t", "on", "1"].contains(&word.as_str())
}

fn device(path: &str) -> Device {
    match fs::OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Device::Opens,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Device::Absent,
        Err(_) => Device::Denied,
    }
}

/// Settings by which distributions and administrators forbid user namespaces.
fn forbidden() -> Option<Setting> {
    let settings = [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    let found = settings.into_iter().find(|(name, bad, _)| {
        read(&format!("/proc/sys/{}", name.replace('.', "/"))).trim() == *bad
    });
    found.map(|(name, _, good)| Setting { name: name.into(), value: good.into() })
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn links() -> BTreeSet<String> {
    let found = nix::net::if_::if_nameindex().ok();
    let names = found.iter().flat_map(|all| all.iter());
    names.map(|link| link.name().to_string_lossy().into_owned()).collect()
}

/// Rules of both kinds of tables; the old kind tells its policies only in its own words.
fn firewall() -> Option<String> {
    let new = run_tool("nft", &["list", "ruleset"]);
    let old = run_tool("iptables-save", &[] as &[&str])
        .map(|rules| rules.replace(":FORWARD DROP", "-P FORWARD DROP"));
    match (new, old) {
        (Err(_), Err(_)) => None,
        (new, old) => Some(format!("{}\n{}", new.unwrap_or_default(), old.unwrap_or_default())),
    }
}
