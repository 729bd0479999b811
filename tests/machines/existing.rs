//! Machines that `lab` did not make: their own user, host keys and names, binaries by SSH. By the program itself, as
//! people type it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::drivers::guest::ssh::{Gate, Route, Ssh, Target};
use lab::drivers::guest::{Guest, Login};

use lab::model::Lab;
use lab::pki::{SshKeys, generate_ssh_key};
use lab::render::Templates;

use crate::course;
use crate::firewall::open_to_all;
use crate::hall::Hall;
use crate::machine::Machine;
use crate::rig::screen::Terminal;
use crate::{archives, rig};

const TOPOLOGY: &str = "name: basement
provider: existing
firewall: on
network: {cidr: 10.249.0.0/24}
ssh: {user: admin, key: keys/admin, known_hosts: keys/known_hosts, bastion: {host: 10.249.0.11, host_key: HOST_KEY}}
nodes:
  main: {roles: [etcd, control-plane], addresses: [10.249.0.11], overrides: {main: {host_key: HOST_KEY}}}
  worker: {count: 2, addresses: [10.249.0.31, 10.249.0.32]}
kubernetes: {api_port: 8443}
";

const NODES: [&str; 3] = ["main", "worker1", "worker2"];
const ADDRESSES: [&str; 3] = ["10.249.0.11:22", "10.249.0.31:22", "10.249.0.32:22"];
/// The workers are reached through the bastion alone.
const NO_WAY: &str = "for worker in 10.249.0.31 10.249.0.32; do
  ip rule add to $worker ipproto tcp dport 22 prohibit
done";

/// Somebody's machines, and the folder that `lab` is run in.
pub struct Basement {
    hall: Hall,
    _machines: Vec<Machine>,
    pub home: tempfile::TempDir,
    keys: SshKeys,
    start: Instant,
}

impl Basement {
    fn new() -> Self {
        let start = Instant::now();
        let home = rig::home();
        let place = |name: &str| home.path().join(name);
        let host_keys = NODES.map(|node| (node.to_owned(), generate_ssh_key().unwrap()));
        let keys = SshKeys { user: generate_ssh_key().unwrap(), hosts: host_keys.into() };
        let main = SshKeys::public(&keys.hosts["main"]).unwrap();
        let topology = TOPOLOGY.replace("HOST_KEY", &main);
        let lab = rig::lab(&topology);
        fs::write(place("lab.yaml"), &topology).unwrap();
        fs::create_dir(place("keys")).unwrap();
        fs::write(place("keys/admin"), &keys.user).unwrap();
        // What somebody has who logged in once.
        let known = |name: &str| {
            let key = SshKeys::public(&keys.hosts[name]).unwrap();
            format!("{} {key}\n", lab.node(name).unwrap().address)
        };
        fs::write(place("keys/known_hosts"), known("worker1") + &known("worker2")).unwrap();
        let hall = Hall::of_machines(&lab);
        assert!(hall.shell(NO_WAY, &[]).status.success());
        archives::write(&hall.dir.join("lab/images"), &hall.root);
        let templates = lab::kubernetes::templates(&Default::default()).unwrap();
        let _machines = machines(&hall, &templates, &lab, &keys);
        let basement = Self { hall, _machines, home, keys, start };
        for node in NODES {
            basement.answers(node);
        }
        basement
    }

    fn answers(&self, node: &str) {
        self.on(node, "systemctl is-system-running --wait >/dev/null");
    }

    fn topology(&self) -> String {
        fs::read_to_string(self.home.path().join("lab.yaml")).unwrap()
    }

    pub fn lab_says(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let place = |name: &str| self.home.path().join(name);
        let archives: PathBuf = self.hall.dir.join("lab/images");
        let run = ["-C", place("").to_str().unwrap(), env!("CARGO_BIN_EXE_lab")].map(str::to_owned);
        let mut command = self.hall.command("env");
        command
            .args(run)
            .args(arguments)
            .env("HOME", place("home"))
            .env("XDG_STATE_HOME", place("state"))
            .env("XDG_CACHE_HOME", place("cache"))
            .env("XDG_RUNTIME_DIR", place("run"))
            .env("LAB_ARTIFACTS", &self.hall.artifacts)
            .env("LAB_IMAGES", archives)
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    pub fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }

    /// What `lab` says where it must succeed.
    pub fn lab(&self, arguments: &[&str]) -> String {
        let output = self.lab_says(arguments);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "lab {arguments:?}\n{said}");
        said
    }
}

fn machines(hall: &Hall, templates: &Templates, lab: &Lab, keys: &SshKeys) -> Vec<Machine> {
    lab.nodes.iter().map(|node| Machine::new(hall, templates, lab, node, keys)).collect()
}

/// What a machine is like; see the script.
const PICTURE: &str = include_str!("picture.sh");
/// Has a machine lack a package that stages want.
const REPOSITORY: &str = include_str!("repository.sh");

impl Basement {
    /// Runs a script on a machine, as root, past `lab`'s own ways.
    pub fn on(&self, name: &str, script: &str) -> String {
        let ssh = match name {
            "main" => self.ssh(name, Route::Direct),
            _ => self.ssh(
                name,
                Route::Through(Arc::new(self.ssh("main", Route::Direct)) as Arc<dyn Gate>),
            ),
        };
        let output = self.hall.inside(async { ssh.run(script).await }).unwrap();
        assert_eq!(output.status, 0, "{name}: {script}\n{}", output.text());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn ssh(&self, name: &str, route: Route) -> Ssh {
        let place = NODES.iter().position(|node| *node == name).unwrap();
        Ssh::new(Target {
            node: name.into(),
            address: ADDRESSES[place].parse().unwrap(),
            route,
            user: "admin".into(),
            login: Login::Key(self.keys.user.clone()),
            host_keys: vec![SshKeys::public(&self.keys.hosts[name]).unwrap()],
            patience: Duration::from_secs(30),
        })
    }

    /// A picture of each machine.
    fn pictures(&self) -> Vec<String> {
        NODES.iter().map(|node| self.on(node, PICTURE)).collect()
    }

    fn write(&self, topology: &str) {
        fs::write(self.home.path().join("lab.yaml"), topology).unwrap();
    }

    /// What `lab` says where it must fail.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.lab_says(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "lab {arguments:?}\n{said}");
        said
    }

    /// `lab up`, killed once it says `word`.
    fn killed_at(&self, word: &str) {
        let mut child = self.command(&["up"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut heard = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
            heard.push_str(&(line + "\n"));
            if heard.contains(word) {
                break;
            }
        }
        assert!(heard.contains(word), "{heard}");
        // Of all that is in here one program has this name.
        assert!(self.hall.shell("pkill -KILL -x lab", &[]).status.success());
        child.wait().unwrap();
    }
}

/// Others are cut off, and `lab` is not.
fn a_link_is_cut_and_whole_again(basement: &Basement) {
    let reached = || {
        let ask =
            "timeout 2 bash -c ': < /dev/tcp/10.249.0.32/10250' 2>/dev/null && echo yes || echo no";
        basement.on("main", ask).trim().to_owned()
    };
    assert_eq!(reached(), "yes");
    let said = basement.lab(&["link", "worker2", "--down"]);
    assert!(said.contains("worker2") && said.contains("down"), "{said}");
    assert_eq!(reached(), "no");
    let all = basement.lab(&["link"]);
    assert_eq!(all.matches("as always").count(), 2, "{all}");
    let status = basement.lab(&["status"]);
    assert!(status.contains("link down"), "{status}");
    // What the machines' kernel lacks is said.
    if !basement.on("main", "modprobe -q sch_netem && echo there || true").contains("there") {
        let said = basement.refused(&["link", "worker2", "--delay", "5ms"]);
        assert!(said.contains("its module is sch_netem"), "{said}");
    }
    basement.lab(&["link", "worker2", "--down"]);
    basement.lab(&["link", "worker2", "--clear"]);
    assert_eq!(reached(), "yes");
    let said = basement.refused(&["link", "worker2", "--loss", "31%"]);
    assert!(said.contains("at most 30%"), "{said}");
}

/// Somebody gets a kubeconfig, may do what was said and nothing else, and loses it.
fn users_come_and_go(basement: &Basement) {
    let words =
        ["kubeconfig", "--user", "anna", "--may", "view", "--namespace", "default", "--life", "2h"];
    let given = basement.lab_says(&words);
    assert!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    let kubeconfig = String::from_utf8(given.stdout).unwrap();
    assert!(kubeconfig.contains("namespace: \"default\""), "{kubeconfig}");
    basement.on("main", &format!("umask 077; cat > /run/anna <<'END'\n{kubeconfig}\nEND"));
    let may = |what: &str| {
        let ask = format!(
            "kubectl --kubeconfig=/run/anna {what} >/dev/null 2>&1 && echo may || echo may not"
        );
        basement.on("main", &ask).trim().to_owned()
    };
    assert_eq!(may("get pods"), "may");
    for forbidden in ["get secrets", "get pods -n kube-system", "get nodes", "create configmap x"] {
        assert_eq!(may(forbidden), "may not", "{forbidden}");
    }
    let subject = "sed -n 's/.*client-certificate-data: //p' /run/anna | base64 -d | openssl x509 -noout -subject -checkend 7500 2>&1 || true";
    let said = basement.on("main", subject);
    assert!(said.contains("CN = anna") && said.contains("will expire"), "{said}");
    let said = basement.refused(&["kubeconfig", "--user", "kube-apiserver-kubelet-client"]);
    assert!(said.contains("is a name that a program of the cluster has"), "{said}");
    let said = basement.refused(&["kubeconfig", "--user", "bob", "--may", "nothing"]);
    assert!(said.contains("clusterroles") && said.contains("not found"), "{said}");
    let said = basement.lab(&["kubeconfig", "--revoke", "anna"]);
    assert!(said.contains("rolebinding.rbac.authorization.k8s.io/lab-user:anna:view"), "{said}");
    assert_eq!(may("get pods"), "may not");
    let said = basement.lab(&["kubeconfig", "--revoke", "anna"]);
    assert!(said.contains("nothing was bound to anna"), "{said}");
    basement.on("main", "rm /run/anna");
}

/// What is in one picture and not in the other.
fn difference(before: &str, after: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (lines(before), lines(after));
    let gone = before.difference(&after).map(|line| format!("- {line}\n"));
    let came = after.difference(&before).map(|line| format!("+ {line}\n"));
    gone.chain(came).collect()
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn machines_that_exist_become_a_cluster_and_are_given_back_as_they_were() {
    let basement = Basement::new();
    basement.on("worker1", REPOSITORY);
    basement.on("worker1", "hostname box17");
    // One of another name, and one with a file of its own where a stage has one.
    basement.on(
        "main",
        "printf '# mine\\n' >/etc/sysctl.d/90-lab.conf; chmod 600 /etc/sysctl.d/90-lab.conf",
    );
    let before = basement.pictures();

    basement.say("the machines are there");
    // Nothing is done to machines that cannot become nodes, or are not those that were meant.
    basement.on(
        "main",
        "systemd-run --quiet --collect --unit=squatter socat TCP-LISTEN:8443,reuseaddr,fork /dev/null",
    );
    let said = basement.refused(&["up"]);
    assert!(
        said.contains("error[L1011]") && said.contains("port 8443 is taken by socat"),
        "{said}"
    );
    basement.on("main", "systemctl stop squatter");
    basement.say("a port that is taken is refused");
    let topology = basement.topology();
    let stranger = SshKeys::public(&generate_ssh_key().unwrap()).unwrap();
    let known = SshKeys::public(&basement.keys.hosts["main"]).unwrap();
    basement.write(&topology.replace(&known, &stranger));
    let said = basement.refused(&["up"]);
    assert!(said.contains("error[L1002]") && said.contains("known_hosts"), "{said}");
    basement.write(&topology);
    basement.say("another host key is refused");
    let id = basement.on("worker2", "cat /etc/machine-id").trim().to_owned();
    basement.on("worker1", "cp /etc/machine-id /root/id");
    basement.on("worker1", &format!("echo {id} >/etc/machine-id"));
    let said = basement.refused(&["up"]);
    assert!(said.contains("worker1 and worker2: both have the same /etc/machine-id"), "{said}");
    basement.on("worker1", "cat /root/id >/etc/machine-id; rm /root/id");
    basement.say("twins are refused");
    // Of one nobody knows the host key: it is shown to a person, and to nobody else.
    let known_hosts = basement.home.path().join("keys/known_hosts");
    let known = fs::read_to_string(&known_hosts).unwrap();
    let of_worker1 = known.lines().find(|line| line.starts_with("10.249.0.31")).unwrap();
    fs::write(&known_hosts, format!("{of_worker1}\n")).unwrap();
    let said = basement.refused(&["up"]);
    assert!(said.contains("error[L1010]") && said.contains("ssh-keyscan"), "{said}");
    basement.say("an unknown host key is refused");
    let mut terminal = Terminal::run(basement.command(&["inspect", "worker2"]));
    terminal.until(|rows| rows.iter().any(|row| row.contains("[y/N]")));
    let shown = terminal.rows().join("\n");
    assert!(shown.contains("worker2 at 10.249.0.32") && shown.contains("SHA256:"), "{shown}");
    terminal.press(b"y\n");
    terminal.until(|rows| rows.iter().any(|row| row.contains("0 failed")));
    let now = fs::read_to_string(&known_hosts).unwrap();
    assert_eq!(now.trim(), known.trim());
    basement.write(&topology);
    for (before, after) in before.iter().zip(basement.pictures()) {
        assert_eq!(difference(before, &after), "");
    }

    basement.say("nothing was changed so far");
    basement.killed_at("ok worker1        os");
    let said = basement.lab(&["up"]);
    assert!(said.contains("the lab 'basement' is up"), "{said}");
    basement.say("up, after it was killed in the middle");
    let said = basement.lab(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
    basement.say("nothing to do");
    let said = basement.lab(&["verify"]);
    assert!(said.contains(" 0 failed, 0 missing"), "{said}");
    let nodes = basement.lab(&["kubectl", "get", "nodes", "--no-headers"]);
    assert_eq!(nodes.matches(" Ready ").count(), 2, "{nodes}");
    assert!(nodes.contains("worker1") && !nodes.contains("box17"), "{nodes}");
    assert_eq!(basement.on("worker1", "cat /usr/share/ethtool/file"), "of ethtool\n");
    let said = basement.refused(&["snapshot", "create", "first"]);
    assert!(said.contains("the provider existing has no snapshots"), "{said}");

    let main: Vec<u16> = open_to_all(&basement.hall, "10.249.0.11");
    assert_eq!(main, [22, 8443]);
    users_come_and_go(&basement);
    a_link_is_cut_and_whole_again(&basement);
    basement.say("every check passes");
    course::a_lesson_is_done(&basement);
    // Another lab does not take them.
    basement.write(&topology.replace("name: basement", "name: attic"));
    let said = basement.refused(&["up"]);
    assert!(said.contains("it is a node of the lab basement"), "{said}");

    basement.say("another lab does not take them");
    // A node less: its machine is given back, and the cluster serves.
    let fewer = topology.replace(
        "count: 2, addresses: [10.249.0.31, 10.249.0.32]",
        "count: 1, addresses: [10.249.0.31]",
    );
    basement.write(&fewer);
    let said = basement.refused(&["up"]);
    assert!(said.contains("what lab put on worker2 would be removed there"), "{said}");
    let said = basement.lab(&["up", "--yes"]);
    assert!(said.contains("give back"), "{said}");
    assert_eq!(difference(&before[2], &basement.on("worker2", PICTURE)), "");
    let nodes = basement.lab(&["kubectl", "get", "nodes", "--no-headers"]);
    assert!(!nodes.contains("worker2") && nodes.contains("worker1"), "{nodes}");

    basement.say("one is given back as it was");
    let said = basement.lab(&["down"]);
    assert!(said.contains("the lab 'basement' is gone"), "{said}");
    let said = basement.lab(&["down"]);
    assert!(said.contains("nothing to do"), "{said}");
    for (before, after) in before.iter().zip(basement.pictures()) {
        assert_eq!(difference(before, &after), "");
    }
}
