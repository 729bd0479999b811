//! Disks of a node on the system's libvirt.

use std::fs;

use super::{BOOT, SYSTEM, System, chapter};

/// Where the topology's disk stands.
const DISK: &str = "  disk: 5GiB\n";

/// Another disk is there and mounted, is part of snapshots, grows with the first one while the guest runs, and goes.
/// The last but one by its name: a disk that grew does not become smaller.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_disks_of_a_node_come_grow_and_go() {
    chapter(|lab| {
        let disks = |root: &str, size: &str| {
            let more = format!(
                "  disk: {root}\n  disks:\n    data: {{size: {size}, mount: /srv/my-data}}\n    raw: {{size: 20MiB, serial: raw-1}}\n"
            );
            fs::write(lab.file(), SYSTEM.replace(DISK, &more)).unwrap();
        };
        let run = |script: &str| lab.ok(&["ssh", "alpha", "--", script]).trim().to_owned();
        disks("5GiB", "200MiB");
        lab.ok(&["up", "--until", "os"]);
        assert_eq!(run("findmnt -n -o FSTYPE --mountpoint /srv/my-data"), "ext4");
        assert_eq!(run("lsblk -b -d -n -o SIZE /dev/disk/by-id/virtio-raw-1"), "20971520");
        assert_eq!(run("sudo blkid -p /dev/disk/by-id/virtio-raw-1 || echo raw"), "raw");
        write(&run, "before");
        lab.ok(&["snapshot", "save", "one"]);
        lab.ok(&["snapshot", "save", "two", "--disk-only"]);
        write(&run, "after");
        lab.ok(&["snapshot", "restore", "one", "--yes"]);
        assert_eq!(run("cat /srv/my-data/file"), "before");
        // With snapshots in them.
        let boot = run(BOOT);
        disks("6GiB", "400MiB");
        let plan = lab.ok(&["plan", "--until", "os"]);
        assert!(
            plan.contains("~ update volume alpha.data.qcow2  (from 200 MiB to 400 MiB)"),
            "{plan}"
        );
        assert!(plan.contains("~ update volume alpha.qcow2  (from 5 GiB to 6 GiB)"), "{plan}");
        lab.ok(&["up", "--until", "os"]);
        assert_eq!(run(BOOT), boot, "it was restarted");
        assert_eq!(run("cat /srv/my-data/file"), "before");
        let sizes = run("df --block-size=1M --output=size / /srv/my-data | tail -n 2");
        let sizes: Vec<u64> = sizes.lines().map(|line| line.trim().parse().unwrap()).collect();
        assert!(sizes[0] > 5400 && sizes[1] > 330, "{sizes:?}");
        let checks = lab.ok(&["verify", "os"]);
        assert!(checks.contains("its disks data, raw are there and mounted"), "{checks}");
        ["one", "two"].iter().for_each(|name| drop(lab.ok(&["snapshot", "delete", name])));
        assert_eq!(run("cat /srv/my-data/file"), "before");
        it_is_another_machine_without_them(lab, &run);
    });
}

/// The disks go, and with the same start other processors come, and a device of a person's own.
fn it_is_another_machine_without_them(lab: &System, run: &impl Fn(&str) -> String) {
    let more = "  disk: 6GiB\n  cpu_model: Nehalem\n  xml: <devices><watchdog model='i6300esb'/></devices>\n";
    let text = SYSTEM.replace(DISK, more) + "options: {autostart: true}\n";
    fs::write(lab.file(), text).unwrap();
    let (code, _, said) = lab.lab(&["up", "--until", "os"]);
    let lost = "alpha.data.qcow2, alpha.raw.qcow2 would be lost";
    assert!(code == 2 && said.contains(lost), "{code} {said}");
    lab.ok(&["up", "--until", "os", "--yes"]);
    assert_eq!(run("lsblk -d -n -o NAME | grep -c vd"), "3");
    assert_eq!(run("ls /etc/systemd/system | grep -c 'srv\\|dev-disk' || true"), "0");
    assert_eq!(run("systemctl is-system-running || systemctl --failed"), "running");
    assert!(run("grep 'model name' /proc/cpuinfo").contains("Nehalem"));
    // The watchdog's name on the bus.
    assert_eq!(run("cat /sys/bus/pci/devices/*/device | grep -c 0x25ab"), "1");
    assert!(lab.libvirt.starts_with_the_computer("sys-alpha"));
    let plan = lab.ok(&["plan", "--until", "os"]);
    assert!(plan.contains("no changes"), "{plan}");
}

/// Writes a file onto the further disk, and has it reach the disk.
fn write(run: &impl Fn(&str) -> String, text: &str) {
    run(&format!("sudo sh -c 'echo {text} >/srv/my-data/file; sync'"));
}
