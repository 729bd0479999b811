//! The programs that people have beside `lab`, on real guests, with nothing but the files that it
//! writes: ssh, Ansible, kubectl; and what `lab` shows of guests.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::chapter;
use crate::rig::guests::{kill, text, tool};

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn ssh_and_ansible_reach_the_nodes() {
    chapter(|rig| {
        let home = rig.home.path();
        let config = home.join("ssh-config");
        fs::write(&config, rig.ok(&["ssh-config"])).unwrap();
        let ssh = |host: &str, command: &str| {
            let output = Command::new("ssh").arg("-F").arg(&config).args([host, command]).output();
            let output = output.unwrap();
            (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
        };
        for (host, name) in
            [("worker1", "worker1"), ("etcd1.three.lab", "etcd1"), ("10.240.0.21", "controller1")]
        {
            let (code, out, err) = ssh(host, "hostname; exit 7");
            assert_eq!((code, out.trim()), (7, name), "{err}");
        }
        // Bytes pass as they are.
        let (code, out, err) = ssh(
            "worker1",
            "head -c 1000000 /dev/urandom | tee /tmp/bytes | md5sum; md5sum < /tmp/bytes",
        );
        let sums: Vec<&str> = out.lines().collect();
        assert!(code == 0 && sums.len() == 2 && sums[0] == sums[1], "{out} {err}");
        assert!(!home.join(".ssh").exists());

        let inventory = home.join("inventory");
        fs::write(&inventory, rig.ok(&["inventory"])).unwrap();
        let output = Command::new("ansible")
            .args(["-i", inventory.to_str().unwrap(), "all", "-m", "ping", "-o"])
            .env("HOME", home)
            .env("ANSIBLE_HOST_KEY_CHECKING", "True")
            .output()
            .unwrap();
        let out = text(&output.stdout);
        assert_eq!(out.matches("SUCCESS").count(), 3, "{out} {}", text(&output.stderr));
        let hosts =
            tool("ansible", &["-i", inventory.to_str().unwrap(), "control_plane", "--list-hosts"]);
        assert!(hosts.contains("controller1") && !hosts.contains("worker1"), "{hosts}");
    });
}

/// A node that somebody renamed is not fit, and nothing else is wrong with it. That all are fit is seen by
/// README's list.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn nodes_are_inspected() {
    chapter(|rig| {
        let bad = |output: &Output| -> Vec<String> {
            let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let checks = result["checks"].as_array().unwrap();
            assert!(checks.len() > 8, "{result}");
            // Emulated guests on a busy computer may be slow to answer; that they answer is judged.
            let slow = |check: &&serde_json::Value| {
                check["name"] == "near" && check["output"].as_str().unwrap().contains("ms away")
            };
            let bad = checks.iter().filter(|check| check["verdict"] != "passed" && !slow(check));
            bad.map(|check| format!("{} {} {}", check["node"], check["name"], check["output"]))
                .collect()
        };
        rig.ok(&["ssh", "worker1", "--", "sudo hostname somebody"]);
        let one = rig.lab(&["inspect", "worker1", "-o", "json"]);
        rig.ok(&["ssh", "worker1", "--", "sudo hostname worker1"]);
        assert_eq!((one.status.code(), bad(&one).len()), (Some(1), 1), "{:?}", bad(&one));
        assert!(bad(&one)[0].contains("host-name") && bad(&one)[0].contains("somebody"));
    });
}

/// A kubectl of the person's own: inside the lab's network, and from this computer's.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn a_kubectl_of_ones_own_reaches_the_api() {
    chapter(|rig| {
        let nodes = rig.ok(&["shell", "--", "kubectl", "get", "nodes", "-o", "name"]);
        assert!(nodes.contains("node/worker1"), "{nodes}");
        let status =
            rig.lab(&["shell", "--", "sh", "-c", "ip -4 -o address show to 10.240.0.1; exit 9"]);
        assert_eq!(status.status.code(), Some(9), "{}", text(&status.stderr));
        assert!(text(&status.stdout).contains("10.240.0.1/24"), "{}", text(&status.stdout));

        let mut command = rig.command(&["forward", "0:api", "0:worker1:30080"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let ports: Vec<String> = lines
            .filter_map(|line| Some(line.strip_prefix("127.0.0.1:")?.split(' ').next()?.to_owned()))
            .take(2)
            .collect();
        let kubeconfig = rig.home.path().join("kubeconfig");
        let mut command = rig.command(&["kubeconfig", "--merge", "--local", &ports[0]]);
        let merged = command.env("KUBECONFIG", &kubeconfig).output().unwrap();
        assert!(merged.status.success(), "{}", text(&merged.stderr));
        let kubectl = PathBuf::from(std::env::var_os("LAB_ARTIFACTS").unwrap()).join("kubectl");
        let nodes = tool(
            kubectl.to_str().unwrap(),
            &[
                "--kubeconfig",
                kubeconfig.to_str().unwrap(),
                "--context",
                "lab-three",
                "get",
                "nodes",
                "-o",
                "name",
            ],
        );
        assert!(nodes.contains("node/worker1"), "{nodes}");
        let page = tool(
            "curl",
            &["-fsS", "-m", "30", &format!("http://127.0.0.1:{}/index.html", ports[1])],
        );
        assert_eq!(page.trim(), "hello from web");
        kill(&mut child);
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn logs_consoles_and_lists_show_what_nodes_say() {
    chapter(|rig| {
        let logs = rig.ok(&["logs", "kubelet", "-n", "3"]);
        assert!(logs.contains("kubelet[") && !logs.contains("etcd1 "), "{logs}");
        let logs = rig.ok(&["logs", "kube-apiserver", "etcd", "-n", "3"]);
        for node in ["etcd1", "controller1"] {
            assert!(logs.lines().any(|line| line.starts_with(node)), "{logs}");
        }
        assert!(!logs.lines().any(|line| line.starts_with("worker1")), "{logs}");
        let console = rig.ok(&["console", "worker1", "--log"]);
        assert!(console.contains("cloud-init[") && console.contains("worker1 login:"), "{console}");
        let labs = rig.json(&["list", "-o", "json"]);
        assert_eq!(labs["labs"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&labs["labs"][0]["state"], &labs["labs"][0]["running"]),
            (&"running".into(), &3.into())
        );
    });
}
