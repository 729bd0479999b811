//! The whole way on real guests: `three` under a private libvirt, from nothing to a Ready cluster
//! and a running pod, killed in the middle, run again, verified, and taken down without a trace.
//!
//! `make test` runs this; it needs root, an image and the Kubernetes binaries, all of which
//! `scripts/prepare.sh` brings. What is missing is an error, not a reason to skip.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "rig/chapters.rs"]
mod chapters;
#[path = "rig/dns_image.rs"]
mod dns_image;
#[path = "rig/documents.rs"]
mod documents;
#[path = "rig/frozen.rs"]
mod frozen;
#[path = "rig/guests.rs"]
mod guests;
#[path = "rig/random.rs"]
mod random;
#[path = "rig/tools.rs"]
mod tools;
#[path = "rig/traces.rs"]
mod traces;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use guests::{LAB, Rig, text, tool};
use lab::drivers::provider::Power;
use lab::drivers::provider::libvirt::Libvirt;
use traces::{differences_that_stay, traces};

fn is_started(event: &serde_json::Value, task: &str) -> bool {
    event["event"] == "started" && event["task"] == task
}

/// Times of change of everything that stages write, by node.
fn written(rig: &Rig) -> String {
    rig.ok(&["exec", "--", "sudo find /etc /var/lib/lab /var/lib/kubelet/config.yaml /usr/local -xdev -type f -printf '%p %T@ %i\\n' 2>/dev/null | sort"])
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn three_from_nothing_to_nothing() {
    let before = traces();
    let mut rig = Rig::new("three");
    dns_image::write(&rig.images());

    // Killed without warning while the guests boot; left at once, interrupted, and killed in the middle
    // of stages.
    rig.up_killed_at(|event| is_started(event, "boot"));
    rig.up_left_at(|event| is_started(event, "os"));
    rig.up_interrupted_at("etcd1", "etcd");
    rig.ok(&["up", "--until", "etcd", "--checkpoint"]);
    rig.up_killed_at(|event| is_started(event, "control-plane"));
    frozen::back_to_a_chapter(&rig);
    rig.ok(&["up"]);

    cluster_is_ready(&rig);
    names_resolve(&rig);
    tools::reach_the_nodes(&rig);
    tools::a_kubectl_of_ones_own(&rig);
    tools::show_what_nodes_say(&rig);
    rerun_changes_nothing(&rig);
    a_lost_marker_reruns_one_stage(&rig);
    an_interrupted_verify(&rig);
    one_stage_by_hand(&rig);
    // What takes long to mend is broken by `make test-full`.
    chapters::are_as_told(
        &rig,
        &rig.resolved(),
        &["os", "runtime", "pod-network", "worker", "addons"],
    );
    generated_files_pass_their_checkers(&rig);
    secrets_stay_secret(&rig);
    frozen::the_whole_lab(&rig);
    a_worker_comes_and_goes(&mut rig);
    nodes_survive_a_power_loss(&rig);

    let listed = rig.ok(&["down", "--dry-run"]);
    assert!(listed.contains("private libvirt"), "{listed}");
    let proof = rig.lab(&["down", "--prove"]);
    let (out, said) = (text(&proof.stdout), text(&proof.stderr));
    assert!(proof.status.success() && said.contains("no difference"), "{out}\n{said}");
    let again = rig.lab(&["down"]);
    assert!(again.status.success() && text(&again.stderr).contains("nothing to do"));
    let left: Vec<_> = ["state", "run"]
        .iter()
        .filter(|dir| rig.home.path().join(dir).join("lab").exists())
        .collect();
    assert!(left.is_empty(), "{left:?} stayed");
    let found = differences_that_stay(&before);
    assert!(found.is_empty(), "{found:#?}");
    rig.say("the computer is as it was");
}

fn cluster_is_ready(rig: &Rig) {
    let status = rig.json(&["status", "-o", "json"]);
    for node in status["nodes"].as_array().unwrap() {
        assert_eq!(node["state"], "up", "{node}");
        let worker = node["roles"].as_array().unwrap().iter().any(|role| role == "worker");
        assert_eq!(node["ready"].as_bool(), worker.then_some(true), "{node}");
    }
    for stage in status["stages"].as_array().unwrap() {
        assert!(stage["missing"].as_array().unwrap().is_empty(), "{stage}");
    }
    rig.verified(&[]);
    let image = rig.ok(&[
        "kubectl",
        "-n",
        "kube-system",
        "get",
        "pods",
        "-o",
        "jsonpath={.items[*].spec.containers[*].image}",
    ]);
    assert!(image.contains(dns_image::NAME), "{image}");

    // A pod of a person's own, from a local manifest, with logs, exec and a service in front.
    let manifest = rig.home.path().join("web.yaml");
    fs::write(&manifest, WEB).unwrap();
    rig.ok(&["kubectl", "apply", "-f", manifest.to_str().unwrap()]);
    rig.ok(&["kubectl", "wait", "--for=condition=Ready", "pod/web", "--timeout=300s"]);
    let pods = rig.ok(&["kubectl", "get", "pods", "-o", "wide"]);
    assert!(pods.contains("Running") && pods.contains("worker1"), "{pods}");
    assert!(pods.contains("10.200.31."), "the pod's address is not of its worker's subnet: {pods}");
    assert!(rig.ok(&["kubectl", "logs", "web"]).contains("serving"));
    let answer = rig.ok(&[
        "kubectl",
        "exec",
        "web",
        "--",
        "wget",
        "-qO-",
        "http://127.0.0.1:8080/index.html",
    ]);
    assert_eq!(answer.trim(), "hello from web");
    // The routed pod network from another node; the service address from the worker, where
    // kube-proxy is.
    let address = rig.ok(&["kubectl", "get", "pod", "web", "-o", "jsonpath={.status.podIP}"]);
    let url = format!("curl -fsS -m 20 http://{}:8080/index.html", address.trim());
    assert_eq!(rig.ok(&["ssh", "controller1", "--", &url]).trim(), "hello from web");
    let service = rig.ok(&["kubectl", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    let url = format!(
        "curl -fsS -m 20 --retry 10 --retry-connrefused --retry-delay 1 http://{}/index.html",
        service.trim()
    );
    assert_eq!(rig.ok(&["ssh", "worker1", "--", &url]).trim(), "hello from web");
    let port = "curl -fsS -m 20 --retry 10 --retry-connrefused --retry-delay 1 http://worker1:30080/index.html";
    assert_eq!(rig.ok(&["ssh", "etcd1", "--", port]).trim(), "hello from web");
}

const WEB: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - name: web
      image: lab.local/busybox:1
      imagePullPolicy: Never
      command: [sh, -c, "echo hello from web > /index.html; echo serving; exec httpd -f -p 8080 -h /"]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
"#;

fn names_resolve(rig: &Rig) {
    // From the network's DNS, not from /etc/hosts: the whole records, both ways.
    for (name, address) in
        [("etcd1", "10.240.0.11"), ("controller1", "10.240.0.21"), ("worker1", "10.240.0.31")]
    {
        for from in ["etcd1", "worker1"] {
            let ask = |query: &str| {
                rig.ok(&["ssh", from, "--", &format!("dig +short @10.240.0.1 {query}")])
            };
            assert_eq!(ask(&format!("{name}.three.lab")).trim(), address);
            assert!(ask(&format!("-x {address}")).contains(&format!("{name}.three.lab.")));
        }
        let hosts = rig.ok(&["ssh", "worker1", "--", &format!("getent hosts {name} {address}")]);
        assert_eq!(
            hosts
                .lines()
                .filter(
                    |line| line.starts_with(address) && line.contains(&format!("{name}.three.lab"))
                )
                .count(),
            2,
            "{hosts}"
        );
    }
    let block = rig.ok(&["ssh", "worker1", "--", "cat /etc/hosts"]);
    assert_eq!(block.matches("# BEGIN lab").count(), 1, "{block}");
    assert!(block.contains("127.0.0.1 localhost"), "the rest of the file is gone: {block}");
    let own = rig.ok(&["exec", "--", "hostname; hostname -f"]);
    assert!(own.contains("worker1.three.lab"), "{own}");
}

fn rerun_changes_nothing(rig: &Rig) {
    let pids = || tool("pgrep", &["-f", "qemu-system.*three-"]);
    let (files, guests) = (written(rig), pids());
    let output = rig.lab(&["up"]);
    assert!(
        output.status.success() && text(&output.stderr).contains("nothing to do"),
        "{}",
        text(&output.stderr)
    );
    let plan = rig.lab(&["plan", "--detailed-exitcode", "-o", "json"]);
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan.stdout));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&plan.stdout).unwrap()["changes"],
        serde_json::json!([])
    );
    assert_eq!(written(rig), files, "a rerun wrote to a node");
    assert_eq!(pids(), guests, "a rerun restarted a guest");
}

fn a_lost_marker_reruns_one_stage(rig: &Rig) {
    rig.ok(&["ssh", "worker1", "--", "sudo rm /var/lib/lab/stages/pod-network"]);
    let plan = rig.json(&["plan", "-o", "json"]);
    let changes = plan["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{plan}");
    assert_eq!(
        (&changes[0]["name"], &changes[0]["node"]),
        (&"pod-network".into(), &"worker1".into())
    );
    rig.ok(&["up"]);
    let output = rig.lab(&["up"]);
    assert!(text(&output.stderr).contains("nothing to do"));
}

/// Somebody has seen enough of `verify` while its pods run: nothing of it stays.
fn an_interrupted_verify(rig: &Rig) {
    let mut command = rig.command(&["verify", "verify"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("a pod starts on every worker")));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let said: Vec<String> = lines.collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{said:?} {}", text(&output.stderr));
    assert!(text(&output.stderr).contains("is cleared away"), "{}", text(&output.stderr));
    let namespaces = rig.ok(&["kubectl", "get", "namespaces"]);
    let stays = |line: &&str| line.starts_with("lab-") && !line.contains("Terminating");
    assert_eq!(namespaces.lines().find(stays), None, "{namespaces}");
}

/// What a learner does: breaks something, has one stage judged, runs that stage on that node.
fn one_stage_by_hand(rig: &Rig) {
    rig.ok(&["ssh", "worker1", "--", "sudo systemctl stop kube-proxy"]);
    let judged = rig.lab(&["verify", "worker", "-o", "json"]);
    assert_eq!(judged.status.code(), Some(1));
    let result: serde_json::Value = serde_json::from_slice(&judged.stdout).unwrap();
    let bad: Vec<&str> = result["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] != "passed")
        .map(|check| check["proves"].as_str().unwrap())
        .collect();
    assert_eq!(bad, ["kube-proxy runs"]);
    rig.ok(&["verify", "etcd"]);
    rig.ok(&["ssh", "worker1", "--", "echo '# mine' | sudo tee -a /var/lib/kubelet/config.yaml"]);
    let plan = rig.json(&["plan", "-o", "json"]);
    let told = "changed by hand: /var/lib/kubelet/config.yaml was changed, and 1 more";
    assert_eq!(plan["changes"][0]["why"], told, "{plan}");
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan}");
    rig.ok(&["stage", "run", "worker1", "worker"]);
    rig.ok(&["verify", "worker"]);
    let output = rig.lab(&["up"]);
    assert!(text(&output.stderr).contains("nothing to do"), "{}", text(&output.stderr));
}

fn generated_files_pass_their_checkers(rig: &Rig) {
    let schema = rig.ok(&["exec", "--", "sudo cloud-init schema --system"]);
    assert_eq!(schema.matches("Valid cloud-config").count(), 3, "{schema}");
    let units = "for unit in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy lab-pod-network; do \
                 file=/etc/systemd/system/$unit.service; sudo test -e $file || continue; \
                 sudo systemd-analyze verify --man=no $file 2>&1 | grep -F /etc/systemd/system/$unit && exit 1; done; true";
    rig.ok(&["exec", "--", units]);
    rig.ok(&["ssh", "worker1", "--", "sudo nft --check -f /etc/lab/pod-network.nft && sudo jq . /etc/cni/net.d/10-lab.conflist >/dev/null"]);
    let failed = rig.ok(&["exec", "--", "systemctl --failed --no-legend --plain"]);
    assert_eq!(failed.trim(), "", "units failed");
}

fn secrets_stay_secret(rig: &Rig) {
    use std::os::unix::fs::PermissionsExt;
    let state = rig.home.path().join("state/lab/three");
    let mut todo = vec![state.clone()];
    while let Some(dir) = todo.pop() {
        if dir.ends_with("engine") {
            continue;
        }
        assert_eq!(
            fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
            0o700,
            "{}",
            dir.display()
        );
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            if meta.is_dir() {
                todo.push(path);
            } else {
                assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{}", path.display());
            }
        }
    }
    let key = fs::read_to_string(state.join("pki/ca.key")).unwrap();
    let canary = key.lines().nth(1).unwrap();
    let shown = rig.ok(&["stage", "show", "controller1", "control-plane"]) + &rig.ok(&["plan"]);
    assert!(!shown.contains("PRIVATE KEY") && !shown.contains(canary));
    for entry in fs::read_dir(state.join("runs")).unwrap().flatten() {
        let log = fs::read_to_string(entry.path()).unwrap();
        assert!(
            !log.contains("PRIVATE KEY") && !log.contains(canary),
            "{}",
            entry.path().display()
        );
    }
    // The keys of authorities never leave this computer, and no login works without a key.
    let found = rig.ok(&["exec", "--", "sudo grep -rlF -e 'x' /etc/kubernetes/pki/ca.key /etc/etcd/pki/ca.key 2>/dev/null; sudo sshd -T | grep -E '^(passwordauthentication|permitrootlogin) '"]);
    assert!(!found.contains("ca.key"), "{found}");
    assert_eq!(found.matches("passwordauthentication no").count(), 3, "{found}");
    let open = rig.ok(&["exec", "--", "sudo find /etc/kubernetes /etc/etcd /var/lib/kubelet/pki /var/lib/kubelet/kubeconfig \\( -name '*.key' -o -name '*.conf' -o -name kubeconfig -o -name 'encryption*' \\) -perm /077 2>/dev/null; true"]);
    assert_eq!(open.trim(), "", "readable by others");
    // A server key that is not the pinned one is refused, whatever answers at the address.
    let host = state.join("ssh/host-worker1");
    let good = fs::read_to_string(&host).unwrap();
    fs::copy(state.join("ssh/host-etcd1"), &host).unwrap();
    let refused = rig.lab(&["ssh", "worker1", "--", "true"]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("host key"),
        "{}",
        text(&refused.stderr)
    );
    fs::write(&host, good).unwrap();
    rig.ok(&["ssh", "worker1", "--", "true"]);
}

/// The cluster grows and shrinks by editing the topology; what serves is not restarted for it, and
/// pods of the node that leaves go on elsewhere.
fn a_worker_comes_and_goes(rig: &mut Rig) {
    let shipped = rig.shipped();
    let grown = shipped.replace("worker:\n    count: 1", "worker:\n    count: 2");
    assert_ne!(grown, shipped);
    rig.edit(&grown);
    let plan = rig.ok(&["plan"]);
    assert!(
        plan.contains("~ update network three") && plan.contains("+ create domain three-worker2")
    );
    for unwanted in ["stage etcd", "stage control-plane", "stage worker on worker1", "restart"] {
        assert!(!plan.contains(unwanted), "{plan}");
    }
    rig.ok(&["up"]);
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert_eq!(nodes.matches(" Ready ").count(), 2, "{nodes}");
    let routes = rig.ok(&["exec", "--", "ip route show proto 76"]);
    assert_eq!(routes.matches("10.200.32.0/24 via 10.240.0.32").count(), 3, "{routes}");
    rig.verified(&[]);
    rig.ok(&["kubectl", "create", "deployment", "stays", "--image=lab.local/pause:1"]);
    rig.ok(&["kubectl", "scale", "deployment/stays", "--replicas=4"]);
    rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);

    rig.edit(&shipped);
    let refused = rig.lab(&["up"]);
    let said = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("three-worker2 would be removed"),
        "{said}"
    );
    rig.ok(&["up", "--yes"]);
    let nodes = rig.ok(&["kubectl", "get", "nodes"]);
    assert!(!nodes.contains("worker2") && nodes.matches(" Ready ").count() == 1, "{nodes}");
    rig.ok(&["kubectl", "rollout", "status", "deployment/stays", "--timeout=300s"]);
    rig.ok(&["kubectl", "delete", "deployment", "stays"]);
    let left = rig.ok(&[
        "exec",
        "--",
        "ip route; cat /etc/hosts; dig +short @10.240.0.1 worker2.three.lab",
    ]);
    assert!(!left.contains("10.200.32.0") && !left.contains("10.240.0.32"), "{left}");
    let keys = rig.home.path().join("state/lab/three");
    for gone in ["ssh/host-worker2", "pki/kubelet-client-worker2.key"] {
        assert!(!keys.join(gone).exists(), "{gone} stayed");
    }
}

/// All guests lose power at once; `up` brings them back, and the cluster with them.
fn nodes_survive_a_power_loss(rig: &Rig) {
    let uri = rig.uri();
    // A definition that somebody edits is told, and is none of our business once it is as it was.
    for (memory, changes) in [("3G", 1), ("2G", 0)] {
        tool("virsh", &["-c", &uri, "setmaxmem", "three-worker1", memory, "--config"]);
        let plan = rig.json(&["plan", "-o", "json"]);
        assert_eq!(plan["changes"].as_array().unwrap().len(), changes, "{plan}");
        let why = plan["changes"][0]["why"].as_str().unwrap_or_default();
        assert!(changes == 0 || why.contains("3072 MiB of memory instead of 2048 MiB"), "{plan}");
    }
    for domain in ["three-etcd1", "three-controller1", "three-worker1"] {
        lives(&uri, domain);
        tool("virsh", &["-c", &uri, "destroy", domain]);
    }
    let plan = rig.json(&["plan", "-o", "json"]);
    let starts = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["kind"] == "start")
        .count();
    assert_eq!(starts, 3, "{plan}");
    rig.ok(&["up"]);
    let deadline = Instant::now() + Duration::from_secs(400);
    loop {
        let ready = rig.lab(&[
            "kubectl",
            "wait",
            "--for=condition=Ready",
            "pod/web",
            "node/worker1",
            "--timeout=60s",
        ]);
        if ready.status.success() {
            break;
        }
        assert!(Instant::now() < deadline, "not Ready again: {}", text(&ready.stderr));
        std::thread::sleep(Duration::from_secs(3));
    }
    let output = rig.lab(&["up"]);
    assert!(text(&output.stderr).contains("nothing to do"), "{}", text(&output.stderr));
}

/// What tells a guest that hangs is there to be seen: processor time, disk requests and packets.
fn lives(uri: &str, domain: &str) {
    let uuid = tool("virsh", &["-c", uri, "domuuid", domain]).trim().parse().unwrap();
    let seen = Libvirt::open(uri).unwrap().activity(uuid).unwrap().unwrap();
    assert!(seen.cpu > Duration::from_secs(5) && seen.io > 1000, "{domain}: {seen:?}");
}

/// A libvirt that stands for the computer's own, in namespaces that this test makes.
struct SystemLibvirt {
    dir: PathBuf,
    supervisor: Child,
}

impl SystemLibvirt {
    fn start(home: &Path) -> Self {
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

    /// Kills libvirtd, which is then started again. How many there were.
    fn kill_libvirtd(&self) -> usize {
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

    fn uri(&self) -> String {
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

    fn define(&self, kind: &str, xml: &str) {
        let file = self.dir.join("decoy.xml");
        fs::write(&file, xml).unwrap();
        self.virsh(&[kind, file.to_str().unwrap()]);
    }

    /// Names and documents of everything there is.
    fn everything(&self) -> String {
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
        guests::kill(&mut child);
        // Until the guest runs there is no console to wait at.
        std::thread::sleep(Duration::from_millis(300));
    }
    said
}

/// `doctor` tells when a firewall drops packets, and when libvirt's rules were flushed, and that all
/// is well once libvirt has written them anew.
fn firewall_is_watched(
    libvirt: &SystemLibvirt,
    inside: &str,
    grade: impl Fn(&str) -> serde_json::Value,
) {
    let iptables = |arguments: &[&str]| {
        let mut all = vec![inside, "iptables"];
        all.extend(arguments);
        tool("nsenter", &all)
    };
    assert_eq!((grade("network"), grade("forwarding")), ("good".into(), "good".into()));
    iptables(&["-P", "FORWARD", "DROP"]);
    assert_eq!(grade("forwarding"), "warning");
    iptables(&["-P", "FORWARD", "ACCEPT"]);
    for table in ["filter", "nat", "mangle"] {
        iptables(&["-t", table, "-F"]);
    }
    assert_eq!(grade("network"), "bad");
    assert_eq!(libvirt.kill_libvirtd(), 1);
    let deadline = Instant::now() + Duration::from_secs(60);
    while grade("network") != "good" {
        assert!(Instant::now() < deadline, "{}", tool("nsenter", &[inside, "iptables-save"]));
        std::thread::sleep(Duration::from_millis(300));
    }
}

const SYSTEM: &str = "name: sys
domain: sys.lab
network:
  cidr: 10.250.0.0/24
nodes:
  node:
    roles: [etcd, control-plane, worker]
    names: [alpha]
    first_address: 10.250.0.11
    memory: 512MiB
    disk: 5GiB
    user_data:
      write_files:
        - path: /var/tmp/own
          content: \"it's {{ mine }} $(id)\\n\"
kubernetes: {host_routes: true}
";

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_lab_on_the_systems_libvirt_among_decoys() {
    let rig = Rig::new("three");
    let libvirt = SystemLibvirt::start(rig.home.path());
    libvirt.define(
        "net-define",
        "<network><name>decoy</name><ip address='10.99.0.1' netmask='255.255.255.0'/></network>",
    );
    libvirt.define("define", "<domain type='qemu'><name>sys-decoy</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features></domain>");
    let before = libvirt.everything();
    assert!(before.contains("sys-decoy") && before.contains("10.99.0.1"), "{before}");

    let file = rig.home.path().join("sys.yaml");
    fs::write(&file, SYSTEM).unwrap();
    let inside = format!(
        "--net=/proc/{}/ns/net",
        fs::read_to_string(libvirt.dir.join("alive")).unwrap().trim()
    );
    let command = |arguments: &[&str]| {
        rig.say(&format!("system: lab {}", arguments.join(" ")));
        let plain = rig.command(&[]);
        let mut command = Command::new("nsenter");
        command
            .arg(&inside)
            .arg(LAB)
            .args(arguments)
            .current_dir(rig.home.path())
            .stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap());
        }
        command
            .env("LAB_PROVIDER", "system")
            .env("LAB_FILE", "sys.yaml")
            .env("LIBVIRT_DEFAULT_URI", libvirt.uri());
        command
    };
    let lab = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let ok = |arguments: &[&str]| {
        let (code, out, err) = lab(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
        out
    };

    ok(&["up", "--until", "ssh"]);
    let routes = || tool("nsenter", &[&inside, "ip", "route", "show", "proto", "76"]);
    assert_eq!(routes().lines().count(), 1, "{}", routes());
    assert!(routes().contains("10.200.11.0/24 via 10.250.0.11"), "{}", routes());
    assert_eq!(ok(&["ssh", "alpha", "--", "hostname"]).trim(), "alpha");
    assert_eq!(
        ok(&["ssh", "alpha", "--", "sudo cat /var/tmp/own"]).trim(),
        "it's {{ mine }} $(id)"
    );
    let boot = ok(&["ssh", "alpha", "--", "cat /proc/sys/kernel/random/boot_id"]);

    firewall_is_watched(&libvirt, &inside, |name| {
        let (_, out, _) = lab(&["doctor", "-o", "json"]);
        let found: serde_json::Value = serde_json::from_str(&out).unwrap();
        let all = found["findings"].as_array().unwrap();
        all.iter().find(|finding| finding["name"] == name).unwrap()["grade"].clone()
    });

    // A node more: its records come by live update, nothing that runs is restarted.
    fs::write(&file, SYSTEM.replace("[alpha]", "[alpha, beta]")).unwrap();
    let plan = ok(&["plan", "--until", "ssh"]);
    assert!(
        plan.contains("~ update network sys") && plan.contains("+ create domain sys-beta"),
        "{plan}"
    );
    assert!(!plan.contains("sys-alpha"), "{plan}");
    // Members of etcd may not change once it runs; here it never did. libvirtd is killed on the way.
    let mut up = command(&["up", "--until", "ssh", "-o", "json"]);
    let mut up = up.stdout(Stdio::piped()).spawn().unwrap();
    let mut killed = 0;
    for line in BufReader::new(up.stdout.take().unwrap()).lines() {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap_or_default();
        if event["event"] == "started"
            && ["network sys", "domain"].iter().any(|t| event["task"] == *t)
        {
            killed += libvirt.kill_libvirtd();
        }
    }
    assert!(up.wait().unwrap().success() && killed >= 1, "libvirtd was killed {killed} times");
    assert_eq!(
        ok(&["ssh", "alpha", "--", "dig +short @10.250.0.1 beta.sys.lab"]).trim(),
        "10.250.0.12"
    );
    assert!(
        ok(&["ssh", "beta", "--", "dig +short @10.250.0.1 -x 10.250.0.12"])
            .contains("beta.sys.lab.")
    );
    assert_eq!(
        ok(&["ssh", "alpha", "--", "cat /proc/sys/kernel/random/boot_id"]),
        boot,
        "alpha was restarted"
    );
    assert!(routes().contains("10.200.12.0/24 via 10.250.0.12"), "{}", routes());
    let random = ["alpha", "beta"].map(|node| {
        ok(&["ssh", node, "--", "cat /etc/machine-id; sudo cat /etc/ssh/ssh_host_ed25519_key.pub"])
    });
    assert_ne!(random[0], random[1], "the nodes share an identity");

    // Off and on again by hand, with the console read along; what others may read is not asked for.
    ok(&["stop", "alpha"]);
    let listed: serde_json::Value = serde_json::from_str(&ok(&["list", "-o", "json"])).unwrap();
    let lab_listed = &listed["labs"][0];
    assert_eq!((&lab_listed["state"], &lab_listed["running"]), (&"partly".into(), &1.into()));
    let (code, _, said) = lab(&["console", "alpha"]);
    assert!(code == 1 && said.contains("open the console of alpha"), "{code} {said}");
    let start = command(&["start", "alpha"]).spawn().unwrap();
    let console = until_it_opens(|| command(&["console", "alpha"]), "login:");
    assert!(console.contains("alpha login:"), "{console}");
    let started = start.wait_with_output().unwrap();
    assert!(started.status.success(), "{}", text(&started.stderr));
    let now = ok(&["ssh", "alpha", "--", "cat /proc/sys/kernel/random/boot_id"]);
    assert_ne!(now, boot, "alpha was not restarted");
    let boot = ok(&["ssh", "beta", "--", "cat /proc/sys/kernel/random/boot_id"]);
    ok(&["restart", "beta"]);
    assert_ne!(ok(&["ssh", "beta", "--", "cat /proc/sys/kernel/random/boot_id"]), boot);
    let config = rig.home.path().join("ssh-config");
    fs::write(&config, ok(&["ssh-config"])).unwrap();
    let config = config.to_str().unwrap();
    assert_eq!(tool("nsenter", &[&inside, "ssh", "-F", config, "beta", "hostname"]), "beta\n");

    // And a node less: only with consent.
    fs::write(&file, SYSTEM).unwrap();
    let (code, _, said) = lab(&["up", "--until", "ssh"]);
    assert!(code == 2 && said.contains("sys-beta would be removed"), "{code} {said}");
    ok(&["up", "--until", "ssh", "--yes"]);
    assert!(!libvirt.everything().contains("sys-beta"));
    assert!(!routes().contains("10.200.12.0"), "{}", routes());

    // A lab in the way of a foreign network is refused, and nothing is made.
    fs::write(
        rig.home.path().join("clash.yaml"),
        SYSTEM.replace("name: sys", "name: clash").replace("10.250.0", "10.99.0"),
    )
    .unwrap();
    let (code, _, said) = lab(&["up", "-f", "clash.yaml", "--until", "ssh"]);
    assert!(code == 2 && said.contains("overlaps the libvirt network 'decoy'"), "{code} {said}");

    // Whatever tells of the lab on this computer is lost; libvirt still knows what is whose.
    fs::remove_dir_all(rig.home.path().join("state/lab/sys")).unwrap();
    let listed = ok(&["down", "--dry-run"]);
    assert!(listed.contains("sys-alpha") && !listed.contains("decoy"), "{listed}");
    ok(&["down"]);
    assert_eq!(routes(), "");
    assert_eq!(libvirt.everything(), before, "decoys changed or something stayed");
    assert!(ok(&["down"]).is_empty());
}
