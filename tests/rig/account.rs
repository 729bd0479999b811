//! Accounts with private labs, each on a computer that may be a network namespace of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use nix::unistd::{Group, User};

const LAB: &str = env!("CARGO_BIN_EXE_lab");
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Small machines, of which SSH is all that is wanted.
fn topology(name: &str, uplink: &str, clone: &str, nodes: &str) -> String {
    format!(
        "name: {name}\nnetwork: {{cidr: 10.240.0.0/24, uplink: {uplink}}}\nnodes:\n  node:\n    roles: [etcd, control-plane, worker]\n    names: [{nodes}]\n    first_address: 10.240.0.11\n    memory: 768MiB\n    disk: 5GiB\noptions: {{boot_timeout: 1800, clone: {clone}}}\n"
    )
}

pub fn tool(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An account with ids to give away; gone with its owner.
pub struct Account {
    pub home: tempfile::TempDir,
    /// Name of the account; `root` is there anyway.
    name: String,
    uid: u32,
    gid: u32,
    start: Instant,
    /// The network namespace of its computer, by name.
    pub network: Option<String>,
    /// True when it has programs besides the system's.
    more_programs: bool,
    /// Whether its nodes boot or are copies.
    pub clone: &'static str,
    /// Labs that it began to bring up.
    labs: Vec<String>,
}

impl Account {
    /// Makes the account, with images and binaries of its own.
    pub fn new(name: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "making a user needs root: run `make test`");
        if name != "root" {
            // What a run left that was killed: the account is nobody's but the tests'.
            let _ =
                Command::new("pkill").args(["-KILL", "-u", name]).stderr(Stdio::null()).status();
            let _ = Command::new("userdel").arg(name).stderr(Stdio::null()).status();
            tool("useradd", &["--no-create-home", "--shell", "/usr/sbin/nologin", name]);
            let range = ["--add-subuids", "700000-765535", "--add-subgids", "700000-765535"];
            tool("usermod", &[&range[..], &[name]].concat());
        }
        let home = tempfile::Builder::new().prefix("lab-user").tempdir_in("/tmp").unwrap();
        let uid = User::from_name(name).unwrap().unwrap().uid.as_raw();
        let gid = Group::from_name(name).unwrap().unwrap().gid.as_raw();
        let account = Self {
            home,
            name: name.into(),
            uid,
            gid,
            start: Instant::now(),
            network: None,
            more_programs: false,
            clone: "boot",
            labs: Vec::new(),
        };
        account.own(account.home.path());
        account.bring();
        account
    }

    fn own(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }

    pub fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {}: {text}", self.start.elapsed().as_secs_f64(), self.name);
    }

    /// Images and binaries of root's, as the account's own; the program where it may run it.
    fn bring(&self) {
        let home = self.home.path();
        let cache = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/lab");
        let cache =
            std::env::var_os("XDG_CACHE_HOME").map_or(cache, |dir| PathBuf::from(dir).join("lab"));
        let artifacts = std::env::var_os("LAB_ARTIFACTS").expect("run `make test`");
        fs::create_dir_all(home.join(".cache/lab")).unwrap();
        let pairs = [
            (cache.join("images"), home.join(".cache/lab/images")),
            (PathBuf::from(artifacts), home.join("bin")),
        ];
        for (from, to) in pairs {
            let options = ["-r", "--preserve=timestamps", "--reflink=auto"];
            let ends = [from.to_str().unwrap(), to.to_str().unwrap()];
            tool("cp", &[&options[..], &ends[..]].concat());
        }
        fs::copy(LAB, home.join("lab")).unwrap();
        fs::set_permissions(home.join("lab"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(home.join("resolv.conf"), "nameserver 198.51.100.1\n").unwrap();
        let owner = format!("{}:{}", self.uid, self.gid);
        tool("chown", &["-R", &owner, home.to_str().unwrap()]);
        let tun = home.join("tun");
        tool("mknod", &["-m", "666", tun.to_str().unwrap(), "c", "10", "200"]);
    }

    /// Programs of a folder, as the account's own.
    pub fn bring_programs(&mut self, folder: &Path) {
        let to = self.home.path().join("programs");
        tool("cp", &["-r", folder.to_str().unwrap(), to.to_str().unwrap()]);
        tool("chmod", &["-R", "a+rX", to.to_str().unwrap()]);
        self.more_programs = true;
    }

    /// `lab` as the account, with a `/dev/net/tun` that users may open, as most distributions have it.
    /// Where this computer's is root's alone, a node of the same device is mounted over it, in a mount
    /// namespace of the command's own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let home = self.home.path();
        let resolver = match self.network {
            Some(_) => format!("mount --bind {}/resolv.conf /etc/resolv.conf && ", home.display()),
            None => String::new(),
        };
        let script = format!(
            "mount --make-rprivate / && mount --bind {0}/tun /dev/net/tun && {resolver}exec 9<{0}/lab && exec setpriv --reuid {1} --regid {2} --clear-groups --inh-caps=-all {0}/lab \"$@\"",
            home.display(),
            self.uid,
            self.gid
        );
        let net = match &self.network {
            Some(name) => format!("--net=/run/netns/{name}"),
            None => "--net=/proc/self/ns/net".into(),
        };
        let own = match self.more_programs {
            true => format!("{}/programs:", home.display()),
            false => String::new(),
        };
        let mut command = Command::new("nsenter");
        command
            .args([&net, "unshare", "--mount", "sh", "-c", &script, "lab"])
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("PATH", format!("{own}{PATH}"))
            .env("HOME", home)
            // As after a logout: what a login makes there is gone.
            .env("XDG_RUNTIME_DIR", format!("/run/user/{}", self.uid))
            .env("LAB_ARTIFACTS", home.join("bin"))
            .env("LAB_PROVIDER", "private")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// What removes the account itself.
    pub fn removal(&self) -> Command {
        let mut command = Command::new("userdel");
        command.arg(&self.name);
        command
    }

    pub fn lab(&self, arguments: &[&str]) -> Output {
        self.say(&format!("lab {}", arguments.join(" ")));
        self.command(arguments).output().unwrap()
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.lab(arguments);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "lab {arguments:?}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// Writes the topology of a lab with these nodes.
    pub fn write(&mut self, name: &str, uplink: &str, nodes: &str) {
        let file = self.home.path().join(format!("{name}.yaml"));
        fs::write(&file, topology(name, uplink, self.clone, nodes)).unwrap();
        self.own(&file);
        self.labs.push(name.into());
    }

    /// Writes the topology of a lab of one machine, with nothing of Kubernetes.
    pub fn write_alone(&mut self, name: &str, uplink: &str) {
        let file = self.home.path().join(format!("{name}.yaml"));
        let text = topology(name, uplink, self.clone, "alpha");
        let alone = text.replace("    roles: [etcd, control-plane, worker]\n", "");
        assert_ne!(alone, text);
        fs::write(&file, format!("{alone}kubernetes: none\n")).unwrap();
        self.own(&file);
    }

    /// Kills `lab up` as soon as it says that a task with this beginning has begun.
    pub fn up_killed_at(&self, name: &str, task: &str) {
        let up = ["up", "-f", &format!("{name}.yaml"), "--until", "ssh", "-o", "json"];
        let mut child = self.command(&up).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let begun = |line: String| {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let of_it = event["task"].as_str().is_some_and(|found| found.starts_with(task));
            event["event"] == "started" && of_it
        };
        assert!(lines.any(begun), "{task} did not begin");
        self.say(&format!("killing lab in {task}"));
        // The last of a chain of programs that became each other.
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Writes the topology of a lab of one node; the command begins to bring it up to SSH.
    pub fn begin_up(&mut self, name: &str, uplink: &str) -> Child {
        self.write(name, uplink, "alpha");
        let arguments = ["up", "-f", &format!("{name}.yaml"), "--until", "ssh"];
        self.say(&format!("lab {}", arguments.join(" ")));
        let mut command = self.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// Waits for what [`Account::begin_up`] began. What it said.
pub fn came_up(up: Child) -> String {
    let output = up.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

impl Drop for Account {
    fn drop(&mut self) {
        // Whatever a failure left running.
        for lab in &self.labs {
            let _ = self.command(&["down", "--lab", lab]).output();
        }
        if self.name != "root" {
            let _ = Command::new("pkill").args(["-KILL", "-u", &self.name]).status();
            let _ = self.removal().stderr(Stdio::null()).status();
        }
    }
}
