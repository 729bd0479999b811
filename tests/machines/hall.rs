//! What all machines are in: namespaces with a switch and DNS, control groups, a directory. All of it ends
//! with this process, however that ends.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, File};
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lab::model::Lab;
use nix::sched::{CloneFlags, setns};

use crate::groups;
use crate::rig::namespaces::first_inside;

const HALL: &str = include_str!("hall.sh");
const INIT: &str = include_str!("init.sh");
const WATCH: &str = include_str!("watch.sh");

/// The namespaces, and who clears away after them.
pub struct Hall {
    /// Of the rig; goes with it.
    pub dir: PathBuf,
    /// File system that all machines share.
    pub root: PathBuf,
    /// Folder of binaries.
    pub artifacts: PathBuf,
    /// False where machines have no disk with binaries.
    has_disk: bool,
    /// Of every hierarchy, one control group.
    pub groups: Vec<PathBuf>,
    process: Child,
    pid: u32,
    watcher: Child,
}

impl Hall {
    /// The namespaces of machines that `lab` did not make.
    pub fn of_machines(lab: &Lab) -> Self {
        let mut hall = Self::new(lab);
        hall.has_disk = false;
        hall
    }

    /// The folder that machines see as the disk with the binaries; empty where they have none.
    pub fn disk(&self) -> PathBuf {
        if self.has_disk { self.dir.join("lab") } else { PathBuf::new() }
    }

    /// The namespaces of a lab's network.
    pub fn new(lab: &Lab) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "machines need root: run `sudo make test`");
        for program in ["systemd-nspawn", "dnsmasq", "setpriv"] {
            let found = lab::drivers::host::find_program(program).is_some();
            assert!(found, "{program} is missing: run scripts/install-packages.sh tests");
        }
        let artifacts = named("LAB_ARTIFACTS", "the Kubernetes binaries: run `make test`");
        let root = named("LAB_MACHINE_ROOT", "what scripts/machine-root.sh prints");
        let dir = tempfile::Builder::new().prefix("lab-machines-").tempdir().unwrap().keep();
        for place in ["lab/bin", "lab/images", "hosts"] {
            fs::create_dir_all(dir.join(place)).unwrap();
        }
        fs::write(dir.join("init.sh"), INIT).unwrap();
        fs::write(dir.join("hosts/lab"), lab::kubernetes::hosts(lab)).unwrap();
        let name = dir.file_name().unwrap().to_str().unwrap();
        let groups: Vec<PathBuf> = groups::own().iter().map(|own| own.join(name)).collect();
        // Before anything is there to be cleared away.
        let watcher = watcher(&dir, &groups);
        groups.iter().for_each(|group| groups::make(group));
        let gateway = format!("{}/{}", lab.network.gateway, lab.network.cidr.prefix_len());
        let process = start(&dir, &artifacts, gateway);
        let pid = first_inside(&process);
        let hall = Self { dir, root, artifacts, has_disk: true, groups, process, pid, watcher };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !hall.shell("ip -br address show br0 | grep -q /", &[]).status.success() {
            assert!(Instant::now() < deadline, "the machines' switch does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        hall
    }

    /// A command that is run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid.to_string(), "-n", "-m", "-p", "--", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a script inside.
    pub fn shell(&self, script: &str, arguments: &[&str]) -> Output {
        self.command("/bin/sh").args(["-c", script, "hall"]).args(arguments).output().unwrap()
    }

    /// Has this thread reach the machines' network, and no other.
    pub fn enter(&self) {
        enter(self.pid);
    }

    /// Carries out what wants to reach machines, on threads that are in their network.
    pub fn inside<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .on_thread_start(self.entrance())
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                runtime.block_on(work)
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What [`Hall::enter`] does, for threads that are yet to begin.
    pub fn entrance(&self) -> impl Fn() + Send + Sync + 'static {
        let pid = self.pid;
        move || enter(pid)
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn enter(pid: u32) {
    let network = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    setns(network, CloneFlags::CLONE_NEWNET).unwrap();
}

fn named(variable: &str, what: &str) -> PathBuf {
    let value = std::env::var_os(variable).map(PathBuf::from);
    let value = value.unwrap_or_else(|| panic!("{variable} must name {what}"));
    assert!(value.is_dir(), "{variable} names {}, which is not there", value.display());
    value
}

/// Starts the namespaces. The kernel ends them with the thread that started them, so that one stays.
fn start(dir: &Path, artifacts: &Path, gateway: String) -> Child {
    let (dir, artifacts) = (dir.to_owned(), artifacts.to_owned());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "-n", "-m", "-p", "-f", "--kill-child"])
            .args(["--mount-proc", "/bin/sh", "-c", HALL, "hall"])
            .args([&dir, &artifacts])
            .arg(gateway)
            .stdin(Stdio::null())
            .spawn();
        tell.send(child).unwrap();
        loop {
            std::thread::park();
        }
    });
    told.recv().unwrap().unwrap()
}

fn watcher(dir: &Path, groups: &[PathBuf]) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WATCH, "watch"]).arg(dir).args(groups).stdin(Stdio::piped());
    // Not with a Ctrl-C that is meant for the test.
    command.process_group(0).spawn().unwrap()
}
