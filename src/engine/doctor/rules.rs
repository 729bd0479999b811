//! Judgement of the facts: one function per finding.

use crate::engine::doctor::computer::{Computer, Device, Libvirt, Setting, Wanted, WantedNetwork};
use crate::engine::doctor::{Finding, Grade};
use crate::model::Flaw;

/// Disk space that a node takes with Kubernetes on it, MiB.
const DISK_PER_NODE: u64 = 1200;
/// Images, binaries and the artifact disk, MiB.
const DISK_SHARED: u64 = 3000;

/// Everything there is to say about `computer`, in the order of the telling.
pub fn diagnose(computer: &Computer, wanted: &Wanted) -> Vec<Finding> {
    let mut all = vec![
        processor(computer),
        kvm(computer),
        programs(computer),
        libvirt(computer, wanted),
        private(computer, wanted),
        ids(computer, wanted),
        tun(computer, wanted),
        uplink(computer, wanted),
        logout(computer, wanted),
        memory(computer, wanted),
        disk(computer, wanted),
    ];
    if wanted.system != Some(false) && matches!(computer.libvirt, Libvirt::Answers(_)) {
        all.extend(network(computer, wanted));
        all.push(forwarding(computer, wanted));
        all.push(labels(computer));
        all.extend(conflict(wanted));
    }
    all.extend(wanted.missing.iter().map(asset));
    all
}

/// What is not here yet is got when it is first wanted; better known now than on the train.
fn asset(missing: &Flaw) -> Finding {
    let why = "nodes are made from it; `lab up` gets what it can, and that takes a network";
    let told = format!("{} is not on this computer", missing.message);
    Finding::new("asset", why, Grade::Warning, told).fix(missing.help.clone())
}

fn processor(computer: &Computer) -> Finding {
    let why = "guests run at the speed of this computer instead of ten times slower";
    match computer.virtualisation {
        Some(word) => Finding::new("processor", why, Grade::Good, format!("virtualisation ({word})")),
        None => Finding::new("processor", why, Grade::Warning, "no vmx, no svm: guests are emulated")
            .fix("switch on VT-x or AMD-V (SVM) in the firmware; inside a virtual machine, nested virtualisation on its host"),
    }
}

fn kvm(computer: &Computer) -> Finding {
    let finding = |grade, found| {
        Finding::new("kvm", "the kernel's way to the processor's virtualisation", grade, found)
    };
    match (computer.virtualisation, computer.kvm) {
        (None, Device::Absent) => {
            finding(Grade::Warning, "no /dev/kvm, as the processor has nothing to offer")
        }
        (None, _) => finding(
            Grade::Warning,
            "/dev/kvm is there, but the processor offers nothing: it would not work, and is not used",
        ),
        (Some(_), Device::Opens) => finding(Grade::Good, "/dev/kvm can be opened"),
        (Some(_), Device::Denied) => {
            finding(Grade::Warning, "/dev/kvm cannot be opened by this user")
                .command(&["usermod", "--append", "--groups", "kvm", &computer.user])
                .then("log in again")
        }
        (Some(word), Device::Absent) => {
            let module = if word == "vmx" { "kvm_intel" } else { "kvm_amd" };
            finding(Grade::Warning, "no /dev/kvm").command(&["modprobe", module])
        }
    }
}

fn programs(computer: &Computer) -> Finding {
    let why = "lab calls them to make disks, or runs them as a private libvirt";
    if computer.missing.is_empty() {
        return Finding::new("programs", why, Grade::Good, "all installed");
    }
    let names: Vec<&str> = computer.missing.iter().copied().collect();
    let mut packages: Vec<&str> = names.iter().map(|name| package(name)).collect();
    packages.sort_unstable();
    packages.dedup();
    let needed = names.iter().any(|name| *name != "mmdebstrap");
    let grade = if needed { Grade::Bad } else { Grade::Warning };
    Finding::new("programs", why, grade, format!("missing: {}", names.join(", "))).fix(format!(
        "sudo apt install {}; elsewhere, the packages that have these programs",
        packages.join(" ")
    ))
}

/// Debian's package that has a program.
fn package(program: &str) -> &str {
    match program {
        "libvirtd" | "virtlogd" => "libvirt-daemon-system",
        "dnsmasq" => "dnsmasq-base",
        "qemu-img" => "qemu-utils",
        "mkfs.ext4" => "e2fsprogs",
        "ip" => "iproute2",
        "newuidmap" => "uidmap",
        "qemu-system-x86_64" => "qemu-system-x86",
        other => other,
    }
}

fn libvirt(computer: &Computer, wanted: &Wanted) -> Finding {
    let finding = |grade, found: &str| {
        Finding::new(
            "libvirt",
            "the computer's own libvirt runs labs of the provider system",
            grade,
            found,
        )
    };
    let grade = if wanted.system == Some(true) { Grade::Bad } else { Grade::Warning };
    match &computer.libvirt {
        _ if wanted.system == Some(false) => {
            finding(Grade::Good, "not needed: this lab brings its own")
        }
        Libvirt::Answers(version) => finding(Grade::Good, version),
        Libvirt::Silent(why) if why.contains("ermission denied") => {
            finding(grade, "it does not let this user in")
                .command(&["usermod", "--append", "--groups", "libvirt", &computer.user])
                .then("log in again; that group equals root on this computer")
        }
        Libvirt::Silent(why) if computer.missing.contains("libvirtd") => {
            finding(grade, why).fix("sudo apt install libvirt-daemon-system")
        }
        Libvirt::Silent(why) => {
            finding(grade, why).command(&["systemctl", "enable", "--now", "libvirtd"])
        }
    }
}

/// How bad it is when a private provider cannot be had: it matters to those who have no other.
fn without_private(computer: &Computer, wanted: &Wanted) -> Grade {
    let alone = wanted.system == Some(false) || matches!(computer.libvirt, Libvirt::Silent(_));
    if alone && wanted.system != Some(true) { Grade::Bad } else { Grade::Warning }
}

const PRIVATE: &str = "a libvirt of the lab's own, in namespaces of its own, needs it";

fn private(computer: &Computer, wanted: &Wanted) -> Finding {
    let finding = |grade, found: String| Finding::new("namespaces", PRIVATE, grade, found);
    match &computer.namespaces_forbidden {
        _ if computer.root => finding(Grade::Good, "root may make them".into()),
        None => finding(Grade::Good, "this user may make them".into()),
        Some(Setting { name, value }) => {
            finding(without_private(computer, wanted), format!("{name} forbids them to users"))
                .command(&["sysctl", "-w", &format!("{name}={value}")])
                .then("in /etc/sysctl.d it stays")
        }
    }
}

fn ids(computer: &Computer, wanted: &Wanted) -> Finding {
    let finding = |grade, found: &str| Finding::new("id-ranges", PRIVATE, grade, found);
    match &computer.no_ids {
        _ if computer.root => finding(Grade::Good, "root has them all"),
        None => finding(Grade::Good, "this user has some to give away"),
        Some(why) => {
            let what = why.split_once(": ").map_or(why.as_str(), |(what, _)| what);
            let range = ["--add-subuids", "100000-165535", "--add-subgids", "100000-165535"];
            let words: Vec<&str> =
                ["usermod"].into_iter().chain(range).chain([computer.user.as_str()]).collect();
            finding(without_private(computer, wanted), what)
                .command(&words)
                .then("a range that nobody else has: see /etc/subuid")
        }
    }
}

fn tun(computer: &Computer, wanted: &Wanted) -> Finding {
    let finding = |grade, found: &str| Finding::new("tun", PRIVATE, grade, found);
    let bad = without_private(computer, wanted);
    match computer.tun {
        Device::Opens => finding(Grade::Good, "/dev/net/tun can be opened"),
        Device::Absent => finding(bad, "no /dev/net/tun").command(&["modprobe", "tun"]),
        Device::Denied => finding(bad, "/dev/net/tun cannot be opened by this user")
            .command(&["chmod", "666", "/dev/net/tun"])
            .then("the kernel checks who may do what with it; most distributions ship it so"),
    }
}

fn uplink(computer: &Computer, wanted: &Wanted) -> Finding {
    let why = "guests of a libvirt of the lab's own reach the outside through it";
    let finding = |grade, found: &str| Finding::new("uplink", why, grade, found);
    match computer.uplink {
        _ if wanted.isolated => finding(Grade::Good, "not wanted: `uplink: none`"),
        _ if wanted.system == Some(true) => {
            finding(Grade::Good, "not needed: the computer's libvirt has a way out")
        }
        Some(program) => finding(Grade::Good, program),
        None => {
            let (found, package) = match computer.root {
                true => ("slirp4netns is not installed", "slirp4netns"),
                false => ("neither pasta nor slirp4netns is installed", "passt"),
            };
            finding(Grade::Warning, found).fix(format!(
                "sudo apt install {package}; or say in the topology that it is meant: `uplink: none` under `network`"
            ))
        }
    }
}

fn logout(computer: &Computer, wanted: &Wanted) -> Finding {
    let why = "labs of a libvirt of their own go on when their owner logs out";
    let finding = |grade, found: &str| Finding::new("logout", why, grade, found);
    if wanted.system == Some(true) || !computer.ends_at_logout {
        return finding(Grade::Good, "nothing ends them then");
    }
    finding(Grade::Warning, "systemd ends the processes of this user at the last logout")
        .command(&["loginctl", "enable-linger", &computer.user])
}

fn memory(computer: &Computer, wanted: &Wanted) -> Finding {
    let found = format!(
        "{} MiB to be had; {} nodes that do not run yet want {}",
        computer.memory_mib, wanted.nodes, wanted.memory_mib
    );
    let why = "guests that do not fit are killed, or everything crawls";
    let finding = |grade| Finding::new("memory", why, grade, found.clone());
    let fix =
        "smaller `memory` or fewer nodes in the topology; `lab list` shows what other labs take";
    match wanted.memory_mib {
        wanted if wanted > computer.memory_mib => finding(Grade::Bad).fix(fix),
        wanted if wanted * 10 > computer.memory_mib * 9 => finding(Grade::Warning).fix(fix),
        _ if wanted.processors > computer.processors => finding(Grade::Warning).fix(format!(
            "a node has more virtual processors than the {} of this computer: set fewer `cpus`",
            computer.processors
        )),
        _ => finding(Grade::Good),
    }
}

fn disk(computer: &Computer, wanted: &Wanted) -> Finding {
    let (free, place) = &computer.disk;
    let need = DISK_SHARED + wanted.nodes * DISK_PER_NODE;
    let found = format!("{free} MiB free at {place}; this needs about {need}");
    let why = "a guest whose disk cannot grow stands still";
    match *free {
        free if free < need => Finding::new("disk", why, Grade::Bad, found)
            .fix("make room, or set XDG_STATE_HOME and XDG_CACHE_HOME to where there is some; `lab images list` shows what may go"),
        free if free < need * 2 => Finding::new("disk", why, Grade::Warning, found)
            .fix("snapshots with memory take as much again"),
        _ => Finding::new("disk", why, Grade::Good, found),
    }
}

fn network(computer: &Computer, wanted: &Wanted) -> Option<Finding> {
    let WantedNetwork { name, bridge } = wanted.network.as_ref()?;
    let why = "guests get addresses, names and their way out from it";
    if computer.inactive_networks.contains(name) {
        return Some(
            Finding::new("network", why, Grade::Bad, format!("the network {name} does not run"))
                .fix("`lab up` starts it"),
        );
    }
    let rules = computer.firewall.as_ref()?;
    if computer.links.contains(bridge) && !rules.contains(bridge.as_str()) {
        let found = format!("the firewall no longer knows of {bridge}: its rules were flushed");
        return Some(
            Finding::new("network", why, Grade::Bad, found)
                .command(&["systemctl", "restart", "libvirtd"])
                .then("it writes them anew; guests go on"),
        );
    }
    let found = match computer.firewalld {
        true => "runs; after `firewall-cmd --reload` restart libvirtd",
        false => "nothing is in its way",
    };
    Some(Finding::new("network", why, Grade::Good, found))
}

/// Docker lets nothing through but its own: guests come up, and reach nobody outside.
fn forwarding(computer: &Computer, wanted: &Wanted) -> Finding {
    let why = "packets of guests pass through this computer";
    let Some(rules) = &computer.firewall else {
        let found = "the firewall's rules cannot be read by this user";
        return Finding::new("forwarding", why, Grade::Warning, found).fix("sudo lab doctor");
    };
    let drops = rules.lines().any(|line| {
        let line = line.trim();
        line.contains("-P FORWARD DROP")
            || (line.contains("hook forward") && line.contains("policy drop"))
    });
    let own = wanted.network.as_ref().map(|network| network.bridge.as_str());
    let bridge = own.or(wanted.joined.as_deref()).unwrap_or("virbr0");
    let accepted = |line: &str| line.contains("DOCKER-USER") && line.contains(bridge);
    if !drops || rules.lines().any(accepted) {
        return Finding::new("forwarding", why, Grade::Good, "the firewall lets them through");
    }
    let docker = rules.contains("DOCKER-USER");
    let chain = if docker { "DOCKER-USER" } else { "FORWARD" };
    let who = if docker { "Docker" } else { "the firewall" };
    Finding::new("forwarding", why, Grade::Warning, format!("{who} drops what it does not know"))
        .fix(format!(
            "sudo iptables -I {chain} -i {bridge} -j ACCEPT && sudo iptables -I {chain} -o {bridge} -j ACCEPT"
        ))
}

fn labels(computer: &Computer) -> Finding {
    let why = "QEMU may open the disks that lab makes";
    let found = match (computer.selinux, computer.apparmor) {
        (true, _) => {
            "SELinux is in force; libvirt labels what stands in its own folders, as lab's disks do"
        }
        (_, true) => "AppArmor is in force; libvirt writes a profile per guest",
        _ => "no labels in force",
    };
    Finding::new("labels", why, Grade::Good, found)
}

fn conflict(wanted: &Wanted) -> Option<Finding> {
    let Flaw { message, help } = wanted.conflict.as_ref()?;
    let why = "names, addresses and bridges are had once per computer";
    Some(Finding::new("room", why, Grade::Bad, message).fix(help.clone()))
}
