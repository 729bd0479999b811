//! What people say of components reaches units and files, and never what decides where a component listens, whom it
//! trusts and who it is.

use lab::model::topology;

use crate::rig;

const COMPONENTS: &[(&str, &str)] = &[
    ("etcd", "etcd"),
    ("kube-apiserver", "control-plane"),
    ("kube-controller-manager", "control-plane"),
    ("kube-scheduler", "control-plane"),
    ("kubelet", "worker"),
];

/// The unit of a component, as `lab stage show` shows it.
fn unit(name: &str, stage: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("tests/golden/thw/stage-{stage}.txt")).unwrap();
    let path = format!("/etc/systemd/system/{name}.service");
    let (_, rest) = text.split_once(&path).unwrap();
    let begun =
        rest.lines().skip_while(|line| !line.trim_start().starts_with("ExecStart=")).skip(1);
    let flags = begun.take_while(|line| line.trim_start().starts_with("--"));
    flags.map(|line| line.trim().trim_end_matches(" \\").to_owned()).collect()
}

#[test]
fn what_leads_anywhere_is_labs() {
    let mut judged = 0;
    for (component, stage) in COMPONENTS {
        for line in unit(component, stage) {
            let (flag, value) = line.trim_start_matches("--").split_once('=').unwrap();
            let leads = ["/etc/", "/var/", "/run/", "://", "10.", "127."];
            if !leads.iter().any(|part| value.contains(part)) {
                continue;
            }
            let text =
                format!("{TOPOLOGY}kubernetes: {{arguments: {{{component}: {{{flag}: x}}}}}}\n");
            let refused = topology::load(&text, &rig::owner()).unwrap_err();
            assert_eq!(refused[0].code.id, "L0423", "{component} {flag}");
            judged += 1;
        }
    }
    assert!(judged > 40, "only {judged} flags");
}

const TOPOLOGY: &str = "name: t\nnetwork: {cidr: 10.240.0.0/24}\nnodes:\n  node:\n    roles: [etcd, control-plane, worker]\n    memory: 2GiB\n";
