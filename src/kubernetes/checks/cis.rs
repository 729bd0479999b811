//! The scored checks of the CIS Kubernetes Benchmark 1.12 on flags and files, by their numbers,
//! evaluated on the processes and files of the running nodes.
//!
//! Where the benchmark speaks of manifests of static pods, the unit files stand in for them.

use crate::kubernetes::checks::{Check, Judge, one};
use crate::model::{Node, Role};

/// Where a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// Flags of a unit's main process.
    Flags(&'static str),
    /// A program's YAML file, flattened to `--a.b=value` lines, and its old flags, which go before it.
    Yaml(&'static str, &'static str),
    /// Files.
    Files,
}

/// What a rule asks. The words are those of the script's functions.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Is(&'static str, &'static str),
    Item(&'static str, &'static str),
    Lacks(&'static str, &'static str),
    Absent(&'static str),
    Present(&'static str),
    Least(&'static str, u32),
    Starts(&'static str, &'static str),
    Mode(&'static str, &'static str),
    Owner(&'static str, &'static str),
    /// A directory, a pattern of names, the mode: of all files below.
    Modes(&'static str, &'static str, &'static str),
    /// A directory and who owns it and all that is below.
    Owners(&'static str, &'static str),
}

struct Rule {
    id: &'static str,
    role: Role,
    on: On,
    ask: Ask,
    title: &'static str,
}

const fn rule(id: &'static str, role: Role, on: On, ask: Ask, title: &'static str) -> Rule {
    Rule { id, role, on, ask, title }
}

use Ask::{Absent, Is, Item, Lacks, Least, Mode, Modes, Owner, Owners, Present, Starts};
use On::{Files, Flags, Yaml};
use Role::{ControlPlane as C, Etcd as E, Worker as W};

const API: On = Flags("kube-apiserver");
const MANAGER: On = Flags("kube-controller-manager");
const SCHEDULER: On = Flags("kube-scheduler");
const ETCD: On = Flags("etcd");
const KUBELET: On = Yaml("kubelet", "/var/lib/kubelet/config.yaml");
const PROXY: On = Yaml("kube-proxy", "/var/lib/kube-proxy/config.conf");
const PKI: &str = "/etc/kubernetes/pki";
const UNITS: &str = "/etc/systemd/system";

const RULES: &[Rule] = &[
    rule("1.1.1", C, Files, Mode("kube-apiserver.service", "600"), "API server's unit: mode 600"),
    rule(
        "1.1.2",
        C,
        Files,
        Owner("kube-apiserver.service", "root:root"),
        "API server's unit: root's",
    ),
    rule(
        "1.1.3",
        C,
        Files,
        Mode("kube-controller-manager.service", "600"),
        "controller manager's unit: mode 600",
    ),
    rule(
        "1.1.4",
        C,
        Files,
        Owner("kube-controller-manager.service", "root:root"),
        "controller manager's unit: root's",
    ),
    rule("1.1.5", C, Files, Mode("kube-scheduler.service", "600"), "scheduler's unit: mode 600"),
    rule(
        "1.1.6",
        C,
        Files,
        Owner("kube-scheduler.service", "root:root"),
        "scheduler's unit: root's",
    ),
    rule("1.1.7", E, Files, Mode("etcd.service", "600"), "etcd's unit: mode 600"),
    rule("1.1.8", E, Files, Owner("etcd.service", "root:root"), "etcd's unit: root's"),
    rule("1.1.11", E, Files, Mode("/var/lib/etcd", "700"), "etcd's data: mode 700"),
    rule("1.1.12", E, Files, Owner("/var/lib/etcd", "etcd:etcd"), "etcd's data: etcd's"),
    rule("1.1.13", C, Files, Mode("/etc/kubernetes/admin.conf", "600"), "admin.conf: mode 600"),
    rule(
        "1.1.14",
        C,
        Files,
        Owner("/etc/kubernetes/admin.conf", "root:root"),
        "admin.conf: root's",
    ),
    rule(
        "1.1.15",
        C,
        Files,
        Mode("/etc/kubernetes/scheduler.conf", "600"),
        "scheduler.conf: mode 600",
    ),
    rule(
        "1.1.16",
        C,
        Files,
        Owner("/etc/kubernetes/scheduler.conf", "root:root"),
        "scheduler.conf: root's",
    ),
    rule(
        "1.1.17",
        C,
        Files,
        Mode("/etc/kubernetes/controller-manager.conf", "600"),
        "controller-manager.conf: mode 600",
    ),
    rule(
        "1.1.18",
        C,
        Files,
        Owner("/etc/kubernetes/controller-manager.conf", "root:root"),
        "controller-manager.conf: root's",
    ),
    rule("1.1.19", C, Files, Owners(PKI, "root:root"), "certificates and keys: root's"),
    rule("1.1.20", C, Files, Modes(PKI, "*.crt", "644"), "certificates: mode 644"),
    rule("1.1.21", C, Files, Modes(PKI, "*.key", "600"), "keys: mode 600"),
    rule("1.2.1", C, API, Is("anonymous-auth", "false"), "anonymous requests are refused"),
    rule("1.2.2", C, API, Absent("token-auth-file"), "no tokens from a file"),
    rule("1.2.4", C, API, Present("kubelet-client-key"), "kubelets are asked with a certificate"),
    rule(
        "1.2.5",
        C,
        API,
        Present("kubelet-certificate-authority"),
        "kubelets' certificates are checked",
    ),
    rule("1.2.6", C, API, Lacks("authorization-mode", "AlwaysAllow"), "nothing is allowed unasked"),
    rule(
        "1.2.7",
        C,
        API,
        Item("authorization-mode", "Node"),
        "kubelets may read only what is theirs",
    ),
    rule("1.2.8", C, API, Item("authorization-mode", "RBAC"), "roles decide"),
    rule(
        "1.2.10",
        C,
        API,
        Lacks("enable-admission-plugins", "AlwaysAdmit"),
        "nothing is admitted unasked",
    ),
    rule(
        "1.2.12",
        C,
        API,
        Lacks("disable-admission-plugins", "ServiceAccount"),
        "service accounts are on",
    ),
    rule(
        "1.2.13",
        C,
        API,
        Lacks("disable-admission-plugins", "NamespaceLifecycle"),
        "namespaces are guarded",
    ),
    rule(
        "1.2.14",
        C,
        API,
        Item("enable-admission-plugins", "NodeRestriction"),
        "kubelets may change only what is theirs",
    ),
    rule("1.2.15", C, API, Is("profiling", "false"), "API server: no profiling"),
    rule("1.2.16", C, API, Present("audit-log-path"), "there is an audit log"),
    rule("1.2.17", C, API, Least("audit-log-maxage", 30), "the audit log is kept for 30 days"),
    rule("1.2.18", C, API, Least("audit-log-maxbackup", 10), "ten old audit logs are kept"),
    rule("1.2.19", C, API, Least("audit-log-maxsize", 100), "an audit log holds 100 MB"),
    rule(
        "1.2.21",
        C,
        API,
        Lacks("service-account-lookup", "false"),
        "deleted service accounts are noticed",
    ),
    rule(
        "1.2.22",
        C,
        API,
        Present("service-account-key-file"),
        "service account tokens have a key of their own",
    ),
    rule("1.2.23", C, API, Present("etcd-keyfile"), "etcd is asked with a certificate"),
    rule("1.2.24", C, API, Present("tls-private-key-file"), "the API has a certificate"),
    rule("1.2.25", C, API, Present("client-ca-file"), "clients' certificates are checked"),
    rule("1.2.26", C, API, Present("etcd-cafile"), "etcd's certificates are checked"),
    rule("1.2.27", C, API, Present("encryption-provider-config"), "Secrets are encrypted at rest"),
    rule(
        "1.2.30",
        C,
        API,
        Is("service-account-extend-token-expiration", "false"),
        "tokens end when they say",
    ),
    rule("1.3.2", C, MANAGER, Is("profiling", "false"), "controller manager: no profiling"),
    rule(
        "1.3.3",
        C,
        MANAGER,
        Is("use-service-account-credentials", "true"),
        "each controller has its own account",
    ),
    rule(
        "1.3.4",
        C,
        MANAGER,
        Present("service-account-private-key-file"),
        "tokens are signed with their own key",
    ),
    rule("1.3.5", C, MANAGER, Present("root-ca-file"), "pods learn the authority"),
    rule(
        "1.3.6",
        C,
        MANAGER,
        Lacks("feature-gates", "RotateKubeletServerCertificate=false"),
        "kubelets' certificates may rotate",
    ),
    rule(
        "1.3.7",
        C,
        MANAGER,
        Is("bind-address", "127.0.0.1"),
        "controller manager serves its node alone",
    ),
    rule("1.4.1", C, SCHEDULER, Is("profiling", "false"), "scheduler: no profiling"),
    rule("1.4.2", C, SCHEDULER, Is("bind-address", "127.0.0.1"), "scheduler serves its node alone"),
    rule("2.1", E, ETCD, Present("key-file"), "etcd has a certificate"),
    rule("2.2", E, ETCD, Is("client-cert-auth", "true"), "etcd wants a certificate of clients"),
    rule(
        "2.3",
        E,
        ETCD,
        Lacks("auto-tls", "true"),
        "etcd makes no certificate of its own for clients",
    ),
    rule("2.4", E, ETCD, Present("peer-key-file"), "members have certificates"),
    rule(
        "2.5",
        E,
        ETCD,
        Is("peer-client-cert-auth", "true"),
        "members want certificates of each other",
    ),
    rule(
        "2.6",
        E,
        ETCD,
        Lacks("peer-auto-tls", "true"),
        "etcd makes no certificate of its own for members",
    ),
    rule(
        "2.7",
        E,
        ETCD,
        Is("trusted-ca-file", "/etc/etcd/pki/ca.crt"),
        "etcd has an authority of its own",
    ),
    rule("4.1.1", W, Files, Mode("kubelet.service", "600"), "kubelet's unit: mode 600"),
    rule("4.1.2", W, Files, Owner("kubelet.service", "root:root"), "kubelet's unit: root's"),
    rule(
        "4.1.3",
        W,
        Files,
        Mode("/var/lib/kube-proxy/kubeconfig", "600"),
        "kube-proxy's kubeconfig: mode 600",
    ),
    rule(
        "4.1.4",
        W,
        Files,
        Owner("/var/lib/kube-proxy/kubeconfig", "root:root"),
        "kube-proxy's kubeconfig: root's",
    ),
    rule(
        "4.1.5",
        W,
        Files,
        Mode("/var/lib/kubelet/kubeconfig", "600"),
        "kubelet's kubeconfig: mode 600",
    ),
    rule(
        "4.1.6",
        W,
        Files,
        Owner("/var/lib/kubelet/kubeconfig", "root:root"),
        "kubelet's kubeconfig: root's",
    ),
    rule(
        "4.1.7",
        W,
        Files,
        Mode("/etc/kubernetes/pki/ca.crt", "644"),
        "authority's certificate: mode 644",
    ),
    rule(
        "4.1.8",
        W,
        Files,
        Owner("/etc/kubernetes/pki/ca.crt", "root:root"),
        "authority's certificate: root's",
    ),
    rule(
        "4.1.9",
        W,
        Files,
        Mode("/var/lib/kubelet/config.yaml", "600"),
        "kubelet's configuration: mode 600",
    ),
    rule(
        "4.1.10",
        W,
        Files,
        Owner("/var/lib/kubelet/config.yaml", "root:root"),
        "kubelet's configuration: root's",
    ),
    rule(
        "4.2.1",
        W,
        KUBELET,
        Is("authentication.anonymous.enabled", "false"),
        "kubelets refuse anonymous requests",
    ),
    rule(
        "4.2.2",
        W,
        KUBELET,
        Is("authorization.mode", "Webhook"),
        "kubelets ask the API who may what",
    ),
    rule(
        "4.2.3",
        W,
        KUBELET,
        Present("authentication.x509.clientCAFile"),
        "kubelets check clients' certificates",
    ),
    rule("4.2.4", W, KUBELET, Is("readOnlyPort", "0"), "kubelets have no port without login"),
    rule(
        "4.2.6",
        W,
        KUBELET,
        Lacks("makeIPTablesUtilChains", "false"),
        "kubelets keep their firewall chains",
    ),
    rule(
        "4.2.10",
        W,
        KUBELET,
        Lacks("rotateCertificates", "false"),
        "kubelets' certificates may rotate",
    ),
    rule(
        "4.3.1",
        W,
        PROXY,
        Starts("metricsBindAddress", "127.0.0.1:"),
        "kube-proxy's metrics are the node's alone",
    ),
];

/// Functions of the script: each prints number, verdict and what was seen, separated by tabs.
const FUNCTIONS: &str = r#"tab=$(printf '\t')
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }
value() { printf '%s\n' "$lines" | sed -n "s|^--$1=||p" | tail -n 1; }
verdict() { if test "$2" = 0; then say "$1" PASS "$3"; else say "$1" FAIL "$3"; fi; }
Is() { v=$(value "$2"); test "$v" = "$3"; verdict "$1" $? "$2 is ${v:-not set}"; }
Item() { v=$(value "$2"); case ",$v," in *",$3,"*) r=0;; *) r=1;; esac; verdict "$1" $r "$2 is ${v:-not set}"; }
Lacks() { v=$(value "$2"); case ",$v," in *",$3,"*) r=1;; *) r=0;; esac; verdict "$1" $r "$2 is ${v:-not set}"; }
Absent() { v=$(value "$2"); test -z "$v"; verdict "$1" $? "$2 is ${v:-not set}"; }
Present() { v=$(value "$2"); test -n "$v"; verdict "$1" $? "$2 is ${v:-not set}"; }
Least() { v=$(value "$2"); test "${v:-0}" -ge "$3"; verdict "$1" $? "$2 is ${v:-not set}"; }
Starts() { v=$(value "$2"); case "$v" in ""|"$3"*) r=0;; *) r=1;; esac; verdict "$1" $r "$2 is ${v:-not set}"; }
Modes() {
  if test -z "$(find "$2" -name "$3" 2>/dev/null | head -n 1)"; then say "$1" FAIL "$2/$3 is missing"; return; fi
  bad=$(find "$2" -name "$3" -perm "/$(printf %o $((~0$4 & 0777)))" -printf ' %p is %m' | head -c 400)
  test -z "$bad"; verdict "$1" $? "${bad:-$2/$3}"
}
Owners() {
  if ! test -d "$2"; then say "$1" FAIL "$2 is missing"; return; fi
  bad=$(find "$2" '(' ! -user "${3%:*}" -o ! -group "${3#*:}" ')' -printf ' %p is %u:%g' | head -c 400)
  test -z "$bad"; verdict "$1" $? "${bad:-$2 is $3}"
}
Mode() {
  bad=
  for f in $2; do
    m=$(stat -c %a "$f" 2>/dev/null) || { bad="$bad $f is missing"; continue; }
    test $((0$m & ~0$3 & 0777)) -eq 0 || bad="$bad $f is $m"
  done
  test -z "$bad"; verdict "$1" $? "${bad:-$2}"
}
Owner() { o=$(stat -c %U:%G "$2" 2>/dev/null); test "$o" = "$3"; verdict "$1" $? "$2 is ${o:-missing}"; }
flags() {
  pid=$(systemctl show -p MainPID --value "$1.service")
  lines=$(tr '\0' '\n' < "/proc/$pid/cmdline" 2>/dev/null | sed 's/^\(--[a-z0-9-]*\)$/\1=true/')
}
yaml() {
  flags "$1"
  old=$(printf '%s\n' "$lines" | sed -n 's/^--anonymous-auth=/--authentication.anonymous.enabled=/p
    s/^--authorization-mode=/--authorization.mode=/p; s/^--client-ca-file=/--authentication.x509.clientCAFile=/p
    s/^--read-only-port=/--readOnlyPort=/p; s/^--make-iptables-util-chains=/--makeIPTablesUtilChains=/p
    s/^--rotate-certificates=/--rotateCertificates=/p; s/^--metrics-bind-address=/--metricsBindAddress=/p')
  lines=$(awk '/^ *[A-Za-z0-9]+:/ { match($0, /^ */); d = RLENGTH / 2; k = $1; sub(/:.*/, "", k); p[d] = k
    path = p[0]; for (i = 1; i <= d; i++) path = path "." p[i]
    v = $0; sub(/^[^:]*: */, "", v); gsub(/"/, "", v); print "--" path "=" v }' "$2" 2>/dev/null; printf '%s\n' "$old")
}
set +e
"#;

/// The rules for one node as one check of many verdicts.
pub(crate) fn check(node: &Node) -> Option<Check> {
    let mut script = String::from(FUNCTIONS);
    let mut last = Files;
    for rule in RULES.iter().filter(|rule| node.is(rule.role)) {
        if rule.on != last {
            last = rule.on;
            match rule.on {
                Flags(unit) => script.push_str(&format!("flags {unit}\n")),
                Yaml(unit, path) => script.push_str(&format!("yaml {unit} {path}\n")),
                Files => {}
            }
        }
        script.push_str(&call(rule));
    }
    if script.len() == FUNCTIONS.len() {
        return None;
    }
    let proves = "flags and files are as the CIS Benchmark 1.12 asks";
    let mut check = one("cis", node, proves, &script, "the unit or file that the line names");
    check.judge = Judge::Verdicts;
    Some(check)
}

fn call(rule: &Rule) -> String {
    let id = rule.id;
    // Units are named without their directory.
    let place = |path: &str| match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{UNITS}/{path}"),
    };
    match rule.ask {
        Is(flag, value) => format!("Is {id} {flag} {value}\n"),
        Item(flag, value) => format!("Item {id} {flag} {value}\n"),
        Lacks(flag, value) => format!("Lacks {id} {flag} {value}\n"),
        Absent(flag) => format!("Absent {id} {flag}\n"),
        Present(flag) => format!("Present {id} {flag}\n"),
        Least(flag, least) => format!("Least {id} {flag} {least}\n"),
        Starts(flag, start) => format!("Starts {id} {flag} {start}\n"),
        Modes(path, names, mode) => format!("Modes {id} {path} '{names}' {mode}\n"),
        Owners(path, owner) => format!("Owners {id} {path} {owner}\n"),
        Mode(path, mode) => format!("Mode {id} '{}' {mode}\n", place(path)),
        Owner(path, owner) => format!("Owner {id} {} {owner}\n", place(path)),
    }
}

/// What the rule of that number says.
pub fn title(id: &str) -> Option<&'static str> {
    RULES.iter().find(|rule| rule.id == id).map(|rule| rule.title)
}

/// How many rules a node has to satisfy.
pub fn count(node: &Node) -> usize {
    RULES.iter().filter(|rule| node.is(rule.role)).count()
}
