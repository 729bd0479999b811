//! Disks of a node on the system's libvirt, in a folder of a person's own.

use std::fs;

use super::{BOOT, SYSTEM, System, chapter};

/// A further disk is there and mounted, is part of snapshots, grows with the first one while the guest runs, and goes.
/// The last chapter but one, by its name: a disk that grew does not become smaller.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_disks_of_a_node_come_grow_and_go() {
    chapter(|lab| {
        let run = |script: &str| lab.ok(&["ssh", "alpha", "--", script]).trim().to_owned();
        lab.ok(&["up", "--until", "os"]);
        assert_eq!(run("findmnt -n -o FSTYPE --mountpoint /srv/my-data"), "ext4");
        write(&run, "before");
        lab.ok(&["snapshot", "save", "one"]);
        lab.ok(&["snapshot", "save", "two", "--disk-only"]);
        write(&run, "after");
        lab.ok(&["snapshot", "restore", "one", "--yes"]);
        assert_eq!(run("cat /srv/my-data/file"), "before");
        they_grow(lab, &run);
        ["one", "two"].iter().for_each(|name| drop(lab.ok(&["snapshot", "delete", name])));
        assert_eq!(run("cat /srv/my-data/file"), "before");
        it_is_another_machine(lab, &run);
    });
}

/// With snapshots in them, and without a restart.
fn they_grow(lab: &System, run: &impl Fn(&str) -> String) {
    let boot = run(BOOT);
    let larger = SYSTEM.replace("disk: 5GiB", "disk: 6GiB").replace("200MiB", "400MiB");
    fs::write(lab.file(), larger).unwrap();
    let plan = lab.ok(&["plan", "--until", "os"]);
    for (volume, sizes) in [("disk-data.qcow2", "200 MiB to 400 MiB"), ("qcow2", "5 GiB to 6 GiB")]
    {
        let wanted = format!("~ update volume alpha.{volume}  (from {sizes})");
        assert!(plan.contains(&wanted), "{plan}");
    }
    lab.ok(&["up", "--until", "os"]);
    assert_eq!(run(BOOT), boot, "it was restarted");
    assert_eq!(run("cat /srv/my-data/file"), "before");
    let sizes = run("df --block-size=1M --output=size / /srv/my-data | tail -n 2");
    let sizes: Vec<u64> = sizes.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert!(sizes[0] > 5400 && sizes[1] > 330, "{sizes:?}");
    let checks = lab.ok(&["verify", "os"]);
    assert!(checks.contains("its disks data are there and mounted"), "{checks}");
}

/// The disk goes and a raw one comes; with the same start come other processors, and a device of a person's own.
fn it_is_another_machine(lab: &System, run: &impl Fn(&str) -> String) {
    let of_its_own = "cpu_model: Nehalem\n    xml: <devices><watchdog model='i6300esb'/></devices>";
    let text = SYSTEM
        .replace("disk: 5GiB", "disk: 6GiB")
        .replace("data: {size: 200MiB, mount: /srv/my-data}", "raw: {size: 20MiB, serial: raw-1}")
        .replace("first_address:", &format!("{of_its_own}\n    first_address:"))
        .replace("options: {", "options: {autostart: true, ");
    fs::write(lab.file(), &text).unwrap();
    let (code, _, said) = lab.lab(&["up", "--until", "os"]);
    assert!(code == 2 && said.contains("alpha.disk-data.qcow2 would be lost"), "{code} {said}");
    lab.ok(&["up", "--until", "os", "--yes"]);
    assert_eq!(run("lsblk -b -d -n -o SIZE /dev/disk/by-id/virtio-raw-1"), "20971520");
    assert_eq!(run("sudo blkid -p /dev/disk/by-id/virtio-raw-1 || echo raw"), "raw");
    assert_eq!(run("ls /etc/systemd/system | grep -c 'srv\\|dev-disk' || true"), "0");
    assert_eq!(run("systemctl is-system-running || systemctl --failed"), "running");
    assert!(run("grep 'model name' /proc/cpuinfo").contains("Nehalem"));
    // The watchdog's name on the bus.
    assert_eq!(run("cat /sys/bus/pci/devices/*/device | grep -c 0x25ab"), "1");
    assert!(lab.libvirt.starts_with_the_computer("sys-alpha"));
    assert!(lab.libvirt.everything().contains("/var/lib/libvirt/of-a-person/lab-sys/alpha.qcow2"));
    let plan = lab.ok(&["plan", "--until", "os"]);
    assert!(plan.contains("no changes"), "{plan}");
    // A disk that holds something of a person's is not written over.
    run("sudo mkswap /dev/disk/by-id/virtio-raw-1");
    fs::write(lab.file(), text.replace("serial: raw-1", "serial: raw-1, mount: /srv/raw")).unwrap();
    let (code, _, said) = lab.lab(&["up", "--until", "os"]);
    assert!(code == 1 && said.contains("the disk raw holds swap"), "{code} {said}");
}

/// Writes a file onto the further disk, and has it reach the disk.
fn write(run: &impl Fn(&str) -> String, text: &str) {
    run(&format!("sudo sh -c 'echo {text} >/srv/my-data/file; sync'"));
}
