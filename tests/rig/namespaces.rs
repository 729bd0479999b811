//! Nodes made of namespaces: each has its own network card, mounts and processes, and runs the real
//! etcd, kube-apiserver, HAProxy and keepalived with the very files that the stages write. Seconds
//! where guests take minutes; what a guest's kernel and systemd do is left to the tests on guests.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output as Finished, Stdio};
use std::time::{Duration, Instant};

use lab::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
use lab::model::{Lab, Node};

const MANAGER: &str = include_str!("service_manager.py");

/// Mounts of a node: its own layer over the directories that stages write to. `$1` is the node's
/// directory, `$2` the folder of binaries.
const MOUNTS: &str = r#"set -eu
mount --make-rprivate /
for place in etc usr/local var/lib var/log opt; do
  mkdir -p "$1/$place/upper" "$1/$place/work"
  mount -t overlay overlay -o "lowerdir=/$place,upperdir=$1/$place/upper,workdir=$1/$place/work" "/$place"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd /opt/lab/bin /usr/local/sbin
ln -s notify-keepalived.service /run/systemd/notify
mount --bind "$2" /opt/lab/bin
rm -rf /var/lib/etcd
install -m 755 "$1/manager.py" /usr/local/sbin/systemctl
install -m 755 "$1/manager.py" /usr/local/sbin/journalctl
ip link set lo up
exec python3 "$1/manager.py"
"#;

/// Options of `setpriv`: `unshare`, ended when this process dies, however it dies.
const DIE_WITH_US: [&str; 3] = ["--pdeathsig", "KILL", "unshare"];

/// A process that is ended with everything in its namespaces.
struct Space(Child);

impl Space {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

/// The first process inside the namespaces that `unshare` made: its child.
pub fn first_inside(unshare: &Child) -> u32 {
    let path = format!("/proc/{0}/task/{0}/children", unshare.id());
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let children = fs::read_to_string(&path).unwrap_or_default();
        if let Some(pid) = children.split_whitespace().next() {
            return pid.parse().unwrap();
        }
        assert!(Instant::now() < deadline, "no process in the namespaces");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One node.
pub struct NamespaceNode {
    space: Space,
    pid: u32,
    name: String,
}

/// All nodes, and the switch between them, which is also where clients stand.
pub struct Namespaces {
    switch: Space,
    switch_pid: u32,
    nodes: BTreeMap<String, std::sync::Arc<NamespaceNode>>,
    dir: PathBuf,
    artifacts: PathBuf,
}

fn ip(pid: u32, arguments: &str) {
    let status = Command::new("nsenter")
        .args(["-t", &pid.to_string(), "-n", "ip"])
        .args(arguments.split_whitespace())
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

impl Namespaces {
    /// The switch, with the gateway's address.
    pub fn new(lab: &Lab, dir: &Path) -> Self {
        let artifacts = std::env::var_os("LAB_ARTIFACTS").map(PathBuf::from);
        let artifacts =
            artifacts.expect("LAB_ARTIFACTS must name the Kubernetes binaries: run `make test`");
        assert!(nix::unistd::geteuid().is_root(), "namespaces need root: run `sudo make test`");
        for program in ["haproxy", "keepalived", "etcd", "python3", "curl"] {
            let found = lab::drivers::host::find_program(program).is_some();
            assert!(found, "{program} is missing: run scripts/install-packages.sh");
        }
        let switch = Space::start(Command::new("unshare").args([
            "-n",
            "-p",
            "-f",
            "--kill-child",
            "sleep",
            "infinity",
        ]));
        let switch_pid = first_inside(&switch.0);
        for command in ["link set lo up", "link add br0 type bridge", "link set br0 up"] {
            ip(switch_pid, command);
        }
        let prefix = lab.network.cidr.prefix_len();
        ip(switch_pid, &format!("address add {}/{prefix} dev br0", lab.network.gateway));
        let mut all =
            Self { switch, switch_pid, nodes: BTreeMap::new(), dir: dir.to_owned(), artifacts };
        all.add(lab);
        all
    }

    /// Makes the nodes of `lab` that are not there yet.
    pub fn add(&mut self, lab: &Lab) {
        for node in &lab.nodes {
            if !self.nodes.contains_key(&node.name) {
                let made = self.node(lab, node);
                self.nodes.insert(node.name.clone(), std::sync::Arc::new(made));
            }
        }
    }

    fn node(&self, lab: &Lab, node: &Node) -> NamespaceNode {
        let dir = self.dir.join(&node.name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("manager.py"), MANAGER).unwrap();
        let space = Space::start(
            Command::new("setpriv")
                .args(DIE_WITH_US)
                .args(["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "/bin/sh", "-c"])
                .args([MOUNTS, "mounts"])
                .args([&dir, &self.artifacts]),
        );
        let pid = first_inside(&space.0);
        let end = format!("veth-{:x}", u32::from(node.address) & 0xffff);
        ip(self.switch_pid, &format!("link add {end} type veth peer name eth0 netns {pid}"));
        ip(self.switch_pid, &format!("link set {end} master br0 up"));
        let prefix = lab.network.cidr.prefix_len();
        ip(pid, &format!("address add {}/{prefix} dev eth0", node.address));
        ip(pid, "link set eth0 up");
        ip(pid, &format!("route add default via {}", lab.network.gateway));
        let made = NamespaceNode { space, pid, name: node.name.clone() };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !made
            .shell("systemctl is-active nothing; test -S /run/systemd/stand-in.sock")
            .status
            .success()
        {
            assert!(Instant::now() < deadline, "{} does not start", node.name);
            std::thread::sleep(Duration::from_millis(50));
        }
        made
    }

    /// Takes a node away, as if its power were cut for ever.
    pub fn remove(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// The node of that name.
    pub fn get(&self, name: &str) -> std::sync::Arc<NamespaceNode> {
        std::sync::Arc::clone(&self.nodes[name])
    }

    /// Names of all nodes.
    pub fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// Runs a script as a client on the lab's network.
    pub fn client(&self, script: &str) -> Finished {
        enter(self.switch_pid, &["-n"], script)
    }

    /// A command that runs `script` as a client.
    pub fn client_command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.switch_pid.to_string(), "-n", "/bin/sh", "-c", script]);
        command
    }

    /// Nodes whose card has the address.
    pub fn holders(&self, address: std::net::Ipv4Addr) -> Vec<String> {
        let has = |node: &&std::sync::Arc<NamespaceNode>| {
            let script = format!("ip -o -4 address show to {address}/32");
            !node.shell(&script).stdout.is_empty()
        };
        self.nodes.values().filter(has).map(|node| node.name.clone()).collect()
    }
}

fn enter(pid: u32, spaces: &[&str], script: &str) -> Finished {
    let mut child = Command::new("nsenter")
        .args(["-t", &pid.to_string()])
        .args(spaces)
        .args(["/bin/sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

impl NamespaceNode {
    /// Runs a script in the node.
    pub fn shell(&self, script: &str) -> Finished {
        let path = "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        enter(self.pid, &["-n", "-m", "-p"], &format!("{path}\n{script}\n"))
    }

    /// Sends a signal to every process of that name in the node.
    pub fn signal(&self, signal: &str, program: &str) {
        self.shell(&format!("pkill -{signal} -x {program}"));
    }

    fn place(&self, item: &Put) -> std::io::Result<()> {
        let root = |path: &str| PathBuf::from(format!("/proc/{}/root{path}", self.pid));
        let (path, mode, owner) = match item {
            Put::Directory(path, mode, owner) => {
                fs::create_dir_all(root(path))?;
                (path, *mode, owner)
            }
            Put::File(file) => {
                fs::create_dir_all(root(&file.path).parent().unwrap())?;
                fs::write(root(&file.path), &file.content)?;
                (&file.path, file.mode, &file.owner)
            }
        };
        fs::set_permissions(root(path), fs::Permissions::from_mode(mode))?;
        assert!(self.shell(&format!("chown {owner} {path}")).status.success());
        Ok(())
    }
}

impl Guest for NamespaceNode {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            let (pid, script) = (
                self.pid,
                format!(
                    "set -eu\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n{script}\n"
                ),
            );
            let done =
                tokio::task::spawn_blocking(move || enter(pid, &["-n", "-m", "-p"], &script));
            let done = done.await.map_err(|error| GuestError::new(error.to_string()))?;
            Ok(Output {
                status: done.status.code().unwrap_or(255) as u32,
                stdout: done.stdout,
                stderr: done.stderr,
            })
        })
    }

    /// Namespaces share the computer's clock.
    fn talk<'a>(&'a self, script: &'a str, _reply: &'a Reply<'a>) -> Answer<'a, Output> {
        self.run(script)
    }

    fn put<'a>(&'a self, items: &'a [Put]) -> Answer<'a, ()> {
        let done = items.iter().try_for_each(|item| self.place(item));
        let done = done.map_err(|error| GuestError::new(format!("{}: {error}", self.name)));
        Box::pin(std::future::ready(done))
    }
}
