//! Each finding of `doctor`, provoked by the fact behind it; on this computer, with the built binary.

use lab::engine::doctor::{
    Computer, Device, Finding, Grade, Libvirt, Setting, Wanted, WantedNetwork, diagnose,
};
use lab::model::Flaw;

const RULES: &str =
    "table ip filter {\n  chain LIBVIRT_FWO {\n    iifname \"virbr-three\" accept\n  }\n}\n";

fn computer() -> Computer {
    Computer {
        virtualisation: Some("vmx"),
        kvm: Device::Opens,
        tun: Device::Opens,
        uplink: Some("pasta"),
        ends_at_logout: false,
        namespaces_forbidden: None,
        no_ids: None,
        user: "anna".into(),
        root: true,
        missing: [].into(),
        libvirt: Libvirt::Answers("libvirt 9.0.0, QEMU 7.2.0".into()),
        inactive_networks: [].into(),
        links: ["lo".into(), "virbr-three".into()].into(),
        firewall: Some(RULES.into()),
        firewalld: false,
        selinux: false,
        apparmor: true,
        memory_mib: 16_000,
        processors: 8,
        disk: (100_000, "/var/lib".into()),
    }
}

fn wanted() -> Wanted {
    Wanted {
        system: Some(true),
        isolated: false,
        network: Some(WantedNetwork { name: "three".into(), bridge: "virbr-three".into() }),
        joined: None,
        memory_mib: 5120,
        nodes: 3,
        processors: 2,
        conflict: None,
        missing: Vec::new(),
    }
}

fn finding(name: &str, change: impl Fn(&mut Computer, &mut Wanted)) -> Finding {
    let (mut computer, mut wanted) = (computer(), wanted());
    change(&mut computer, &mut wanted);
    let all = diagnose(&computer, &wanted);
    all.into_iter().find(|finding| finding.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_good_computer_has_nothing_to_mend() {
    for finding in diagnose(&computer(), &wanted()) {
        assert_eq!(finding.grade, Grade::Good, "{finding:?}");
        assert!(finding.fix.is_none() && finding.commands.is_empty(), "{finding:?}");
    }
}

type Cause = fn(&mut Computer, &mut Wanted);

#[test]
fn every_cause_is_found_and_its_cure_is_exact() {
    use Grade::{Bad, Warning};
    let causes: &[(&str, Grade, &str, Cause)] = &[
        ("processor", Warning, "firmware", |c, _| c.virtualisation = None),
        ("kvm", Warning, "modprobe kvm_intel", |c, _| c.kvm = Device::Absent),
        ("kvm", Warning, "modprobe kvm_amd", |c, _| {
            (c.kvm, c.virtualisation) = (Device::Absent, Some("svm"));
        }),
        ("kvm", Warning, "usermod --append --groups kvm anna", |c, _| c.kvm = Device::Denied),
        ("programs", Bad, "apt install dnsmasq-base e2fsprogs", |c, _| {
            c.missing = ["dnsmasq", "mkfs.ext4"].into();
        }),
        ("programs", Warning, "apt install mmdebstrap", |c, _| c.missing = ["mmdebstrap"].into()),
        ("libvirt", Bad, "usermod --append --groups libvirt anna", |c, _| {
            c.libvirt = Libvirt::Silent("Failed to connect socket: Permission denied".into());
        }),
        ("libvirt", Bad, "systemctl enable --now libvirtd", |c, _| {
            c.libvirt =
                Libvirt::Silent("Failed to connect socket: No such file or directory".into());
        }),
        ("libvirt", Warning, "apt install libvirt-daemon-system", |c, w| {
            (c.libvirt, w.system) = (Libvirt::Silent("No such file".into()), None);
            c.missing = ["libvirtd"].into();
        }),
        ("namespaces", Bad, "sysctl -w kernel.unprivileged_userns_clone=1", |c, w| {
            (c.root, w.system) = (false, Some(false));
            let name = "kernel.unprivileged_userns_clone".into();
            c.namespaces_forbidden = Some(Setting { name, value: "1".into() });
        }),
        ("id-ranges", Bad, "usermod --add-subuids 100000-165535", |c, w| {
            (c.root, w.system) = (false, Some(false));
            c.no_ids = Some("/etc/subuid gives anna no range of ids: sudo".into());
        }),
        ("id-ranges", Warning, "--add-subgids 100000-165535 anna", |c, _| {
            (c.root, c.no_ids) = (false, Some("none".into()));
        }),
        ("programs", Bad, "apt install uidmap", |c, _| c.missing = ["newuidmap"].into()),
        ("tun", Bad, "modprobe tun", |c, w| (c.tun, w.system) = (Device::Absent, Some(false))),
        ("tun", Warning, "chmod 666 /dev/net/tun", |c, _| c.tun = Device::Denied),
        ("uplink", Warning, "apt install slirp4netns", |c, w| {
            (c.uplink, w.system) = (None, Some(false));
        }),
        ("uplink", Warning, "apt install passt", |c, w| {
            (c.uplink, c.root, w.system) = (None, false, None);
        }),
        ("logout", Warning, "loginctl enable-linger anna", |c, w| {
            (c.ends_at_logout, w.system) = (true, Some(false));
        }),
        ("memory", Bad, "fewer nodes", |_, w| w.memory_mib = 16_001),
        ("memory", Warning, "fewer nodes", |_, w| w.memory_mib = 15_000),
        ("memory", Warning, "fewer `cpus`", |_, w| w.processors = 9),
        ("disk", Bad, "make room", |c, _| c.disk.0 = 6000),
        ("disk", Warning, "snapshots", |c, _| c.disk.0 = 10_000),
        ("network", Bad, "`lab up`", |c, _| c.inactive_networks = ["three".into()].into()),
        ("network", Bad, "systemctl restart libvirtd", |c, _| c.firewall = Some(String::new())),
        ("forwarding", Warning, "sudo lab doctor", |c, _| c.firewall = None),
        ("forwarding", Warning, "iptables -I DOCKER-USER -i virbr-three -j ACCEPT", |c, _| {
            c.firewall = Some(format!("{RULES}-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n"));
        }),
        ("forwarding", Warning, "iptables -I FORWARD -i virbr-three -j ACCEPT", |c, _| {
            c.firewall =
                Some(format!("{RULES} type filter hook forward priority 0; policy drop;\n"));
        }),
        ("room", Bad, "move the addresses", |_, w| {
            w.conflict = Some(Flaw::new("10.0.0.0/8 is reached", "move the addresses"));
        }),
        ("asset", Warning, "lab images build", |_, w| {
            w.missing = vec![Flaw::new("image debian-12", "`lab images build debian-12`")];
        }),
    ];
    for (name, grade, fix, cause) in causes {
        let found = finding(name, cause);
        assert_eq!(found.grade, *grade, "{found:?}");
        assert!(found.fix.as_ref().unwrap().contains(fix), "{fix}: {found:?}");
        assert!(!found.why.is_empty() && !found.found.is_empty());
    }
}

#[test]
fn a_cure_that_was_applied_is_seen() {
    let found = finding("forwarding", |c, _| {
        let rules = "-P FORWARD DROP\n-A DOCKER-USER -i virbr-three -j ACCEPT\n";
        c.firewall = Some(format!("{RULES}{rules}"));
    });
    assert_eq!(found.grade, Grade::Good, "{found:?}");
    // What is wrong with the computer's libvirt does not concern a lab that brings its own.
    let found = finding("libvirt", |c, w| {
        (c.libvirt, w.system) = (Libvirt::Silent("no".into()), Some(false));
    });
    assert_eq!(found.grade, Grade::Good, "{found:?}");
    // Nor does it miss a way out that it does not want.
    let found = finding("uplink", |c, w| {
        (c.uplink, w.system, w.isolated) = (None, Some(false), true);
    });
    assert_eq!(found.grade, Grade::Good, "{found:?}");
}

#[test]
fn this_computer_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["doctor", "-f", "three", "--provider", "private", "-o", "json"])
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path().join("state"))
        .env_remove("LAB_FILE")
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["name"].as_str().unwrap())
        .collect();
    let (computer, missing) = names.split_at(11);
    assert!(!missing.is_empty() && missing.iter().all(|name| *name == "asset"), "{missing:?}");
    assert_eq!(
        computer,
        [
            "processor",
            "kvm",
            "programs",
            "libvirt",
            "namespaces",
            "id-ranges",
            "tun",
            "uplink",
            "logout",
            "memory",
            "disk"
        ]
    );
    assert_eq!(output.status.success(), found["good"].as_bool().unwrap(), "{found}");
    assert!(found["findings"][9]["found"].as_str().unwrap().contains("3 nodes"), "{found}");
    assert!(!home.path().join("state").exists(), "looking made something");
}
