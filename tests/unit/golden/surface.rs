//! What people see: every command of the built binary in an empty home, its exit code and both of its
//! streams, word for word. `make golden` writes the files anew; the difference is read before it is kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::rig;

/// Name of the golden file, and what is typed, one after the other. Nothing here has a lab that is up:
/// what commands say then is held by the tests on guests and on fakes.
const SCENES: &[(&str, &[&str])] = &[
    ("no-topology", &["plan", "up", "status", "validate", "--lab book status"]),
    (
        "typing",
        &[
            "destroy",
            "version",
            "ps -a",
            "-f single plan three",
            "validate three",
            "",
            "plna",
            "up --untill os",
            "-f three up --until worke",
            "-f tree plan",
            "-o svg plan",
        ],
    ),
    ("init", &["init --from single --name mine --to lab.yaml", "init --from thee", "validate"]),
    ("plan", &["-f single plan", "-f single plan --detailed-exitcode -q", "plan --save -f single"]),
    (
        "lessons",
        &[
            "lesson",
            "lesson show who-trusts-whom",
            "lesson show who-trust-whom",
            "lesson faults",
            "lesson new mine",
            "lesson new mine",
            "lesson lint mine",
            "lesson lint yours",
            "-f kubeadm lesson start exam",
            "-f kubeadm lesson test exam --times 3",
            "-f single lesson break",
            "-f single lesson break kubelet-stoped",
            "-f single lesson status",
            "-f single lesson verify",
            "-f single lesson hint",
            "-f single lesson solve",
            "-f single lesson reset",
            "-f single lesson next",
            "-f single lesson score",
            "-f single lesson stop",
        ],
    ),
    (
        "never-up",
        &[
            "-f three status",
            "-f three verify",
            "-f three inspect",
            "-f three inspect wroker1",
            "-f three exec -- true",
            "-f three exec uptime -p",
            "-f three ssh worker1 uptime -p",
            "-f three runs",
            "-f three certs",
            "-f three ssh worker1",
            "-f three ssh wroker1",
            "-f three logs worker1",
            "-f three console worker1",
            "-f three stop worker1",
            "-f three start worker1",
            "-f three restart worker1",
            "-f three link",
            "-f three link worker1 --delay 50ms",
            "-f three link worker1 --delay fast",
            "-f three link --down",
            "-f three kubeconfig --user anna",
            "-f three kubeconfig --revoke anna",
            "-f three assets list",
            "-f three assets update",
            "-f three certs list",
            "-f three certs rotate ca",
            "-f three certs backup keys.tar",
            "-f three kubeconfig",
            "-f three kubeconfig --merge",
            "-f three kubectl get nodes",
            "-f three forward api",
            "-f three shell",
            "-f three ssh-config",
            "-f three inventory",
            "-f three runs list",
            "-f three down",
            "-f three down --dry-run",
            "-f three down --prove",
            "-f three stage run worker1 os",
        ],
    ),
    (
        "snapshots",
        &[
            "-f three snapshot",
            "-f three snapshot create",
            "-f three snapshot list",
            "-f three snapshot restore one",
            "-f three snapshot delete one",
            "-f three snapshot etcd save state",
            "-f three snapshot etcd restore state --yes",
            "-f three repair etcd",
            "-f three repair",
        ],
    ),
    (
        "stages",
        &["stage list", "-f three stage show worker1 etcd", "-f three stage show worker1 o"],
    ),
    ("hosts", &["-f three hosts", "list", "images list", "images build plan9"]),
    (
        "addons",
        &[
            "addons",
            "-f three addons list",
            "addons show traefik",
            "addons show trafik",
            "addons enable coredns",
            "-f three addons enable traefik",
            "init --from three --to lab.yaml",
            "addons enable traefik",
            "addons enable traefik",
            "addons enable mine",
            "addons disable coredns",
            "addons disable coredns",
            "addons list",
        ],
    ),
    ("graph", &["-f three graph -o mermaid"]),
    (
        "help",
        &[
            "help topics",
            "help L0801",
            "help l0901",
            "help L0310",
            "help L9999",
            "help snapshot create",
            "help snpashot",
            "schema no",
            "completion tcsh",
        ],
    ),
];

fn transcript(lines: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for line in lines {
        let output = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(line.split_whitespace())
            .current_dir(home.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path().join("run"))
            .env("LAB_PROVIDER", "private")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        text.push_str(format!("$ lab {line}").trim_end());
        text.push('\n');
        for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let stream = String::from_utf8(stream.clone()).unwrap();
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{}", steady(&stream, home.path())));
            }
        }
        text.push_str(&format!("--- exit {}\n\n", output.status.code().unwrap()));
    }
    text
}

/// The same on every computer.
fn steady(text: &str, home: &Path) -> String {
    let text = text.replace(&home.display().to_string(), "HOME");
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn every_command_says_what_it_said() {
    let mut differs = Vec::new();
    for (name, lines) in SCENES {
        let said = transcript(lines);
        assert!(!said.contains("panicked"), "{said}");
        rig::golden(&format!("surface/{name}.txt"), &said, &mut differs);
    }
    assert!(differs.is_empty(), "not as before:\n{}", differs.join("\n"));
}

/// A command that nobody typed here is a command whose words nobody read.
#[test]
fn no_command_is_left_out() {
    let help = Command::new(env!("CARGO_BIN_EXE_lab")).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let names: BTreeSet<&str> = names.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(names.len() > 25, "{names:?}");
    let typed: BTreeSet<&str> = SCENES
        .iter()
        .flat_map(|(_, lines)| lines.iter())
        .flat_map(|line| line.split_whitespace())
        .collect();
    // What differs from computer to computer has tests of its own.
    let elsewhere = BTreeSet::from(["doctor", "man"]);
    let left: Vec<_> = names.difference(&typed).filter(|name| !elsewhere.contains(*name)).collect();
    assert!(left.is_empty(), "{left:?}");
}
