//! One machine: a Debian with the real systemd as its first process, at native speed, on a kernel that it
//! shares with this computer. It looks like a guest to whoever comes over SSH.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use lab::model::{Lab, Node};
use lab::pki::SshKeys;
use lab::render::{Templates, seed};

use crate::groups;
use crate::hall::Hall;

const PERSONALITY: &str = include_str!("personality.sh");

/// Its disk, as large as a guest's, so that kubelets do not measure this computer's; and on it, above
/// the file system that all share, its own layer. What it flushes goes no further than to the kernel: that one
/// stays when a machine's power is cut. Mounted where only machines see it.
const MOUNT: &str = r#"set -eu
mkdir -p "$1/disk" "$1/root"
truncate -s 20G "$1/disk.img"
mkfs.ext4 -q -F -O ^has_journal -m 0 "$1/disk.img"
mount -o loop,noatime,barrier=0 "$1/disk.img" "$1/disk"
mkdir "$1/disk/upper" "$1/disk/work" "$1/disk/containerd"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/disk/upper,workdir=$1/disk/work" "$1/root"
"#;

const REMOVE: &str = r#"umount "$1/root" "$1/disk" && rm -rf --one-file-system "$1""#;

/// Puts the process that becomes the machine into its control groups first: they are the root of what it
/// sees of them. containerd gets a place without layers, for it makes layers itself. The kernel's messages
/// are this computer's: the kubelet, which reads them for victims of the out-of-memory killer, finds none.
const BOOT: &str = r#"set -eu
dir=$1 lab=$2 name=$3 card=$4
shift 4
for group in "$@"; do echo 0 >"$group/cgroup.procs"; done
exec systemd-nspawn --quiet --register=no --keep-unit --directory="$dir/root" --machine="$name" \
  --network-bridge=br0 --console=read-only --kill-signal=SIGRTMIN+3 \
  --capability=all --system-call-filter='add_key keyctl bpf' \
  --bind="$dir/disk/containerd:/var/lib/containerd" ${lab:+"--bind-ro=$lab:/opt/lab"} --bind=/dev/null:/dev/kmsg \
  /usr/local/sbin/machine-init "$card"
"#;

/// A machine that runs.
pub struct Machine {
    name: String,
    card: String,
    dir: PathBuf,
    groups: Vec<PathBuf>,
    process: Child,
}

impl Machine {
    /// Makes the machine of a node, with what its seed says, and starts it.
    pub fn new(hall: &Hall, templates: &Templates, lab: &Lab, node: &Node, keys: &SshKeys) -> Self {
        let dir = hall.dir.join(&node.name);
        write_seed(&dir.join("seed"), templates, lab, node, keys);
        let (own, root) = (dir.to_str().unwrap(), hall.root.to_str().unwrap());
        must(hall, MOUNT, &[own, root]);
        let (own_root, seed) = (format!("{own}/root"), format!("{own}/seed"));
        must(hall, PERSONALITY, &[&own_root, &seed, hall.dir.join("init.sh").to_str().unwrap()]);
        let groups: Vec<PathBuf> = hall.groups.iter().map(|group| group.join(&node.name)).collect();
        let process = boot(hall, &dir, &node.name, &node.mac, &groups);
        Self { name: node.name.clone(), card: node.mac.clone(), dir, groups, process }
    }

    /// Cuts its power: every process of it ends at once.
    pub fn cut(&mut self) {
        groups::kill(&self.groups);
        self.process.wait().unwrap();
        self.groups.iter().for_each(|group| groups::remove(group));
    }

    /// Takes it away for good.
    pub fn remove(mut self, hall: &Hall) {
        self.cut();
        must(hall, REMOVE, &[self.dir.to_str().unwrap()]);
    }

    /// Starts it again, with what is on its disk.
    pub fn start(&mut self, hall: &Hall) {
        // The kernel takes the old card away when it comes to it.
        let gone = format!("! ip link show vb-{} >/dev/null 2>&1", self.name);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !hall.shell(&gone, &[]).status.success() {
            assert!(Instant::now() < deadline, "the card of {} stays", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
        self.process = boot(hall, &self.dir, &self.name, &self.card, &self.groups);
    }

    /// The last lines of its console.
    pub fn console(&self) -> String {
        lab::drivers::provider::tail(&self.dir.join("console")).unwrap_or_default()
    }
}

fn boot(hall: &Hall, dir: &Path, name: &str, card: &str, groups: &[PathBuf]) -> Child {
    groups.iter().for_each(|group| groups::make(group));
    let console = File::options().create(true).append(true).open(dir.join("console")).unwrap();
    hall.command("/bin/sh")
        .args(["-c", BOOT, "boot"])
        .arg(dir)
        .arg(hall.disk())
        .args([name, card])
        .args(groups)
        .stdout(console.try_clone().unwrap())
        .stderr(console)
        .spawn()
        .unwrap()
}

fn write_seed(dir: &Path, templates: &Templates, lab: &Lab, node: &Node, keys: &SshKeys) {
    let host_key = &keys.hosts[&node.name];
    let public = SshKeys::public(host_key).unwrap();
    let login = SshKeys::public(&keys.user).unwrap();
    fs::create_dir_all(dir).unwrap();
    let seed = seed(templates, lab, node, host_key, &public, &login, None).unwrap();
    for (name, text) in &seed.personality {
        fs::write(dir.join(name), text).unwrap();
    }
}

fn must(hall: &Hall, script: &str, arguments: &[&str]) {
    let done = hall.shell(script, arguments);
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
}
