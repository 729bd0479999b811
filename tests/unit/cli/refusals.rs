//! What is refused, with the word that helps, and before anything is made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Home, err, once_up, out};
use crate::rig;

#[test]
fn what_is_not_there_is_named() {
    let home = Home::new();
    let cases: &[(&[&str], &str)] = &[
        (&["validate"], "there is no lab.yaml here"),
        (&["validate", "-f", "thre"], "did you mean `-f three`?"),
        (&["validate", "--lab", "nobody"], "there is no lab 'nobody'"),
        (
            &["plan", "-f", "three", "--provider", "private", "--until", "etc"],
            "did you mean `etcd`?",
        ),
        (
            &["init", "--from", "nothing"],
            "choose from: bare-metal, book, kubeadm, machines, single, three, thw",
        ),
        (&["images", "rm", "beos"], "the catalogue has debian-12"),
    ];
    for (arguments, wanted) in cases {
        let output = home.lab(arguments);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}");
        assert!(err(&output).contains(wanted), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn odd_files_are_refused_and_never_hang() {
    let home = Home::new();
    fs::create_dir(home.path().join("dir.yaml")).unwrap();
    nix::unistd::mkfifo(&home.path().join("fifo.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(home.path().join("latin.yaml"), b"name: t\xe9st\n").unwrap();
    fs::write(home.path().join("large.yaml"), vec![b'#'; (1 << 20) + 10]).unwrap();
    for (file, wanted) in [
        ("dir.yaml", "not a regular file"),
        ("fifo.yaml", "not a regular file"),
        ("latin.yaml", "in line 1 is a byte 0xe9, which is not UTF-8"),
        ("large.yaml", "larger than 1 MiB"),
    ] {
        let output = home.lab(&["validate", "-f", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(err(&output).contains(wanted), "{file}: {}", err(&output));
    }
}

/// A program that asked for data is told in data why there is none, once.
#[test]
fn failures_are_data_where_data_was_asked_for() {
    let home = Home::new();
    let output = home.lab(&["status", "--lab", "nobody", "-o", "json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &said["error"]["code"]),
        (Some(2), &"L0602".into()),
        "{said}"
    );
    assert!(
        said["error"]["message"].as_str().unwrap().contains("there is no lab 'nobody'"),
        "{said}"
    );
    assert!(err(&output).contains("error[L0602]: there is no lab 'nobody'"), "{}", err(&output));
    let output = home.lab(&["stage", "show", "worker1", "nothing", "-f", "three", "-o", "yaml"]);
    assert!(out(&output).starts_with("error:\n  code: L0"), "{}", out(&output));
    fs::write(home.path().join("lab.yaml"), "name: t\n").unwrap();
    let output = home.lab(&["status", "-o", "json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said.is_array() || said["problems"].is_array(), "{said}");
}

/// However much is wrong, what is said of it has an end, and is said soon.
#[test]
fn the_problems_that_are_shown_have_an_end() {
    let home = Home::new();
    let many: String = (0..49_000).map(|n| format!("key{n}: 1\n")).collect();
    fs::write(home.path().join("many.yaml"), many).unwrap();
    let output = home.lab(&["validate", "-f", "many.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("\nand 48953 more\n"), "{}", err(&output).len());
    let output = home.lab(&["validate", "-f", "many.yaml", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["problems"].as_array().unwrap().len(), &json["more"]), (50, &48953.into()));
}

/// Two topologies of one name in two folders: whoever types a command in one of them does not mean the other.
#[test]
fn a_lab_belongs_to_the_folder_that_it_came_from() {
    let home = Home::new();
    once_up(&home);
    let text = out(&home.lab(&["init", "--from", "three"]));
    fs::create_dir(home.path().join("other")).unwrap();
    for folder in ["", "other"] {
        fs::write(home.path().join(folder).join("lab.yaml"), &text).unwrap();
    }
    let before = fs::read_to_string(home.path().join(".local/state/lab/three/lab.json")).unwrap();
    for command in [&["up"][..], &["down"], &["plan"], &["status"]] {
        let output = home.lab(&[command, &["-f", "other/lab.yaml"]].concat());
        let said = err(&output);
        assert!(output.status.code() == Some(2) && said.starts_with("error[L0710]"), "{said}");
        let other = home.path().join("other");
        assert!(said.contains(other.to_str().unwrap()) && said.contains("`--lab three`"), "{said}");
    }
    let after = fs::read_to_string(home.path().join(".local/state/lab/three/lab.json")).unwrap();
    assert_eq!(after, before);
    for told in [
        &["-f", "lab.yaml"][..],
        &["--lab", "three"],
        &["-f", "other/lab.yaml", "--lab", "three"],
        &["-f", "three"],
    ] {
        let output = home.lab(&[&["certs", "list"], told].concat());
        assert!(!err(&output).contains("L0710"), "{told:?}: {}", err(&output));
    }
    let init = err(&home.lab(&["init", "--from", "three", "--to", "new.yaml"]));
    assert!(init.contains("there is a lab 'three' already"), "{init}");
    let init = err(&home.lab(&["init", "--from", "three", "--name", "four", "--to", "four.yaml"]));
    assert!(!init.contains("already"), "{init}");
}

/// A home that several computers share: the guests are where the lab was made.
#[test]
fn a_lab_of_another_computer_is_left_alone() {
    let home = Home::new();
    once_up(&home);
    let file = home.path().join(".local/state/lab/three/lab.json");
    let mut record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    record["id"] = uuid::Uuid::from_u128(1).to_string().into();
    fs::write(&file, record.to_string()).unwrap();
    for arguments in
        [&["down", "-f", "three"][..], &["up", "-f", "three"], &["plan", "--lab", "three"]]
    {
        let output = home.lab(arguments);
        let said = err(&output);
        assert!(output.status.code() == Some(2) && said.starts_with("error[L0711]"), "{said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), record.to_string());
}

/// Whoever may write there could put keys of their own in the place of the lab's.
#[test]
fn directories_that_others_may_write_to_are_refused() {
    let home = Home::new();
    let state = home.path().join("open");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let there = state.to_str().unwrap();
    for variable in ["XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
        let output =
            home.lab_with(&["plan", "-f", "three", "--provider", "private"], &[(variable, there)]);
        let said = err(&output);
        assert!(output.status.code() == Some(2) && said.starts_with("error[L0712]"), "{said}");
        assert!(said.contains(&format!("{there} may be written by everybody")), "{said}");
    }
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn a_second_run_is_refused_at_once_and_names_the_first() {
    let home = Home::new();
    let state = home.path().join(".local/state/lab");
    let store = lab::drivers::state::Store::new(&state, "three");
    let _lock = store.lock("lab up").unwrap();
    // The lock is held until after the second run has ended: had it waited, it would not be back.
    let output = home.lab(&["up", "-f", "three", "--provider", "private"]);
    assert_eq!(output.status.code(), Some(75), "{}", err(&output));
    let said = err(&output);
    assert!(said.starts_with("error[L0701]"), "{said}");
    assert!(said.contains(&std::process::id().to_string()) && said.contains("lab up"), "{said}");
}

#[test]
fn snapshots_of_a_lab_that_never_was_are_told_so_and_make_nothing() {
    let home = Home::new();
    let lab = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["-f", "three", "--provider", "private"]);
        let output = home.lab(&all);
        (output.status.code().unwrap(), err(&output))
    };
    let (code, said) = lab(&["snapshot", "list"]);
    assert!(code == 0 && said.contains("there are no snapshots"), "{code} {said}");
    for command in [
        &["snapshot"][..],
        &["snapshot", "save", "one"],
        &["snapshot", "revert", "one"],
        &["snapshot", "rm", "one"],
    ] {
        let (code, said) = lab(command);
        assert!(
            code == 2 && said.contains("the lab 'three' was never up"),
            "{command:?} {code} {said}"
        );
    }
    let (code, said) = lab(&["down", "--keep-snapshots"]);
    assert!(code == 2 && said.contains("has no snapshots to keep"), "{code} {said}");
    let (code, said) = lab(&["up", "--from", "nothing"]);
    assert!(code == 2 && said.contains("nothing"), "{code} {said}");
    assert!(!home.path().join(".local/state/lab/three").exists());
}

#[test]
fn state_of_a_newer_lab_is_left_alone() {
    let home = Home::new();
    let dir = home.path().join(".local/state/lab/three");
    fs::create_dir_all(&dir).unwrap();
    let text = fs::read_to_string("fuzz/corpus/state/record.json").unwrap();
    let text = text.replace("\"schema_version\": 1", "\"schema_version\": 99");
    fs::write(dir.join("lab.json"), &text).unwrap();
    for command in ["up", "status", "down", "plan"] {
        let output = home.lab(&[command, "-f", "three"]);
        assert!(!output.status.success(), "{command}: {}", err(&output));
        assert!(err(&output).contains("error[L0705]"), "{command}: {}", err(&output));
        assert!(err(&output).contains("newer"), "{command}: {}", err(&output));
    }
    assert_eq!(fs::read_to_string(dir.join("lab.json")).unwrap(), text);
}

#[test]
fn artifacts_that_do_not_fit_are_refused_before_anything_is_made() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("kubectl"), "").unwrap();
    let run = |folder: &Path| {
        let folder = [("LAB_ARTIFACTS", folder.to_str().unwrap())];
        home.lab_with(&["up", "-f", "three", "--provider", "private"], &folder)
    };
    let output = run(&bin);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("kube-apiserver"), "{}", err(&output));
    let ran = home.path().join("ran");
    for name in lab::kubernetes::DEFAULT.binaries {
        let script = format!("#!/bin/sh\ntouch {}\necho Kubernetes v1.19.16\n", ran.display());
        rig::program(&bin.join(name), &script);
    }
    let output = run(&bin);
    assert!(err(&output).contains("it is no Linux program"), "{}", err(&output));
    fs::write(bin.join("version"), "v1.19.16\n").unwrap();
    let output = run(&bin);
    assert!(err(&output).contains("Kubernetes 1.19.16 is not supported"), "{}", err(&output));
    assert!(!ran.exists(), "a program was run that a topology may name");
}

/// A topology of somebody else's may name any folder: looking at it runs nothing of theirs.
#[test]
fn looking_at_a_topology_runs_nothing_that_it_names() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (bin, ran) = (home.path().join("bin"), home.path().join("ran"));
    fs::create_dir(&bin).unwrap();
    for name in lab::kubernetes::DEFAULT.binaries {
        fs::write(bin.join(name), format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let text = out(&home.lab(&["init", "--from", "single"]));
    let text = format!("{text}\nkubernetes:\n  artifacts: ./bin\n");
    fs::write(home.path().join("lab.yaml"), text).unwrap();
    for command in [
        &["plan"][..],
        &["stage", "show", "node", "worker"],
        &["validate"],
        &["status"],
        &["doctor"],
    ] {
        let mut all = command.to_vec();
        all.extend(["--engine", "private"]);
        let output = home.lab(&all);
        assert!(!ran.exists(), "{command:?} ran it: {}", err(&output));
    }
    let output = home.lab(&["plan", "--engine", "private"]);
    let said = err(&output);
    assert!(said.contains("kube-apiserver: it is no Linux program"), "{said}");
    assert!(said.contains("error[L0808]"), "{said}");
}

#[test]
fn a_lab_that_does_not_fit_is_refused_before_anything_is_made() {
    let home = Home::new();
    let text = out(&home.lab(&["init", "--from", "single"]));
    let huge = text.replace("memory: 3GiB", "memory: 900GiB");
    assert_ne!(huge, text);
    fs::write(home.path().join("lab.yaml"), huge).unwrap();
    let output = home.lab(&["up", "--provider", "private"]);
    assert_eq!(output.status.code(), Some(2));
    let said = err(&output);
    assert!(said.contains("error[L0801]"), "{said}");
    assert!(said.contains("want 921600 MiB of memory") && said.contains("--overcommit"), "{said}");
    assert!(!home.path().join("run").exists(), "an engine was started");
}

#[test]
fn logs_follow_with_f_and_still_take_a_topology() {
    let home = Home::new();
    let text = out(&home.lab(&["init", "--from", "three", "--name", "mine"]));
    fs::write(home.path().join("my.yaml"), text).unwrap();
    for arguments in [
        &["-f", "my.yaml", "--provider", "private", "logs", "-f", "worker1"][..],
        &["logs", "--file", "my.yaml", "--provider", "private", "-f", "worker1"],
        &["logs", "-f", "worker1", "--provider", "private", "--file", "my.yaml"],
    ] {
        let output = home.lab(arguments);
        assert!(err(&output).contains("the lab 'mine' was never up"), "{}", err(&output));
    }
}

#[test]
fn units_and_nodes_that_cannot_be_are_refused() {
    let home = Home::new();
    once_up(&home);
    for (arguments, wanted) in [
        (&["logs", "kubelet; reboot"][..], "neither a node nor a unit"),
        (&["verify", "etc"], "did you mean `etcd`?"),
        (&["stage", "run", "worker9", "etcd"], "did you mean `worker1`?"),
        (&["stage", "run", "worker1", "etcd"], "it runs on: etcd1"),
        (&["stop", "worker9"], "did you mean `worker1`?"),
        (&["up", "--limit", "worker9"], "did you mean `worker1`?"),
        (&["plan", "--limit", "etcd1,load-balancer,x"], "has no node 'x'"),
        (&["plan", "--limit", "load-balancer"], "has such a role"),
        (&["up", "--timeout", "soon"], "like `30m`"),
        (&["up", "--timeout", "0s"], "like `30m`"),
        (&["console", "worker9"], "did you mean `worker1`?"),
        (&["console", "worker1"], "does not run"),
        (&["shell"], "does not run"),
        (&["forward", "6443:worker9:80"], "the lab 'three' has no 'worker9'"),
        (&["forward", "worker1"], "is no way to a port"),
        (&["forward", "99999:api"], "is no way to a port"),
        (&["forward"], "does not run"),
        (&["stop", "worker1"], "it does not run"),
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--lab", "three"]);
        let output = home.lab(&all);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", err(&output));
        assert!(err(&output).contains(wanted), "{arguments:?}: {}", err(&output));
    }
    assert_eq!(home.lab(&["stop"]).status.code(), Some(2), "no node was named");
}
