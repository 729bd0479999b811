//! Private labs of an ordinary user, on real guests: a user that this test makes, two labs with the same
//! addresses at once, and a computer that is as it was, before they go and after.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "rig/traces.rs"]
mod traces;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use nix::unistd::{Group, User};
use traces::{differences, differences_that_stay, traces};

const LAB: &str = env!("CARGO_BIN_EXE_lab");
const NAME: &str = "lab-test-user";

fn topology(name: &str) -> String {
    format!(
        "name: {name}\nnetwork: {{cidr: 10.240.0.0/24}}\nnodes:\n  node:\n    roles: [etcd, control-plane, worker]\n    names: [alpha]\n    first_address: 10.240.0.11\n    memory: 768MiB\n    disk: 5GiB\n"
    )
}

fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
}

/// An account with ids to give away; gone with its owner.
struct Account {
    home: tempfile::TempDir,
    uid: u32,
    gid: u32,
    start: Instant,
}

impl Account {
    fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "making a user needs root: run `make test`");
        let _ = Command::new("userdel").arg(NAME).stderr(Stdio::null()).status();
        tool("useradd", &["--no-create-home", "--shell", "/usr/sbin/nologin", NAME]);
        tool(
            "usermod",
            &["--add-subuids", "700000-765535", "--add-subgids", "700000-765535", NAME],
        );
        let home = tempfile::Builder::new().prefix("lab-user").tempdir_in("/tmp").unwrap();
        let uid = User::from_name(NAME).unwrap().unwrap().uid.as_raw();
        let gid = Group::from_name(NAME).unwrap().unwrap().gid.as_raw();
        let account = Self { home, uid, gid, start: Instant::now() };
        account.own(account.home.path());
        account
    }

    fn own(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }

    fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }

    /// Images and binaries of root's, as the account's own; the binary where it may run it.
    fn bring(&self, images: &Path, artifacts: &Path) -> PathBuf {
        let cache = self.home.path().join(".cache/lab");
        fs::create_dir_all(&cache).unwrap();
        for (from, to) in
            [(images, cache.join("images")), (artifacts, self.home.path().join("bin"))]
        {
            tool(
                "cp",
                &[
                    "-r",
                    "--preserve=timestamps",
                    "--reflink=auto",
                    from.to_str().unwrap(),
                    to.to_str().unwrap(),
                ],
            );
        }
        let program = self.home.path().join("lab");
        fs::copy(LAB, &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let owner = format!("{}:{}", self.uid, self.gid);
        tool("chown", &["-R", &owner, self.home.path().to_str().unwrap()]);
        program
    }

    /// `lab` as the account, with a `/dev/net/tun` that users may open, as most distributions have it.
    /// Where this computer's is root's alone, a node of the same device is mounted over it, in a mount
    /// namespace of the command's own.
    fn command(&self, arguments: &[&str]) -> Command {
        let home = self.home.path();
        let script = format!(
            "mount --make-rprivate / && mount --bind {0}/tun /dev/net/tun && exec 9<{0}/lab && exec setpriv --reuid {1} --regid {2} --clear-groups --inh-caps=-all {0}/lab \"$@\"",
            home.display(),
            self.uid,
            self.gid
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &script, "lab"])
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("LAB_ARTIFACTS", home.join("bin"))
            .env("LAB_ENGINE", "private")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    fn lab(&self, arguments: &[&str]) -> Output {
        self.say(&format!("lab {}", arguments.join(" ")));
        self.command(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.lab(arguments);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "lab {arguments:?}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Whatever a failure left running.
        for lab in ["one", "two"] {
            let _ = self.command(&["down", "--lab", lab]).output();
        }
        let _ = Command::new("userdel").arg(NAME).stderr(Stdio::null()).status();
    }
}

#[test]
#[ignore = "boots guests as a user that it makes; `make test` runs it"]
fn an_ordinary_user_has_labs_of_their_own() {
    let account = Account::new();
    let cache = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/lab");
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map_or(cache, |dir| PathBuf::from(dir).join("lab"));
    let artifacts = std::env::var_os("LAB_ARTIFACTS").expect("run `make test`");
    account.bring(&cache.join("images"), Path::new(&artifacts));
    let tun = account.home.path().join("tun");
    tool("mknod", &["-m", "666", tun.to_str().unwrap(), "c", "10", "200"]);
    let before = traces();

    let doctor: serde_json::Value =
        serde_json::from_slice(&account.lab(&["doctor", "-o", "json"]).stdout).unwrap();
    for finding in doctor["findings"].as_array().unwrap() {
        let needed = ["namespaces", "id-ranges", "tun", "programs"];
        let name = finding["name"].as_str().unwrap();
        assert!(!needed.contains(&name) || finding["grade"] == "good", "{finding}");
    }

    // Two labs, the same addresses, at once.
    for name in ["one", "two"] {
        let file = account.home.path().join(format!("{name}.yaml"));
        fs::write(&file, topology(name)).unwrap();
        account.own(&file);
    }
    account.ok(&["images", "list"]);
    let ups: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| {
            let file = format!("{name}.yaml");
            let arguments = ["up", "-f", &file, "--until", "ssh"];
            account.say(&format!("lab {}", arguments.join(" ")));
            let mut command = account.command(&arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for up in ups {
        let output = up.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
    let identity = |lab: &str| {
        account.ok(&[
            "ssh",
            "--lab",
            lab,
            "alpha",
            "--",
            "cat /etc/machine-id /proc/sys/kernel/random/boot_id",
        ])
    };
    assert_ne!(identity("one"), identity("two"));
    account.ok(&["ssh", "--lab", "one", "alpha", "--", "touch /var/tmp/one && sync"]);
    account.ok(&["ssh", "--lab", "two", "alpha", "--", "test ! -e /var/tmp/one"]);
    let labs: serde_json::Value =
        serde_json::from_str(&account.ok(&["list", "-o", "json"])).unwrap();
    let states: Vec<&str> =
        labs["labs"].as_array().unwrap().iter().map(|lab| lab["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["running", "running"]);
    // Guests of one lab reach nobody outside of it: there is no way.
    let reach = account.lab(&[
        "ssh",
        "--lab",
        "one",
        "alpha",
        "--",
        "timeout 5 bash -c '</dev/tcp/10.240.0.1/22'",
    ]);
    assert!(!reach.status.success(), "a guest reached something beside its lab");

    // What the person's shell had open when the labs came up is not open in the engines.
    let program = account.home.path().join("lab");
    let holders: Vec<PathBuf> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten())
        .map(|fd| fd.path())
        .filter(|fd| fs::read_link(fd).is_ok_and(|file| file == program))
        .collect();
    assert!(holders.is_empty(), "{holders:?}");

    // The person's own ways in: a command in the lab's network, and a port of this computer's.
    let inside = account.ok(&["shell", "--lab", "two", "--", "ip", "-4", "-o", "address"]);
    assert!(inside.contains("10.240.0.1/24"), "{inside}");
    // There is no way out: no link but the lab's own, and no route beyond its network.
    let links = account.ok(&["shell", "--lab", "two", "--", "ip", "-o", "link"]);
    let name = |line: &str| line.split(": ").nth(1).unwrap().to_owned();
    let foreign = |name: &String| {
        name != "lo" && !["virbr", "vnet", "lab"].iter().any(|own| name.starts_with(own))
    };
    let foreign: Vec<String> = links.lines().map(name).filter(foreign).collect();
    assert!(foreign.is_empty(), "{foreign:?}: {links}");
    let routes = account.ok(&["shell", "--lab", "two", "--", "ip", "route"]);
    assert!(
        !routes.contains("default") && routes.lines().all(|r| r.starts_with("10.240.0.0/24")),
        "{routes}"
    );
    let mut command = account.command(&["forward", "--lab", "two", "0:alpha:22"]);
    let mut forward = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(forward.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let port = said.strip_prefix("127.0.0.1:").and_then(|rest| rest.split(' ').next()).unwrap();
    let mut greeting = [0; 8];
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    // The command is the last of a chain of programs that become each other.
    forward.kill().unwrap();
    forward.wait().unwrap();

    // This computer has the same links, addresses, routes, rules and mounts; only processes are more.
    let mut seen = differences(&before);
    seen.retain(|line| !line.starts_with("processes: more"));
    assert!(seen.is_empty(), "{seen:#?}");

    // The engine dies with everything in it; it is told truthfully, and comes back.
    let alive = account.home.path().join(".local/state/lab/one/engine/alive");
    let pid: i32 = fs::read_to_string(&alive).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    let status: serde_json::Value =
        serde_json::from_str(&account.ok(&["status", "--lab", "one", "-o", "json"])).unwrap();
    assert_eq!(
        (&status["engine_running"], &status["nodes"][0]["state"]),
        (&false.into(), &"absent".into())
    );
    account.ok(&["up", "--lab", "one", "--until", "ssh"]);
    account.ok(&["ssh", "--lab", "one", "alpha", "--", "test -e /var/tmp/one"]);

    for lab in ["one", "two"] {
        // Another lab that is up meanwhile is no trace of this one.
        account.ok(&["down", "--lab", lab, "--prove"]);
    }
    let left = differences_that_stay(&before);
    assert!(left.is_empty(), "{left:#?}");
    for dir in [".local/state/lab", "run/lab"] {
        assert!(!account.home.path().join(dir).exists(), "{dir} stayed");
    }
    account.say("the computer is as it was");
}
