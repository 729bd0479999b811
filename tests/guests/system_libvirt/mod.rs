//! A lab on the system's libvirt, among what others have there. Each test is a chapter on the one lab of its
//! process, which the last of them, by its name, takes down.

mod lessons;
mod networks;
mod storage;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::guard::Guard;
use crate::rig::guests::{LAB, Rig, kill, text, tool};
use crate::rig::shared::Shared;
use crate::rig::system_libvirt::SystemLibvirt;

/// As the topology is when the lab comes up.
const SYSTEM: &str = "name: sys
domain: sys.lab
network:
  cidr: 10.250.0.0/24
  gateway: 10.250.0.254
  mtu: 1400
  forwarders: [192.0.2.53]
  records:
    www: {cname: alpha}
    registry: {a: 10.250.0.5}
    \"*.apps\": {cname: alpha}
    mirror.example.com.: {a: 10.250.0.5}
    owner: {txt: the storage team}
    _ldap._tcp: {srv: {target: alpha, port: 389}}
  reservations:
    printer: {mac: \"52:54:00:00:00:77\", address: 10.250.0.77}
nodes:
  node:
    roles: [etcd, control-plane, worker]
    names: [alpha]
    first_address: 10.250.0.11
    disks:
      data: {size: 200MiB, mount: /srv/my-data}
    user_data:
      write_files:
        - path: /var/tmp/own
          content: \"it's {{ mine }} $(id)\\n\"
        - path: /var/tmp/bytes
          content: !!binary aGVsbG8=
defaults:
  memory: 512MiB
  disk: 5GiB
  user_data: |
    #!/bin/sh
    echo \"$(cat /var/tmp/bytes) from a script\" >/var/tmp/told
kubernetes: {host_routes: true}
options: {storage: /var/lib/libvirt/of-a-person}
";

const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";

static LAB_OF_ALL: Shared<System> = Shared::new();

/// The lab, and the libvirt that it is on.
struct System {
    libvirt: SystemLibvirt,
    /// A home for it.
    rig: Rig,
    guard: Guard,
    /// Option of `nsenter` for libvirt's network.
    inside: String,
    /// Everything that is others'.
    before: String,
    /// A chapter failed, or has begun.
    dirty: bool,
}

impl System {
    fn come_up() -> Self {
        let rig = Rig::new("three");
        let libvirt = SystemLibvirt::start(rig.home.path());
        let guard = libvirt.guarded(rig.home.path());
        libvirt.define(
            "net-define",
            "<network><name>decoy</name><ip address='10.99.0.1' netmask='255.255.255.0'/></network>",
        );
        libvirt.define("define", "<domain type='qemu'><name>sys-decoy</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features></domain>");
        let before = libvirt.everything();
        assert!(before.contains("sys-decoy") && before.contains("10.99.0.1"), "{before}");
        let inside = libvirt.network();
        let system = Self { libvirt, rig, guard, inside, before, dirty: false };
        fs::write(system.file(), SYSTEM).unwrap();
        let (code, _, said) = system.lab(&["up", "--until", "ssh", "--timeout", "3s"]);
        assert!(code == 1 && said.contains("the time is up"), "{code} {said}");
        system.ok(&["up", "--until", "ssh"]);
        system
    }

    /// Its topology.
    fn file(&self) -> PathBuf {
        self.rig.home.path().join("sys.yaml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.rig.say(&format!("system: lab {}", arguments.join(" ")));
        let plain = self.rig.command(&[]);
        let mut command = Command::new("nsenter");
        command
            .arg(&self.inside)
            .arg(LAB)
            .args(arguments)
            .current_dir(self.rig.home.path())
            .stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap());
        }
        command
            .env("LAB_PROVIDER", "system")
            .env("LAB_FILE", "sys.yaml")
            .env("LIBVIRT_DEFAULT_URI", self.libvirt.uri());
        command
    }

    fn lab(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.lab(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
        out
    }

    /// Copies a domain's disk as the image `legacy`, where libvirt's own files are seen; what was said.
    fn copy(&self, domain: &str) -> String {
        let mount = self.inside.replace("--net", "--mount").replace("ns/net", "ns/mnt");
        let plain = self.command(&["images", "add", "legacy", "--family", "debian"]);
        let mut command = Command::new("nsenter");
        command.arg(mount).args(plain.get_args()).args(["--clone-from", domain]);
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap());
        }
        let output = command.output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    }

    fn routes(&self) -> String {
        tool("nsenter", &[&self.inside, "ip", "route", "show", "proto", "76"])
    }

    /// How `doctor` finds something.
    fn grade(&self, name: &str) -> Value {
        let (_, out, _) = self.lab(&["doctor", "-o", "json"]);
        let found: Value = serde_json::from_str(&out).unwrap();
        let all = found["findings"].as_array().unwrap();
        // While libvirt does not answer, nothing is found of its networks.
        let found = all.iter().find(|finding| finding["name"] == name);
        found.map_or(Value::Null, |finding| finding["grade"].clone())
    }
}

/// A chapter. After one that failed, the lab is first made what its topology says.
fn chapter(proves: impl FnOnce(&System)) {
    LAB_OF_ALL.with(System::come_up, |system| {
        if system.dirty {
            fs::write(system.file(), SYSTEM).unwrap();
            system.ok(&["up", "--until", "ssh", "--yes"]);
        }
        system.dirty = true;
        proves(system);
        system.dirty = false;
    });
}

/// What a console says until it says `end`; there is none before its guest runs.
fn until_it_opens(command: impl Fn() -> Command, end: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut said = String::new();
    while !said.contains(end) {
        assert!(Instant::now() < deadline, "the console never said '{end}': {said}");
        let mut child = command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = out.read(&mut bytes) {
            said.push_str(&String::from_utf8_lossy(&bytes[..count]));
            if said.contains(end) {
                break;
            }
        }
        kill(&mut child);
        // Until the guest runs there is no console to wait at.
        std::thread::sleep(Duration::from_millis(300));
    }
    said
}

/// `doctor` tells when a firewall drops packets, and when libvirt's rules were flushed, and that all
/// is well once libvirt has written them anew.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn doctor_watches_the_firewall() {
    chapter(|lab| {
        let iptables = |arguments: &[&str]| {
            let mut all = vec![lab.inside.as_str(), "iptables"];
            all.extend(arguments);
            tool("nsenter", &all)
        };
        assert_eq!((lab.grade("network"), lab.grade("forwarding")), ("good".into(), "good".into()));
        iptables(&["-P", "FORWARD", "DROP"]);
        assert_eq!(lab.grade("forwarding"), "warning");
        iptables(&["-P", "FORWARD", "ACCEPT"]);
        for table in ["filter", "nat", "mangle"] {
            iptables(&["-t", table, "-F"]);
        }
        assert_eq!(lab.grade("network"), "bad");
        assert_eq!(lab.libvirt.kill_libvirtd(), 1);
        let deadline = Instant::now() + Duration::from_secs(60);
        while lab.grade("network") != "good" {
            assert!(
                Instant::now() < deadline,
                "{}",
                tool("nsenter", &[&lab.inside, "iptables-save"])
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn routes_names_and_files_of_a_persons_own_are_there() {
    chapter(|lab| {
        assert_eq!(lab.routes().lines().count(), 1, "{}", lab.routes());
        assert!(lab.routes().contains("10.200.11.0/24 via 10.250.0.11"), "{}", lab.routes());
        assert_eq!(lab.ok(&["ssh", "alpha", "--", "hostname"]).trim(), "alpha");
        assert_eq!(
            lab.ok(&["ssh", "alpha", "--", "cat /var/tmp/told"]).trim(),
            "hello from a script"
        );
        assert_eq!(
            lab.ok(&["ssh", "alpha", "--", "sudo cat /var/tmp/own"]).trim(),
            "it's {{ mine }} $(id)"
        );
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn nodes_come_go_off_and_on_and_leave() {
    chapter(|lab| {
        it_goes_off_and_on_while_its_console_is_read(lab);
        a_node_comes_while_libvirtd_is_killed(lab);
        a_node_leaves_only_when_agreed(lab);
    });
}

fn a_node_comes_while_libvirtd_is_killed(lab: &System) {
    let boot = lab.ok(&["ssh", "alpha", "--", BOOT]);
    // A node more, a copy of the first one: its records come by live update, nothing that runs is restarted.
    let both = "[alpha, beta]\n    overrides: {beta: {image: legacy}}";
    fs::write(lab.file(), SYSTEM.replace("[alpha]", both)).unwrap();
    let plan = lab.ok(&["plan", "--until", "ssh"]);
    assert!(
        plan.contains("~ update network sys") && plan.contains("+ create domain sys-beta"),
        "{plan}"
    );
    assert!(!plan.contains("sys-alpha"), "{plan}");
    let others = lab.ok(&["plan", "--until", "ssh", "--limit", "alpha"]);
    assert!(!others.contains("sys-beta"), "{others}");
    // Members of etcd may not change once it runs; here it never did. libvirtd is killed on the way.
    let mut up = lab.command(&["up", "--until", "ssh", "--limit", "beta", "-o", "json"]);
    let mut up = up.stdout(Stdio::piped()).spawn().unwrap();
    let mut killed = 0;
    for line in BufReader::new(up.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap_or_default();
        if event["event"] == "started"
            && ["network sys", "domain"].iter().any(|t| event["task"] == *t)
        {
            killed += lab.libvirt.kill_libvirtd();
        }
    }
    assert!(up.wait().unwrap().success() && killed >= 1, "libvirtd was killed {killed} times");
    assert_eq!(
        lab.ok(&["ssh", "alpha", "--", "dig +short @10.250.0.254 beta.sys.lab"]).trim(),
        "10.250.0.12"
    );
    assert!(
        lab.ok(&["ssh", "beta", "--", "dig +short @10.250.0.254 -x 10.250.0.12"])
            .contains("beta.sys.lab.")
    );
    assert_eq!(lab.ok(&["ssh", "alpha", "--", BOOT]), boot, "alpha was restarted");
    assert!(lab.routes().contains("10.200.12.0/24 via 10.250.0.12"), "{}", lab.routes());
    let random = ["alpha", "beta"].map(|node| {
        lab.ok(&[
            "ssh",
            node,
            "--",
            "cat /etc/machine-id; sudo cat /etc/ssh/ssh_host_ed25519_key.pub",
        ])
    });
    let of = |node: usize| random[node].lines().map(str::to_owned).collect::<Vec<_>>();
    let shared = of(0).into_iter().filter(|line| of(1).contains(line)).count();
    assert_eq!(shared, 0, "the nodes share an identity: {random:?}");
    let left = lab.ok(&["ssh", "beta", "--", "cat /var/tmp/of-alpha; hostname"]);
    assert_eq!(left, "kept\nbeta\n", "it is no copy of alpha");
    let config = lab.rig.home.path().join("ssh-config");
    fs::write(&config, lab.ok(&["ssh-config"])).unwrap();
    let config = config.to_str().unwrap();
    assert_eq!(tool("nsenter", &[&lab.inside, "ssh", "-F", config, "beta", "hostname"]), "beta\n");
}

fn it_goes_off_and_on_while_its_console_is_read(lab: &System) {
    let boot = lab.ok(&["ssh", "alpha", "--", BOOT]);
    // Off and on again by hand, with the console read along; what others may read is not asked for.
    lab.ok(&["ssh", "alpha", "--", "echo kept >/var/tmp/of-alpha; sync"]);
    let refused = lab.copy("sys-alpha");
    assert!(refused.contains("it runs") && refused.contains("virsh shutdown"), "{refused}");
    lab.ok(&["stop", "alpha"]);
    let copied = lab.copy("sys-alpha");
    assert!(copied.contains("image legacy is here"), "{copied}");
    let listed: Value = serde_json::from_str(&lab.ok(&["list", "-o", "json"])).unwrap();
    let lab_listed = &listed["labs"][0];
    assert_eq!((&lab_listed["state"], &lab_listed["running"]), (&"stopped".into(), &0.into()));
    let (code, _, said) = lab.lab(&["console", "alpha"]);
    assert!(code == 1 && said.contains("open the console of alpha"), "{code} {said}");
    let start = lab.command(&["start", "alpha"]).spawn().unwrap();
    let console = until_it_opens(|| lab.command(&["console", "alpha"]), "login:");
    assert!(console.contains("alpha login:"), "{console}");
    let started = start.wait_with_output().unwrap();
    assert!(started.status.success(), "{}", text(&started.stderr));
    let now = lab.ok(&["ssh", "alpha", "--", BOOT]);
    assert_ne!(now, boot, "alpha was not restarted");
}

fn a_node_leaves_only_when_agreed(lab: &System) {
    // And a node less: only with consent.
    fs::write(lab.file(), SYSTEM).unwrap();
    let (code, _, said) = lab.lab(&["up", "--until", "ssh"]);
    assert!(code == 2 && said.contains("sys-beta would be removed"), "{code} {said}");
    lab.ok(&["up", "--until", "ssh", "--yes"]);
    assert!(!lab.libvirt.everything().contains("sys-beta"));
    let keys = lab.rig.home.path().join("state/lab/sys/ssh");
    assert!(keys.join("host-alpha").exists() && !keys.join("host-beta").exists());
    assert!(!lab.routes().contains("10.200.12.0"), "{}", lab.routes());
    lab.ok(&["images", "rm", "legacy"]);
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_foreign_network_in_the_way_is_refused() {
    chapter(|lab| {
        // A lab in the way of a foreign network is refused, and nothing is made.
        fs::write(
            lab.rig.home.path().join("clash.yaml"),
            SYSTEM.replace("name: sys", "name: clash").replace("10.250.0", "10.99.0"),
        )
        .unwrap();
        let (code, _, said) = lab.lab(&["up", "-f", "clash.yaml", "--until", "ssh"]);
        assert!(
            code == 2 && said.contains("overlaps the libvirt network 'decoy'"),
            "{code} {said}"
        );
    });
}

/// The last one, by its name.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn whatever_tells_of_the_lab_is_lost_and_down_still_knows_what_is_whose() {
    let lab = LAB_OF_ALL.take(System::come_up);
    // Whatever tells of the lab on this computer is lost; libvirt still knows what is whose.
    fs::remove_dir_all(lab.rig.home.path().join("state/lab/sys")).unwrap();
    let listed = lab.ok(&["down", "--dry-run"]);
    assert!(listed.contains("sys-alpha") && !listed.contains("decoy"), "{listed}");
    lab.ok(&["down"]);
    assert_eq!(lab.routes(), "");
    assert_eq!(lab.libvirt.everything(), lab.before, "decoys changed or something stayed");
    assert!(lab.ok(&["down"]).is_empty());
    drop(lab.libvirt);
    lab.guard.dismiss();
}
