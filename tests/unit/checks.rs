//! Scripts of checks, run by a shell, with what they ask answered from files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::engine::Session;
use lab::kubernetes::checks::{Check, Plan};
use lab::kubernetes::{DEFAULT, Step};

use crate::rig::secrets::Secrets;
use crate::rig::{self, program};

/// What counts as news.
const SINCE: &str = "2026-11-22T22:30:00Z";
const OLD: &str = "2026-11-22T22:26:00Z";
const NEW: &str = "2026-11-22T22:40:00Z";

const TWO_WORKERS: &str = "name: two\nnetwork: {cidr: 10.9.0.0/24}\nnodes:\n  \
    controller: {roles: [etcd, control-plane]}\n  worker: {count: 2, roles: [worker]}\n";

/// Answers with the file that has the name of the last part of what is asked for.
const KUBECTL: &str =
    "#!/bin/sh\nfor last; do :; done\ncat \"$(dirname \"$0\")/${last##*/}.json\"\n";

/// Everything that is checked of a lab.
fn checks(session: &Session) -> Plan {
    session.flavour().checks(&session.lab, &session.templates).unwrap()
}

/// The question whether all nodes are ready that ends a restore.
fn all_ready(session: &Session, restarted: &[&str]) -> Check {
    let flavour = session.flavour();
    let all = flavour.restored(&session.lab, &session.templates, &|_| true, restarted).unwrap();
    all.into_iter().find(|check| check.name == "nodes-ready").unwrap()
}

/// A node as an API server lists it, with most of what it is left away.
fn node(name: &str, ready: &str, said: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","uid":"a","labels":{{"name":"worker1"}}}},"status":{{"conditions":[{{"type":"PIDPressure","status":"False","lastHeartbeatTime":"{NEW}"}},{{"type":"Ready","status":"{ready}","lastHeartbeatTime":"{said}"}}]}}}}"#
    )
}

/// A shell in whose path `dir` comes first.
fn shell(dir: &Path, script: &str) -> Command {
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-euc", script]).env("PATH", path);
    command
}

struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    fn new(nodes: &[String], leases: &[&str]) -> Self {
        let dir = rig::home();
        let list = |kind: &str, items: &str| {
            format!(r#"{{"kind":"{kind}","metadata":{{"resourceVersion":"9"}},"items":[{items}]}}"#)
        };
        let lease = |renewed: &&str| format!(r#"{{"spec":{{"renewTime":"{renewed}"}}}}"#);
        let leases: Vec<String> = leases.iter().map(lease).collect();
        let files = [
            ("nodes.json", list("NodeList", &nodes.join(","))),
            ("leases.json", list("LeaseList", &leases.join(","))),
        ];
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        program(&dir.path().join("kubectl"), KUBECTL);
        Self { dir }
    }

    /// Whether all are ready, as somebody sees it who started `restarted` anew.
    fn is_ready(&self, restarted: &[&str]) -> bool {
        let home = rig::home();
        let session = rig::session(TWO_WORKERS, home.path());
        let path: &Path = self.dir.path();
        let script = all_ready(&session, restarted).script;
        let script = script.replace("/run/lab-", &format!("{}/lab-", path.display()));
        let seconds = Command::new("date").args(["-d", SINCE, "+%s"]).output().unwrap().stdout;
        let since = String::from_utf8(seconds).unwrap();
        let told = shell(path, &script).env("LAB_SINCE", since.trim()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&told.stderr), "");
        told.status.success()
    }
}

#[test]
fn a_node_is_ready_when_it_said_so_and_was_heard_of() {
    let nodes = [node("worker1", "True", OLD), node("worker2", "True", NEW)];
    let fresh = [NEW, NEW];
    // Who goes on need not repeat itself; who was started anew must.
    let cluster = Cluster::new(&nodes, &fresh);
    assert!(cluster.is_ready(&[]) && cluster.is_ready(&["worker2"]));
    assert!(!cluster.is_ready(&["worker1"]) && !cluster.is_ready(&["worker1", "worker2"]));
    // A part of a name is not a name.
    assert!(cluster.is_ready(&["worker11", "orker1", "worker"]));

    assert!(!Cluster::new(&nodes, &[NEW, OLD]).is_ready(&[]), "one was not heard of");
    for said in ["False", "Unknown"] {
        let nodes = [node("worker1", "True", NEW), node("worker2", said, NEW)];
        assert!(!Cluster::new(&nodes, &fresh).is_ready(&[]), "{said}");
    }
}

/// Lists what is in the file `namespaces`, when the end of a line is asked for in the way that kubectl
/// understands, and writes down what it is told to delete.
const NAMESPACES: &str = "#!/bin/sh\ncase \" $* \" in\n\
    *' get namespaces -l app.kubernetes.io/managed-by=lab '*'{\"\\n\"}{end} '*) cat \"$(dirname \"$0\")/namespaces\";;\n\
    *' delete namespaces '*) echo \"${*#* delete namespaces }\" > \"$(dirname \"$0\")/deleted\";;\n\
    *) exit 1;;\nesac\n";

#[test]
fn checks_clear_away_what_they_made_and_what_killed_runs_left_an_hour_ago() {
    let home = rig::home();
    let session = rig::session(TWO_WORKERS, home.path());
    let script = checks(&session).afterwards.unwrap().script;
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap().stdout;
    let now = String::from_utf8(now).unwrap();
    let (now, long_ago) = (now.trim(), "2020-02-20T20:20:20Z");
    let dir = home.path();
    let namespaces = format!(
        "lab-check-00000001 {long_ago}\nlab-secret-00000002 {long_ago}\nlab-check-00000003 {now}\n\
         lab-failover-00000004 {long_ago}\nlab-check-mine {long_ago}\nmy-lab-check-00000005 {long_ago}\n"
    );
    fs::write(dir.join("namespaces"), namespaces).unwrap();
    program(&dir.join("kubectl"), NAMESPACES);
    assert!(shell(dir, &format!("LAB_RUN=0000abcd\n{script}")).status().unwrap().success());
    let deleted = fs::read_to_string(dir.join("deleted")).unwrap();
    assert_eq!(
        deleted.trim(),
        "lab-check-0000abcd lab-check-00000001 lab-secret-00000002 --ignore-not-found --wait=false"
    );
}

/// The files of a node that is everything, in a directory of their own.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = rig::home();
        for file in files(Secrets::of) {
            let path = dir.path().join(file.path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
        }
        program(&dir.path().join("systemctl"), "#!/bin/sh\necho ${MAIN_PID:-0}\n");
        Self { dir }
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.dir.path().join(path), text).unwrap();
    }

    /// What the check of that name says of them, and whether it is content.
    fn judged(&self, name: &str, pid: u32) -> (bool, String) {
        let home = rig::home();
        let session = rig::session(&rig::shipped("single"), home.path());
        let check = checks(&session).nodes.into_iter().find(|check| check.name == name).unwrap();
        let root = self.dir.path().display().to_string();
        let mut script = check.script;
        for place in ["/etc/", "/var/lib/", "/run/lab-"] {
            script = script.replace(place, &format!("{root}{place}"));
        }
        fs::create_dir_all(self.dir.path().join("run")).unwrap();
        let told = shell(self.dir.path(), &script).env("MAIN_PID", pid.to_string()).output();
        let told = told.unwrap();
        (told.status.success(), String::from_utf8(told.stdout).unwrap())
    }

    /// The verdict of a rule of the benchmark.
    fn passes(&self, id: &str, pid: u32) -> bool {
        let said = self.judged("cis", pid).1;
        let found = said.lines().find(|line| line.starts_with(&format!("{id}\t")));
        found.unwrap_or_else(|| panic!("no {id} in {said}")).contains("\tPASS\t")
    }
}

fn files(secrets: impl Fn(&Session) -> Secrets) -> Vec<lab::model::File> {
    let home = rig::home();
    let session = rig::session(&rig::shipped("single"), home.path());
    let prepared = rig::prepared_for_real(&session, &secrets(&session));
    let node = &session.lab.nodes[0];
    let steps =
        DEFAULT.stages.iter().flat_map(|stage| prepared.steps(&session, stage, node).unwrap());
    let file = |step| match step {
        Step::File(file) => Some(file),
        _ => None,
    };
    steps.filter_map(file).collect()
}

#[test]
fn certificates_that_were_replaced_are_noticed() {
    let lab = Files::new();
    let (whole, said) = lab.judged("certificates", 0);
    assert!(whole && said.contains(" days left, "), "{said}");
    // Those of another lab, of which each is whole in itself.
    let others = files(|session| Secrets::made_anew(&session.lab));
    let other = |path: &str| {
        others.iter().find(|file| file.path == format!("/{path}")).unwrap().content.clone()
    };
    for path in [
        "etc/etcd/pki/peer.crt",
        "etc/etcd/pki/server.key",
        "etc/kubernetes/pki/apiserver.crt",
        "etc/kubernetes/pki/front-proxy-client.crt",
        "etc/kubernetes/pki/apiserver-etcd-client.key",
        "etc/kubernetes/scheduler.conf",
        "var/lib/kubelet/pki/kubelet.crt",
        "var/lib/kubelet/kubeconfig",
    ] {
        let lab = Files::new();
        lab.write(path, &other(path));
        let (whole, said) = lab.judged("certificates", 0);
        let name = path.trim_end_matches(".key").trim_end_matches(".crt");
        assert!(!whole && said.contains(name), "{path}: {said}");
        lab.write(path, "nonsense");
        assert!(!lab.judged("certificates", 0).0, "{path}");
    }
}

#[test]
fn rules_of_the_benchmark_look_at_all_that_they_name() {
    let lab = Files::new();
    for id in ["1.1.20", "1.1.21", "4.2.1", "4.2.2", "4.2.4", "4.3.1"] {
        assert!(lab.passes(id, 0), "{id}: {}", lab.judged("cis", 0).1);
    }
    let mode = |path: &str, mode: u32| {
        let path = lab.dir.path().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("etc/kubernetes/pki/etcd/ca.crt", 0o666);
    mode("etc/kubernetes/pki/sa.key", 0o640);
    assert!(!lab.passes("1.1.20", 0) && !lab.passes("1.1.21", 0));

    let proxy = "var/lib/kube-proxy/config.conf";
    let text = fs::read_to_string(lab.dir.path().join(proxy)).unwrap();
    for address in ["0.0.0.0:10249", "'[::]:10249'", "10.240.0.11:10249"] {
        lab.write(proxy, &text.replace("127.0.0.1:10249", address));
        assert!(!lab.passes("4.3.1", 0), "{address}");
    }
    // A flag goes before what the file says.
    let mut kubelet = Command::new("sh");
    kubelet.args(["-c", "read -r _", "--anonymous-auth", "--authorization-mode=AlwaysAllow"]);
    kubelet.args(["--read-only-port=10255"]).stdin(std::process::Stdio::piped());
    let mut kubelet = kubelet.spawn().unwrap();
    for id in ["4.2.1", "4.2.2", "4.2.4"] {
        assert!(!lab.passes(id, kubelet.id()), "{id}");
    }
    drop(kubelet.stdin.take());
    kubelet.wait().unwrap();
}

/// What a node with these programs says of itself.
fn vitals(etcdctl: &str, kubelet: &str) -> (lab::kubernetes::node_info::Vitals, tempfile::TempDir) {
    let (home, dir) = (rig::home(), rig::home());
    let session = rig::session(&rig::shipped("single"), home.path());
    program(&dir.path().join("etcdctl"), &format!("#!/bin/sh\necho '{etcdctl}'\n"));
    program(&dir.path().join("kubelet"), kubelet);
    let vitals = say_vitals(&session, dir.path());
    (vitals, dir)
}

fn say_vitals(session: &Session, dir: &Path) -> lab::kubernetes::node_info::Vitals {
    let place = format!("{}/", dir.display());
    let (lab, flavour) = (&session.lab, session.flavour());
    let script = flavour.node_info(lab, &session.templates, &lab.nodes[0]).unwrap();
    let script = script.replace("/usr/local/bin/", &place).replace("/run/lab-", &place);
    let told = shell(dir, &script).output().unwrap();
    lab::kubernetes::node_info::parse(&String::from_utf8(told.stdout).unwrap())
}

#[test]
fn a_node_says_who_leads_and_what_it_runs_whichever_release_it_is() {
    let kubelet = "#!/bin/sh\necho Kubernetes v1.36.2\n";
    for (status, version, leads) in [
        ("https://127.0.0.1:2379, 8e9e, 3.4.23, 20 kB, true, false, 2, 8, 8, ", "3.4.23", true),
        (
            "https://127.0.0.1:2379, 8e9e, 3.6.4, 3.6.0, 20 kB, 16 kB, 20%, 0 B, false, false, 2, 8, 8, , , false",
            "3.6.4",
            false,
        ),
    ] {
        let (vitals, _) = vitals(status, kubelet);
        assert_eq!(vitals.etcd.as_deref(), Some(version));
        assert_eq!(vitals.etcd_leader, Some(leads), "{status}");
        assert_eq!(vitals.kubernetes.as_deref(), Some("v1.36.2"));
    }
    // Asked before there is a kubelet: that is not remembered.
    let (early, dir) = vitals("", "#!/bin/sh\nexit 1\n");
    assert_eq!(early.kubernetes, None);
    program(&dir.path().join("kubelet"), kubelet);
    let home = rig::home();
    let session = rig::session(&rig::shipped("single"), home.path());
    assert_eq!(say_vitals(&session, dir.path()).kubernetes.as_deref(), Some("v1.36.2"));
}

/// Answers as a member before 3.5.10, or since, and writes down which hash it was asked for.
const MEMBER: &str = r#"#!/bin/sh
for last; do :; done
case "$last" in
*/hashkv) test -e "$(dirname "$0")/new" || exit 22;;
esac
case "$last" in
*/range) echo '{"header":{"revision":"7"}}';;
*) echo "$last" >> "$(dirname "$0")/asked"; echo '{"header":{},"hash":41}';;
esac
"#;

#[test]
fn members_hash_one_revision_whatever_that_is_called() {
    let home = rig::home();
    let session = rig::session(TWO_WORKERS, home.path());
    let check =
        checks(&session).cluster.into_iter().find(|check| check.name == "etcd-hashes").unwrap();
    for (new, wanted) in [(false, "/hash"), (true, "/hashkv")] {
        let dir = rig::home();
        program(&dir.path().join("curl"), MEMBER);
        if new {
            fs::write(dir.path().join("new"), "").unwrap();
        }
        let told = shell(dir.path(), &check.script).output().unwrap();
        assert!(told.status.success(), "{told:?}");
        let asked = fs::read_to_string(dir.path().join("asked")).unwrap();
        assert!(asked.trim().ends_with(wanted), "{asked}");
    }
}
