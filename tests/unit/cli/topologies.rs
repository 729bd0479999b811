//! Topologies from the command line: `init`, `validate`, `schema`, `plan`, `stage show`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::{Home, err, out};
use crate::rig::screen::Terminal;

#[test]
fn init_writes_a_topology_that_validates() {
    let home = Home::new();
    for name in ["book", "single", "three", "thw"] {
        let output = home.lab(&["init", "--from", name, "--name", "mine"]);
        assert!(output.status.success());
        assert!(out(&output).contains("name: mine"), "{}", out(&output));
        assert!(!out(&output).contains(&format!("domain: {name}")), "{}", out(&output));
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
fn what_a_shell_makes_of_a_command_is_read() {
    let home = Home::new();
    let output = Command::new("bash")
        .args(["-c", "\"$0\" validate -f <(\"$0\" init --from three --name piped)"])
        .arg(env!("CARGO_BIN_EXE_lab"))
        .current_dir(home.path())
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("lab 'piped'"), "{}", out(&output));
}

/// Variables of the environment and `--set`: what is remembered of a lab says all of it.
#[test]
fn variables_are_filled_in_and_values_set() {
    let home = Home::new();
    let text = out(&home.lab(&["init", "--from", "three", "--name", "mine"]))
        .replacen("name: mine", "name: ${WHOSE:-mine}", 1)
        .replace("  worker:\n    count: 1", "  worker:\n    count: ${WORKERS}");
    assert!(text.contains("${WORKERS}"), "{text}");
    fs::write(home.path().join("lab.yaml"), text).unwrap();
    let lab = |variables: &[(&str, &str)], arguments: &[&str]| home.lab_with(arguments, variables);
    let output = lab(&[], &["validate"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error[L0126]: the variable WORKERS has no value"), "{said}");
    assert!(said.contains("export WORKERS=") && said.contains("count: ${WORKERS}"), "{said}");
    let output = lab(&[("WORKERS", "2"), ("WHOSE", "anna")], &["validate"]);
    assert!(out(&output).contains("lab 'anna', 4 nodes"), "{}{}", out(&output), err(&output));
    let output = lab(&[("WORKERS", "two")], &["validate"]);
    assert!(err(&output).contains("count 'two' is not a whole number"), "{}", err(&output));
    let set = ["validate", "--set", "nodes.worker.count=3", "--set", "kubernetes.version=1.30.1"];
    let output = lab(&[], &set);
    assert!(out(&output).contains("lab 'mine', 5 nodes"), "{}{}", out(&output), err(&output));
    for (wrong, why) in [
        ("nodes.worker.count", "sets nothing"),
        ("nodes=3", "'nodes' must be a mapping"),
        ("nodes.worker.many=3", "unknown field 'many'"),
        ("name.of=3", "below a field that has no fields"),
    ] {
        let output = lab(&[("WORKERS", "2")], &["validate", "--set", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(err(&output).contains(why), "{wrong}: {}", err(&output));
    }
}

/// A later file changes what it names, and is what is told of where it cannot.
#[test]
fn a_later_file_changes_the_first() {
    let home = Home::new();
    fs::write(home.path().join("base.yaml"), crate::rig::shipped("three")).unwrap();
    let mine = "# For the small computer.\nname: small\nnodes:\n  worker: {count: 2, memory: 1GiB}\n  jump: {roles: []}\n";
    fs::write(home.path().join("mine.yaml"), mine).unwrap();
    let both = |command: &[&str], later: &str| {
        let files = ["-f", "base.yaml", "-f", later];
        home.lab(&command.iter().chain(&files).copied().collect::<Vec<_>>())
    };
    let valid = both(&["validate"], "mine.yaml");
    assert!(out(&valid).contains("lab 'small', 5 nodes"), "{}{}", out(&valid), err(&valid));
    let hosts = out(&both(&["hosts"], "mine.yaml"));
    assert!(hosts.contains(" jump.three.lab ") && hosts.contains(" worker2.three.lab "), "{hosts}");
    let set = both(&["validate", "--set", "nodes.worker.count=4"], "mine.yaml");
    assert!(out(&set).contains("7 nodes"), "{}{}", out(&set), err(&set));
    for (later, why) in [
        ("nodes: {worker: {count: two}}\n", "count 'two' is not a whole number"),
        ("- a\n", "error[L0812]: this file changes nothing"),
        ("name: [\n", "wrong.yaml:"),
        ("nodes:\n  worker:\n", "wrong.yaml:2:"),
    ] {
        fs::write(home.path().join("wrong.yaml"), later).unwrap();
        let output = both(&["validate"], "wrong.yaml");
        assert_eq!(output.status.code(), Some(2), "{later}");
        assert!(err(&output).contains(why), "{later}: {}", err(&output));
    }
    let absent = both(&["validate"], "absent.yaml");
    assert!(err(&absent).contains("cannot read the topology absent.yaml"), "{}", err(&absent));
}

/// Files of `user_data` stand in the topology that a lab remembers, from wherever it is looked at.
#[test]
fn user_data_comes_from_files() {
    let home = Home::new();
    fs::create_dir(home.path().join("of")).unwrap();
    let text = out(&home.lab(&["init", "--from", "single", "--name", "mine"])).replacen(
        "nodes:\n",
        "defaults:\n  user_data: [./own.sh, ./own.yaml]\nnodes:\n",
        1,
    );
    fs::write(home.path().join("of/lab.yaml"), text).unwrap();
    let output = home.lab(&["validate", "-f", "of/lab.yaml"]);
    assert_eq!(output.status.code(), Some(2), "{}", out(&output));
    assert_eq!(
        err(&output).matches("error[L0122]: cannot read ./own").count(),
        2,
        "{}",
        err(&output)
    );
    fs::write(home.path().join("of/own.sh"), "#!/bin/sh\necho \"${HOME}\" \\\\ \u{e9}\n").unwrap();
    fs::write(home.path().join("of/own.yaml"), "#cloud-config\npackages: [tree]\nhostname: x\n")
        .unwrap();
    let output = home.lab(&["validate", "-f", "of/lab.yaml"]);
    assert!(
        err(&output).contains("in line 3 of this text: 'hostname' is written by lab"),
        "{}",
        err(&output)
    );
    fs::write(home.path().join("of/own.yaml"), "#cloud-config\npackages: [tree]\n").unwrap();
    let output = home.lab(&["validate", "-f", "of/lab.yaml"]);
    assert!(output.status.success(), "{}", err(&output));
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
        "--provider",
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
    let text = out(&home.lab(&["plan", "-f", "three", "--provider", "private"]));
    assert!(text.contains("+ create domain three-worker1"), "{text}");
    assert!(text.contains("> run stage etcd on etcd1"), "{text}");
    let until =
        out(&home.lab(&["plan", "-f", "three", "--provider", "private", "--until", "etcd"]));
    assert!(until.contains("stage etcd") && !until.contains("stage worker"), "{until}");
}

#[test]
fn saved_plans_belong_to_one_lab_and_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let lab = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--provider", "private"]);
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
        "--provider",
        "private",
        "controller1",
        "control-plane",
    ]));
    assert!(text.contains("--encryption-provider-config"), "{text}");
    assert!(text.contains("<redacted>") && !text.contains("PRIVATE KEY"), "{text}");
    let output =
        home.lab(&["stage", "show", "-f", "three", "--provider", "private", "etcd1", "worker"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("it runs on: worker1"), "{}", err(&output));
    let output =
        home.lab(&["stage", "show", "-f", "three", "--provider", "private", "worker2", "worker"]);
    assert!(err(&output).contains("did you mean `worker1`?"), "{}", err(&output));
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
        let output = home.lab(&["plan", "--provider", "private", "-o", "json"]);
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let capacity = &plan["capacity"];
        assert_eq!(capacity["addresses_per_worker"], addresses, "{capacity}");
        assert_eq!(capacity["pods_per_worker"], pods, "{capacity}");
        assert_eq!(capacity["workers_at_most"], workers, "{capacity}");
        let said = err(&home.lab(&["plan", "--provider", "private"]));
        assert!(
            said.contains(&format!(
                "a /{mask} of 10.200.0.0/16 for each worker: {addresses} addresses, {pods} pods"
            )),
            "{said}"
        );
    }
}

/// A topology stands behind the command, or in a file of the other ending.
#[test]
fn topologies_are_found_where_people_put_them() {
    let home = Home::new();
    fs::write(home.path().join("lab.yml"), out(&home.lab(&["init", "--from", "single"]))).unwrap();
    let found = home.lab(&["validate"]);
    assert!(found.status.success(), "{}", err(&found));
    for command in ["validate", "plan"] {
        let output = home.lab(&[command, "three"]);
        assert!(output.status.success(), "{command}: {}", err(&output));
        let two = home.lab(&["-f", "single", command, "three"]);
        assert_eq!(two.status.code(), Some(2));
        let named = home.lab_with(&[command, "three"], &[("LAB_FILE", "single")]);
        assert!(named.status.success(), "{command}: {}", err(&named));
    }
    let nowhere = home.lab(&["up", "thre"]);
    assert!(err(&nowhere).contains("did you mean `-f three`?"), "{}", err(&nowhere));
}
