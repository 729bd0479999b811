//! Files for other programs: hosts, ssh, Ansible, a person's kubeconfig.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Home, err, once_up, out, with_certificates};

#[test]
fn hosts_and_ssh_files_follow_from_the_topology() {
    let home = Home::new();
    let text = out(&home.lab(&["hosts", "-f", "three"]));
    assert!(text.contains("10.240.0.31 worker1.three.lab worker1\n"), "{text}");
    let output = home.lab(&["ssh-config", "-f", "three", "--provider", "private"]);
    assert_eq!(output.status.code(), Some(2), "there is nobody to log in to");

    once_up(&home);
    let ssh = home.path().join(".local/state/lab/three/ssh");
    fs::create_dir_all(&ssh).unwrap();
    fs::write(ssh.join("known_hosts"), "").unwrap();
    let config = home.path().join("config");
    fs::write(&config, home.lab(&["ssh-config", "--lab", "three"]).stdout).unwrap();
    let read = |host: &str| {
        let output = Command::new("ssh").arg("-G").arg("-F").arg(&config).arg(host).output();
        out(&output.expect("ssh is one of the packages that tests need"))
    };
    for host in ["worker1", "worker1.three.lab", "10.240.0.31"] {
        let text = read(host);
        assert!(text.contains("hostname 10.240.0.31\n") && text.contains("user lab\n"), "{text}");
        assert!(text.contains("stricthostkeychecking true\n"), "{text}");
        let key = format!("identityfile {}\n", ssh.join("id_ed25519").display());
        assert!(text.contains(&key), "{text}");
        assert!(text.contains("control.sock %h %p\n"), "{text}");
    }
    assert!(!read("elsewhere").contains("three"));

    let inventory = out(&home.lab(&["inventory", "--lab", "three"]));
    assert!(inventory.contains("[control_plane]\ncontroller1\n"), "{inventory}");
    assert!(inventory.contains("worker1 ansible_host=10.240.0.31\n"), "{inventory}");
    let written = fs::read(ssh.join("config")).unwrap();
    assert_eq!(written, fs::read(&config).unwrap());
    let json = home.lab(&["inventory", "--lab", "three", "-o", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["etcd"]["hosts"], serde_json::json!(["etcd1"]));
    assert_eq!(json["_meta"]["hostvars"]["etcd1"]["ansible_host"], "10.240.0.11");
}

const OWN_KUBECONFIG: &str = "\
apiVersion: v1
clusters:
- cluster: {server: 'https://work.example:6443', insecure-skip-tls-verify: true}
  name: work
contexts:
- context: {cluster: work, user: me, namespace: 'no'}
  name: work
current-context: work
kind: Config
preferences: {}
users:
- name: me
  user: {token: '0123', exec: {args: [login, '--port', '80'], env: null}}
";

#[test]
fn a_lab_comes_into_a_persons_kubeconfig_and_leaves_it() {
    let home = Home::new();
    once_up(&home);
    with_certificates(&home);
    let path = home.path().join(".kube/config");
    let read = || -> serde_json::Value {
        serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
    };
    let merge = || home.lab(&["kubeconfig", "--merge", "--local", "--lab", "three"]);

    // Where there is none, one is made, which nobody else may read.
    assert!(merge().status.success());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(read()["current-context"], "lab-three");

    fs::write(&path, OWN_KUBECONFIG).unwrap();
    let before = read();
    let output = merge();
    assert!(output.status.success() && output.stdout.is_empty(), "{}", err(&output));
    let once = fs::read_to_string(&path).unwrap();
    assert!(merge().status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), once, "a second time changes nothing");
    let merged = read();
    for list in ["clusters", "users", "contexts"] {
        assert_eq!(merged[list].as_array().unwrap().len(), 2, "{merged:#}");
        assert_eq!(merged[list][0], before[list][0]);
    }
    assert_eq!(merged["clusters"][1]["cluster"]["server"], "https://127.0.0.1:6443");
    assert_eq!(merged["contexts"][1]["context"]["user"], "lab-three");
    assert_eq!(merged["users"][0]["user"]["token"], "0123", "a text that looks like a number");

    // kubectl holds its lock; a cluster of that name is somebody else's; a file is none.
    let lock = home.path().join(".kube/config.lock");
    fs::write(&lock, "").unwrap();
    let said = err(&merge());
    assert!(said.starts_with("error[L0804]") && said.contains("somebody writes to it"), "{said}");
    fs::remove_file(&lock).unwrap();
    for (text, wanted) in [
        (
            once.replace("certificate-authority-data: ", "certificate-authority-data: AA"),
            "did not put",
        ),
        ("- a\n- b\n".into(), "no kubeconfig"),
        ("a: [b\n".into(), "merge the lab into"),
        ("a: 1e3\n".into(), "quote the value"),
    ] {
        fs::write(&path, &text).unwrap();
        let output = merge();
        assert!(!output.status.success() && err(&output).contains(wanted), "{}", err(&output));
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing was changed");
    }

    fs::write(&path, &once).unwrap();
    let output = home.lab(&["down", "--dry-run", "--lab", "three"]);
    assert!(out(&output).contains("- the context lab-three in"), "{}", out(&output));
    assert!(home.lab(&["down", "--lab", "three"]).status.success());
    let after = read();
    for list in ["clusters", "users", "contexts", "preferences", "kind"] {
        assert_eq!(after[list], before[list]);
    }
    assert_eq!(after["current-context"], "");
}

#[test]
fn what_is_missing_is_said_before_anything_begins() {
    let home = Home::new();
    let output = home.lab(&["plan", "-f", "three", "--engine", "private"]);
    let said = err(&output);
    for wanted in [
        "not here yet: image debian-12; `lab up` downloads it from https://",
        "not here yet: binary kubelet; `lab up` downloads it from https://dl.k8s.io/release/v1.36.2/",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let json = home.lab(&["plan", "-f", "three", "--engine", "private", "-o", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let missing = json["missing"].as_array().unwrap();
    assert!(missing.iter().any(|one| one["kind"] == "image" && one["name"] == "debian-12"));
    assert!(missing.iter().any(|one| one["kind"] == "binary" && one["name"] == "kubectl"));
    let told = out(&home.lab(&["doctor", "-f", "three", "--engine", "private"]));
    assert!(told.contains("image debian-12 is not on this computer"), "{told}");
    assert!(told.contains("fix: `lab up` downloads it from https://"), "{told}");
    assert!(!home.path().join(".local/state/lab/three").exists());
}

/// All keys of a lab, in one archive that nobody else may read, and back.
#[test]
fn certificates_are_kept_elsewhere_and_come_back() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let certs = |arguments: &[&str]| {
        let mut all = vec!["certs"];
        all.extend(arguments);
        all.extend(["--lab", "three"]);
        home.lab(&all)
    };
    once_up(&home);
    with_certificates(&home);
    let dir = home.path().join(".local/state/lab/three");
    fs::create_dir_all(dir.join("ssh")).unwrap();
    fs::write(dir.join("ssh/id_ed25519"), "a key\n").unwrap();
    let read = || {
        let mut all = std::collections::BTreeMap::new();
        for folder in ["pki", "ssh"] {
            for entry in fs::read_dir(dir.join(folder)).into_iter().flatten().flatten() {
                all.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
        all
    };
    let before = read();
    assert!(certs(&["backup", "keys.tar"]).status.success());
    let archive = home.path().join("keys.tar");
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);

    fs::remove_dir_all(dir.join("ssh")).unwrap();
    for file in ["ca.crt", "index.json", "encryption-key"] {
        fs::remove_file(dir.join("pki").join(file)).unwrap();
    }
    let output = certs(&["backup", "other.tar"]);
    assert!(err(&output).contains("error[L0706]"), "damaged keys were kept: {}", err(&output));
    assert!(err(&certs(&["list"])).contains("lab certs restore"));
    let output = certs(&["restore", "keys.tar"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(read(), before);
    assert!(certs(&["list"]).status.success());

    // What is none of ours changes nothing.
    let whole = fs::read(&archive).unwrap();
    fs::write(home.path().join("half.tar"), &whole[..whole.len() / 2]).unwrap();
    fs::write(home.path().join("page.tar"), "<html></html>").unwrap();
    let mut evil = tar::Builder::new(fs::File::create(home.path().join("evil.tar")).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.as_old_mut().name[..15].copy_from_slice(b"pki/../../owned");
    header.set_cksum();
    evil.append(&header, &b"x"[..]).unwrap();
    evil.finish().unwrap();
    for file in ["half.tar", "page.tar", "evil.tar", "nothing.tar"] {
        let output = certs(&["restore", file]);
        assert!(!output.status.success(), "{file}: {}", err(&output));
        assert_eq!(read(), before, "{file}");
    }
    assert!(!home.path().join(".local/state/lab/owned").exists());
}

/// Assets are locked beside a topology of one's own, and with the lab where it is a shipped one.
#[test]
fn assets_are_listed_and_locked() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in lab::kubernetes::DEFAULT.binaries {
        fs::write(bin.join(name), format!("\x7fELF {name}\0v1.36.2\0")).unwrap();
    }
    let folder = home.path().join("class");
    fs::create_dir_all(&folder).unwrap();
    let topology = out(&home.lab(&["init", "--from", "three"]));
    fs::write(folder.join("lab.yaml"), topology).unwrap();
    let artifacts = [("LAB_ARTIFACTS", bin.to_str().unwrap())];
    let assets = |words: &[&str]| {
        let arguments: Vec<&str> = ["assets"].iter().chain(words).copied().collect();
        home.lab_with(&arguments, &artifacts)
    };
    let own = ["-f", "class/lab.yaml"];
    let list = || out(&assets(&["list", own[0], own[1]]));
    assert!(list().contains("binary 1.36.2/kubelet") && list().contains("not locked yet"));
    let updated = assets(&["update", own[0], own[1]]);
    assert!(out(&updated).contains("+ binary 1.36.2/kubelet sha256:"), "{}", out(&updated));
    assert!(folder.join("lab.lock").is_file());
    assert!(!list().contains("not locked yet") && list().contains("as locked"), "{}", list());
    fs::write(bin.join("kubectl"), "\x7fELF another\0v1.36.2\0").unwrap();
    let refused = home.lab_with(&["plan", own[0], own[1]], &artifacts);
    assert!(
        err(&refused).contains("L0810") && err(&refused).contains("kubectl"),
        "{}",
        err(&refused)
    );
    assert!(list().contains("another"));
    let updated = out(&assets(&["update", own[0], own[1]]));
    assert!(
        updated.contains("- binary 1.36.2/kubectl") && updated.contains("+ binary"),
        "{updated}"
    );
    assert!(home.lab_with(&["plan", own[0], own[1]], &artifacts).status.success());
    assert!(assets(&["update", "-f", "three"]).status.success());
    assert!(home.path().join(".local/state/lab/three/lab.lock").is_file());
    assert!(!home.path().join("lab.lock").exists());
}

#[test]
fn logins_of_registries_are_read_and_shown_to_nobody() {
    let home = Home::new();
    let folder = home.path().join("class");
    fs::create_dir(&folder).unwrap();
    let three = crate::rig::shipped("three");
    fs::write(folder.join("authority.pem"), "no certificate").unwrap();
    let named = format!("{three}trusted_authorities: [./authority.pem]\n");
    fs::write(folder.join("lab.yaml"), named).unwrap();
    let file = ["-f", "class/lab.yaml"];
    let refused = home.lab(&["validate", file[0], file[1]]);
    assert!(err(&refused).contains("this is no certificate"), "{}", err(&refused));

    let text = three.replace("kubernetes:\n", "kubernetes:\n  registry_logins: logins.json\n");
    let text = if text == three {
        format!("{three}kubernetes:\n  registry_logins: logins.json\n")
    } else {
        text
    };
    fs::write(folder.join("lab.yaml"), text).unwrap();
    let show = || home.lab(&["stage", "show", "worker1", "registry-logins", file[0], file[1]]);
    let told = |what: &str| {
        let output = show();
        let text = err(&output);
        assert!(
            !output.status.success() && text.contains("L0811") && text.contains(what),
            "{text}"
        );
    };
    told("No such file");
    let logins = folder.join("logins.json");
    fs::write(&logins, r#"{"auths": {"a.example": {}}}"#).unwrap();
    fs::set_permissions(&logins, fs::Permissions::from_mode(0o644)).unwrap();
    told("others may read it");
    fs::set_permissions(&logins, fs::Permissions::from_mode(0o600)).unwrap();
    told("no login for");
    fs::write(&logins, r#"{"auths": {"a.example": {"auth": "bWU6d29yZA=="}}}"#).unwrap();
    let shown = show();
    assert!(shown.status.success(), "{}", err(&shown));
    let text = out(&shown);
    assert!(
        text.contains("/var/lib/kubelet/config.json") && !text.contains("bWU6d29yZA"),
        "{text}"
    );
    let plan = home.lab(&["plan", file[0], file[1], "-o", "json"]);
    let text = out(&plan);
    assert!(text.contains("registry-logins") && !text.contains("bWU6d29yZA"), "{text}");
}
