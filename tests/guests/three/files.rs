//! What is written on nodes and on this computer: valid, and no more open than it must be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::chapter;
use crate::rig::guests::text;

/// Units and their files are judged on machines; what a first boot is told, only guests can judge.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn what_cloud_init_is_told_is_valid() {
    chapter(|rig| {
        let schema = rig.ok(&["exec", "--", "sudo cloud-init schema --system"]);
        assert_eq!(schema.matches("Valid cloud-config").count(), 3, "{schema}");
        let failed = rig.ok(&["exec", "--", "systemctl --failed --no-legend --plain"]);
        assert_eq!(failed.trim(), "", "units failed");
    });
}

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn secrets_stay_secret() {
    chapter(|rig| {
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
                    // What disks stand on is nobody's secret. It has the mode it has in the cache, which
                    // releases before set to 644.
                    let is_kept =
                        dir.starts_with(state.join("bases")) && !path.ends_with("local.json");
                    let mode = meta.permissions().mode() & 0o777;
                    let is_right = if is_kept { mode & 0o022 == 0 } else { mode == 0o600 };
                    assert!(is_right, "{} has mode {mode:o}", path.display());
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
        fs::write(&host, good).unwrap();
        assert!(
            !refused.status.success() && text(&refused.stderr).contains("host key"),
            "{}",
            text(&refused.stderr)
        );
        rig.ok(&["ssh", "worker1", "--", "true"]);
    });
}
