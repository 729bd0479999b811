//! The built binary in a home of its own: what it prints, where, and how it exits.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "rig/screen.rs"]
#[allow(dead_code)]
mod screen;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use screen::Terminal;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn lab(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        for variable in [
            "LAB_FILE",
            "LAB_NAME",
            "LAB_ENGINE",
            "LAB_ARTIFACTS",
            "LAB_OUTPUT",
            "KUBECONFIG",
            "XDG_STATE_HOME",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn init_writes_a_topology_that_validates() {
    let home = Home::new();
    for name in ["book", "single", "three", "thw"] {
        let output = home.lab(&["init", "--from", name, "--name", "mine"]);
        assert!(output.status.success());
        assert!(out(&output).contains("name: mine"), "{}", out(&output));
        fs::write(home.path().join("lab.yaml"), &output.stdout).unwrap();
        let output = home.lab(&["validate"]);
        assert!(output.status.success(), "{}", err(&output));
        assert!(out(&output).contains("lab 'mine'"));
    }
    let output = home.lab(&["init", "--to", "lab.yaml"]);
    assert_eq!(output.status.code(), Some(2), "an existing file is never overwritten");
    assert!(err(&output).contains("exists already"));
}

#[test]
fn init_asks_on_a_terminal_until_it_can_use_the_answers() {
    let home = Home::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.arg("init").current_dir(home.path()).env("HOME", home.path());
    command.env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME");
    let mut terminal = Terminal::run(command);
    terminal.press(b"nonsense\nsingle\nNot A Name\nmine\n10.9.8.0/99\n10.9.8.0/24\n\n");
    let (code, said) = terminal.end();
    assert_eq!(code, Some(0), "{said:#?}");
    let said = said.join("\n");
    assert!(
        said.contains("there is no 'nonsense'") && said.contains("'10.9.8.0/99' is no"),
        "{said}"
    );
    assert_eq!(said.matches("name of the lab [single]").count(), 2, "{said}");
    let text = fs::read_to_string(home.path().join("lab.yaml")).unwrap();
    let schema = text.lines().next().unwrap().split_once("$schema=").unwrap().1.to_owned();
    assert!(fs::read_to_string(schema).unwrap().contains("additionalProperties"));
    assert!(text.contains("name: mine") && text.contains("cidr: 10.9.8.0/24"), "{text}");
    assert!(home.lab(&["validate"]).status.success());
}

/// Each lab of a person gets a network that no other lab has, and that pods and services do not use.
#[test]
fn init_proposes_a_network_that_is_free() {
    let home = Home::new();
    let init = |name: &str| {
        let file = format!("{name}.yaml");
        let arguments = ["init", "--from", "book", "--name", name, "--cidr", "free", "--to", &file];
        let output = home.lab(&arguments);
        assert!(output.status.success(), "{}", err(&output));
        assert!(home.lab(&["validate", "-f", &file]).status.success());
        let text = fs::read_to_string(home.path().join(&file)).unwrap();
        let line = text.lines().find(|line| line.trim_start().starts_with("cidr:")).unwrap();
        (line.trim().strip_prefix("cidr: ").unwrap().to_owned(), text)
    };
    let mut taken = BTreeSet::new();
    for number in 0..20 {
        let name = format!("lab{number}");
        let (cidr, text) = init(&name);
        let first = cidr.strip_suffix(".0/24").unwrap();
        // Its floating addresses moved along.
        assert!(text.contains(&format!("address: {first}.20")), "{text}");
        assert!(taken.insert(cidr), "{name} got a network that another lab has: {taken:?}");
        // As it is once the lab came up.
        let record = home.path().join(format!(".local/state/lab/{name}"));
        fs::create_dir_all(&record).unwrap();
        fs::write(record.join("lab.json"), "{}").unwrap();
        fs::write(record.join("topology.yaml"), text).unwrap();
    }
    for (cidr, why) in
        [("10.9.8.0/28", "is not inside 10.9.8.0/28"), ("somewhere", "'somewhere' is no network")]
    {
        let output = home.lab(&["init", "--from", "book", "--cidr", cidr]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(why), "{}", err(&output));
    }
}

#[test]
fn schema_is_json_and_knows_the_fields() {
    let home = Home::new();
    let json: serde_json::Value = serde_json::from_slice(&home.lab(&["schema"]).stdout).unwrap();
    assert_eq!(json["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(json["additionalProperties"], false);
    assert!(
        json["properties"]["nodes"]["additionalProperties"]["properties"]["memory"].is_object()
    );
}

#[test]
fn plan_of_a_new_lab_lists_everything_and_changes_nothing() {
    let home = Home::new();
    let output = home.lab(&[
        "plan",
        "-f",
        "book",
        "--engine",
        "private",
        "-o",
        "json",
        "--detailed-exitcode",
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let changes = json["changes"].as_array().unwrap();
    let of = |object: &str| changes.iter().filter(|change| change["object"] == object).count();
    assert_eq!((of("domain"), of("network"), of("pool")), (9, 1, 1));
    assert!(!home.path().join(".local").exists(), "plan wrote files");
    let text = out(&home.lab(&["plan", "-f", "three", "--engine", "private"]));
    assert!(text.contains("+ create domain three-worker1"), "{text}");
    assert!(text.contains("> run stage etcd on etcd1"), "{text}");
    let until = out(&home.lab(&["plan", "-f", "three", "--engine", "private", "--until", "etcd"]));
    assert!(until.contains("stage etcd") && !until.contains("stage worker"), "{until}");
}

#[test]
fn saved_plans_belong_to_one_lab_and_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let lab = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--engine", "private"]);
        home.lab(&all)
    };
    let output = lab(&["plan", "-f", "three", "--until", "etcd", "--save", "plan.json"]);
    assert!(output.status.success(), "{}", err(&output));
    let path = home.path().join("plan.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let saved: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(saved["until"], "etcd");
    assert!(!saved["changes"].as_array().unwrap().is_empty());
    for (arguments, wanted) in [
        (&["up", "-f", "book", "--plan", "plan.json"][..], "not one of the lab 'book'"),
        (&["up", "-f", "three", "--plan", "none.json"], "cannot use the plan"),
        (&["up", "-f", "three", "--plan", "plan.json", "--until", "os"], "cannot be used with"),
    ] {
        let output = lab(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains(wanted), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn status_and_down_of_a_lab_that_is_not_there() {
    let home = Home::new();
    let output = home.lab(&["status", "-f", "three", "--engine", "private", "-o", "json"]);
    assert!(output.status.success(), "{}", err(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
    for key in ["name", "roles", "ip", "state", "ready"] {
        assert!(json["nodes"][0].get(key).is_some(), "{key} is missing");
    }
    assert_eq!(json["nodes"][0]["state"], "absent");
    // Nobody is a load balancer here: that stage is not told of.
    assert_eq!(json["stages"].as_array().unwrap().len(), 8);
    let output = home.lab(&["status", "-f", "book", "--engine", "private", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Who does not run may not have it: that is known, and nobody keeps it to himself.
    for key in ["holders", "silent"] {
        assert_eq!(json["vips"][0][key].as_array().unwrap().len(), 0, "{json}");
    }
    let output = home.lab(&["down", "-f", "three", "--engine", "private"]);
    assert!(output.status.success() && err(&output).contains("nothing to do"), "{}", err(&output));
}

#[test]
fn stage_show_prints_every_file_and_no_secret() {
    let home = Home::new();
    let list = out(&home.lab(&["stage", "list"]));
    for stage in ["os", "runtime", "etcd", "control-plane", "pod-network", "worker", "verify"] {
        assert!(list.contains(stage), "{stage} is missing");
    }
    let text = out(&home.lab(&[
        "stage",
        "show",
        "-f",
        "three",
        "--engine",
        "private",
        "controller1",
        "control-plane",
    ]));
    assert!(text.contains("--encryption-provider-config"), "{text}");
    assert!(text.contains("<redacted>") && !text.contains("PRIVATE KEY"), "{text}");
    let output =
        home.lab(&["stage", "show", "-f", "three", "--engine", "private", "etcd1", "worker"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("it runs on: worker1"), "{}", err(&output));
    let output =
        home.lab(&["stage", "show", "-f", "three", "--engine", "private", "worker2", "worker"]);
    assert!(err(&output).contains("did you mean `worker1`?"), "{}", err(&output));
}

#[test]
fn what_is_not_there_is_named() {
    let home = Home::new();
    let cases: &[(&[&str], &str)] = &[
        (&["validate"], "there is no lab.yaml here"),
        (&["validate", "-f", "thre"], "did you mean `-f three`?"),
        (&["validate", "--lab", "nobody"], "there is no lab 'nobody'"),
        (&["plan", "-f", "three", "--engine", "private", "--until", "etc"], "did you mean `etcd`?"),
        (&["init", "--from", "nothing"], "choose from: bare-metal, book, single, three, thw"),
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
        ("latin.yaml", "not UTF-8 text (byte 7)"),
        ("large.yaml", "larger than 1 MiB"),
    ] {
        let output = home.lab(&["validate", "-f", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(err(&output).contains(wanted), "{file}: {}", err(&output));
    }
}

#[test]
fn a_second_run_is_refused_at_once_and_names_the_first() {
    let home = Home::new();
    let state = home.path().join(".local/state/lab");
    let store = lab::drivers::state::Store::new(&state, "three");
    let _lock = store.lock("lab up").unwrap();
    let start = std::time::Instant::now();
    let output = home.lab(&["up", "-f", "three", "--engine", "private"]);
    assert_eq!(output.status.code(), Some(75), "{}", err(&output));
    let said = err(&output);
    assert!(said.contains(&std::process::id().to_string()) && said.contains("lab up"), "{said}");
    assert!(start.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn snapshots_of_a_lab_that_never_was_are_told_so_and_make_nothing() {
    let home = Home::new();
    let lab = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["-f", "three", "--engine", "private"]);
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
        Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(["up", "-f", "three", "--engine", "private"])
            .env("HOME", home.path())
            .env("LAB_ARTIFACTS", folder)
            .env_remove("XDG_CACHE_HOME")
            .output()
            .unwrap()
    };
    let output = run(&bin);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("kube-apiserver"), "{}", err(&output));
    let ran = home.path().join("ran");
    for name in lab::drivers::assets::binaries::REQUIRED {
        use std::os::unix::fs::PermissionsExt;
        let script = format!("#!/bin/sh\ntouch {}\necho Kubernetes v1.19.16\n", ran.display());
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
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
    for name in lab::drivers::assets::binaries::REQUIRED {
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

#[test]
fn a_lab_that_does_not_fit_is_refused_before_anything_is_made() {
    let home = Home::new();
    let text = out(&home.lab(&["init", "--from", "single"]));
    let huge = text.replace("memory: 3GiB", "memory: 900GiB");
    assert_ne!(huge, text);
    fs::write(home.path().join("lab.yaml"), huge).unwrap();
    let output = home.lab(&["up", "--engine", "private"]);
    assert_eq!(output.status.code(), Some(2));
    let said = err(&output);
    assert!(said.contains("want 921600 MiB of memory") && said.contains("--overcommit"), "{said}");
    assert!(!home.path().join("run").exists(), "an engine was started");
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let home = Home::new();
    let text = out(&home.lab(&["--help"]));
    assert!(text.contains("Exit codes: 0 ok") && text.contains("lab kubectl get nodes"), "{text}");
    for command in [
        "init",
        "validate",
        "schema",
        "plan",
        "up",
        "status",
        "verify",
        "ssh",
        "exec",
        "stage",
        "kubeconfig",
        "images",
        "snapshot",
        "list",
        "logs",
        "console",
        "start",
        "stop",
        "restart",
        "certs",
        "doctor",
        "forward",
        "graph",
        "shell",
        "ssh-config",
        "inventory",
        "hosts",
        "runs",
        "completion",
        "man",
        "down",
    ] {
        let output = home.lab(&[command, "--help"]);
        assert!(output.status.success(), "{command}");
    }
}

#[test]
fn a_plan_tells_how_many_pods_fit() {
    let home = Home::new();
    for (mask, addresses, pods, workers) in
        [(24, 254, 110, 256), (26, 62, 61, 1024), (27, 30, 29, 2048)]
    {
        let text = format!(
            "name: small\nnetwork:\n  cidr: 10.240.0.0/24\nnodes:\n  node:\n    roles: [etcd, control-plane, worker]\nkubernetes:\n  node_mask: {mask}\n"
        );
        std::fs::write(home.path().join("lab.yaml"), text).unwrap();
        let output = home.lab(&["plan", "--engine", "private", "-o", "json"]);
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let capacity = &plan["capacity"];
        assert_eq!(capacity["addresses_per_worker"], addresses, "{capacity}");
        assert_eq!(capacity["pods_per_worker"], pods, "{capacity}");
        assert_eq!(capacity["workers_at_most"], workers, "{capacity}");
        let said = err(&home.lab(&["plan", "--engine", "private"]));
        assert!(
            said.contains(&format!(
                "a /{mask} of 10.200.0.0/16 for each worker: {addresses} addresses, {pods} pods"
            )),
            "{said}"
        );
    }
}

/// A lab that was up, as far as its directory tells: keys, topology, record.
fn once_up(home: &Home) {
    let dir = home.path().join(".local/state/lab/three");
    fs::create_dir_all(dir.join("runs")).unwrap();
    let topology = out(&home.lab(&["init", "--from", "three"]));
    fs::write(dir.join("topology.yaml"), &topology).unwrap();
    let text = fs::read_to_string("fuzz/corpus/state/record.json").unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    (record["name"], record["engine"]) = ("three".into(), "private".into());
    record["run"] = home.path().join("run/lab/engine").to_str().into();
    fs::write(dir.join("lab.json"), record.to_string()).unwrap();
}

#[test]
fn labs_are_listed_wherever_one_is() {
    let home = Home::new();
    let output = home.lab(&["list"]);
    assert!(output.status.success() && err(&output).contains("there are no labs"));
    once_up(&home);
    let json: serde_json::Value =
        serde_json::from_slice(&home.lab(&["list", "-o", "json"]).stdout).unwrap();
    let lab = &json["labs"][0];
    assert_eq!((&lab["name"], &lab["state"]), (&"three".into(), &"away".into()), "{json}");
    assert_eq!((&lab["nodes"], &lab["running"]), (&3.into(), &0.into()), "{json}");
    assert!(lab["bytes"].as_u64().unwrap() > 0);
    // One that cannot be read hides none of the others.
    let broken = home.path().join(".local/state/lab/broken");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("lab.json"), "{").unwrap();
    let output = home.lab(&["ls"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("three") && err(&output).contains("'broken'"),
        "{}",
        err(&output)
    );
}

#[test]
fn runs_are_told_from_their_logs() {
    let home = Home::new();
    once_up(&home);
    let runs = home.path().join(".local/state/lab/three/runs");
    let done = "     0.1 {\"event\":\"planned\",\"changes\":[{},{}]}\n     9.5 {\"event\":\"finished\",\"node\":\"etcd1\",\"task\":\"boot\",\"seconds\":9}\n    10.0 {\"event\":\"ended\",\"outcome\":\"done\"}\n";
    fs::write(runs.join("20260101T000000Z-up.log"), done).unwrap();
    fs::write(runs.join("20260102T000000Z-up.log"), &done[..done.len() - 60]).unwrap();
    let list = out(&home.lab(&["runs", "list", "--lab", "three"]));
    let line = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let words: Vec<String> =
        line("20260101T000000Z-up").split_whitespace().map(str::to_owned).collect();
    assert_eq!(words[1..], ["up", "2", "10.0", "done"], "{list}");
    assert!(line("20260102T000000Z-up").ends_with("cut"), "{list}");
    let shown = out(&home.lab(&["runs", "show", "20260101T000000Z-up", "--lab", "three"]));
    assert!(shown.contains("planned: 2 changes") && shown.contains("ended: done"), "{shown}");
    let output = home.lab(&["runs", "show", "--lab", "three", "-o", "json"]);
    let last: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(last["run"]["name"], "20260102T000000Z-up");
    let output = home.lab(&["runs", "show", "never", "--lab", "three"]);
    assert_eq!(output.status.code(), Some(2));
    // A run that is refused tells so in its log.
    let output = home.lab(&["up", "--lab", "three"]);
    assert!(!output.status.success());
    let list = out(&home.lab(&["runs", "list", "--lab", "three"]));
    assert!(list.lines().last().unwrap().ends_with("refused"), "{list} {}", err(&output));
}

#[test]
fn hosts_and_ssh_files_follow_from_the_topology() {
    let home = Home::new();
    let text = out(&home.lab(&["hosts", "-f", "three"]));
    assert!(text.contains("10.240.0.31 worker1.three.lab worker1\n"), "{text}");
    let output = home.lab(&["ssh-config", "-f", "three", "--engine", "private"]);
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

fn with_certificates(home: &Home) {
    let state = home.path().join(".local/state/lab");
    let store = lab::drivers::state::Store::new(&state, "three");
    let owner = lab::drivers::host::owner();
    let text = out(&home.lab(&["init", "--from", "three"]));
    let three = lab::model::topology::resolve::load(&text, &owner).unwrap().lab;
    let mut bundle = lab::pki::Bundle::default();
    let made = bundle.ensure(&three, time::OffsetDateTime::now_utc()).unwrap();
    store.save_bundle(&bundle, &made).unwrap();
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
    assert!(err(&merge()).contains("somebody writes to it"));
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
fn certificates_are_listed_by_their_end() {
    let home = Home::new();
    once_up(&home);
    let output = home.lab(&["certs", "list", "--lab", "three"]);
    assert!(output.status.code() == Some(2) && err(&output).contains("no certificates yet"));
    with_certificates(&home);
    let list = out(&home.lab(&["certs", "list", "--lab", "three"]));
    assert!(list.contains("apiserver-controller1") && !list.contains("PRIVATE"), "{list}");
    let json = home.lab(&["certs", "ls", "--lab", "three", "-o", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let days: Vec<i64> = json["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["days"].as_i64().unwrap())
        .collect();
    assert!(days.is_sorted() && days[0] > 300 && *days.last().unwrap() > 3000, "{days:?}");
    let output = home.lab(&["certs", "renew", "ca", "--lab", "three"]);
    assert!(output.status.code() == Some(2) && err(&output).contains("no such certificate"));
}

#[test]
fn completion_knows_nodes_stages_and_labs() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&home.lab(&["completion", shell]));
        assert!(script.contains("LAB_COMPLETE") && script.contains("lab"), "{shell}: {script}");
    }
    once_up(&home);
    let complete = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lab"))
            .arg("--")
            .args(words)
            .current_dir(home.path())
            .env("HOME", home.path())
            .env_remove("XDG_STATE_HOME")
            .env("LAB_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        out(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["lab", "ssh", "wo"]), ["worker1"]);
    assert_eq!(complete(&["lab", "ssh", "-f", "book", "lb"]), ["lb1", "lb2"]);
    assert_eq!(complete(&["lab", "--lab", "t"]), ["three"]);
    assert!(complete(&["lab", "up", "--until", ""]).contains(&"control-plane".to_owned()));
    assert!(complete(&["lab", "logs", "kube"]).contains(&"kubelet".to_owned()));
    assert!(complete(&["lab", "in"]).contains(&"inventory".to_owned()));
}

#[test]
fn manual_pages_are_written() {
    let home = Home::new();
    let output = home.lab(&["man", "pages"]);
    assert!(output.status.success(), "{}", err(&output));
    let page = fs::read_to_string(home.path().join("pages/lab-up.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("checkpoint"), "{page}");
    assert!(!home.path().join("pages/lab-connect.1").exists(), "hidden commands have no page");
}

#[test]
fn logs_follow_with_f_and_still_take_a_topology() {
    let home = Home::new();
    let text = out(&home.lab(&["init", "--from", "three", "--name", "mine"]));
    fs::write(home.path().join("my.yaml"), text).unwrap();
    for arguments in [
        &["-f", "my.yaml", "--engine", "private", "logs", "-f", "worker1"][..],
        &["logs", "--file", "my.yaml", "--engine", "private", "-f", "worker1"],
        &["logs", "-f", "worker1", "--engine", "private", "--file", "my.yaml"],
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
