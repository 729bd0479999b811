//! A libvirt that stands for the computer's own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::rig::guard::Guard;
use crate::rig::guests::{LAB, tool};

/// A libvirt that stands for the computer's own, in namespaces that this test makes.
pub struct SystemLibvirt {
    pub dir: PathBuf,
    supervisor: Child,
}

impl SystemLibvirt {
    pub fn start(home: &Path) -> Self {
        let dir = home.join("host");
        for name in ["log/qemu", "lib", "cache", "etc", "run"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        let id = "00000000-0000-0000-0000-000000000001";
        let mut supervisor = Command::new(LAB)
            .args([
                "engine-supervisor",
                dir.to_str().unwrap(),
                dir.join("run").to_str().unwrap(),
                id,
                "--hide-kvm",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self { dir, supervisor }
    }

    /// Stands ready to end it with all its guests, and to remove `left`, when this process is gone.
    pub fn guarded(&self, left: &Path) -> Guard {
        let mut end = Command::new("sh");
        end.args(["-c", "kill -KILL \"$(cat alive)\""]).current_dir(&self.dir);
        Guard::over(&[end], left)
    }

    /// Option of `nsenter` for the network that it is in.
    pub fn network(&self) -> String {
        format!("--net=/proc/{}/ns/net", fs::read_to_string(self.dir.join("alive")).unwrap().trim())
    }

    /// Kills libvirtd, which is then started again. How many there were.
    pub fn kill_libvirtd(&self) -> usize {
        let init = fs::read_to_string(self.dir.join("alive")).unwrap();
        let parent = format!("PPid:\t{}\n", init.trim());
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            if status.starts_with("Name:\tlibvirtd\n") && status.contains(&parent) {
                let pid = entry.file_name().to_string_lossy().parse().unwrap();
                let pid = nix::unistd::Pid::from_raw(pid);
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
                killed += 1;
            }
        }
        killed
    }

    pub fn uri(&self) -> String {
        format!(
            "qemu+unix:///system?socket={}",
            self.dir.join("run/libvirt/libvirt-sock").display()
        )
    }

    fn virsh(&self, arguments: &[&str]) -> String {
        let uri = self.uri();
        let mut all = vec!["-q", "-c", uri.as_str()];
        all.extend(arguments);
        tool("virsh", &all)
    }

    /// True where libvirt starts that domain when it comes up with its computer.
    pub fn starts_with_the_computer(&self, domain: &str) -> bool {
        self.virsh(&["dominfo", domain])
            .lines()
            .any(|line| line.strip_prefix("Autostart:").is_some_and(|rest| rest.trim() == "enable"))
    }

    pub fn define(&self, kind: &str, xml: &str) {
        let file = self.dir.join("decoy.xml");
        fs::write(&file, xml).unwrap();
        self.virsh(&[kind, file.to_str().unwrap()]);
    }

    /// Names and documents of everything there is.
    pub fn everything(&self) -> String {
        let mut text = String::new();
        for (list, dump) in
            [("list", "dumpxml"), ("net-list", "net-dumpxml"), ("pool-list", "pool-dumpxml")]
        {
            for name in self.virsh(&[list, "--all", "--name"]).split_ascii_whitespace() {
                text.push_str(&self.virsh(&[dump, name]));
            }
        }
        text
    }
}

impl Drop for SystemLibvirt {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.dir.join("alive")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        let _ = self.supervisor.wait();
    }
}
