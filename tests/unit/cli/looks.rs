//! Commands that only look: at a lab that is not there, at its directory, at the command line itself.

use std::fs;
use std::process::Command;

use super::{Home, err, once_up, out, with_certificates};

#[test]
fn status_and_down_of_a_lab_that_is_not_there() {
    let home = Home::new();
    let output = home.lab(&["status", "-f", "three", "--provider", "private", "-o", "json"]);
    assert!(output.status.success(), "{}", err(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
    for key in ["name", "roles", "ip", "state", "ready"] {
        assert!(json["nodes"][0].get(key).is_some(), "{key} is missing");
    }
    assert_eq!(json["nodes"][0]["state"], "absent");
    // Nobody is a load balancer here: that stage is not told of.
    assert_eq!(json["stages"].as_array().unwrap().len(), 9);
    let output = home.lab(&["status", "-f", "book", "--provider", "private", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Who does not run may not have it: that is known, and nobody keeps it to himself.
    for key in ["holders", "silent"] {
        assert_eq!(json["vips"][0][key].as_array().unwrap().len(), 0, "{json}");
    }
    let output = home.lab(&["down", "-f", "three", "--provider", "private"]);
    assert!(output.status.success() && err(&output).contains("nothing to do"), "{}", err(&output));
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
        "assets",
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
fn a_lab_that_rests_or_runs_elsewhere_says_so() {
    let home = Home::new();
    once_up(&home);
    for (arguments, wanted) in [
        (&["console", "etcd1"][..], "error[L0703]: the lab's private libvirt does not run"),
        (
            &["status", "--engine", "system"],
            "error[L0704]: the lab 'three' stands on the provider private",
        ),
    ] {
        let output = home.lab(&[arguments, &["--lab", "three"]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).starts_with(wanted), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn a_template_of_a_persons_own_that_does_not_fit_is_named() {
    let home = Home::new();
    let dir = home.path().join(".config/lab/xml-templates");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("domain.xml.j2"), "<domain>\n{{ oops").unwrap();
    let said = err(&home.lab(&["plan", "-f", "three", "--engine", "private"]));
    assert!(said.starts_with("error[L0708]"), "{said}");
    assert!(said.contains("domain.xml.j2:2") && said.contains(".config/lab"), "{said}");
}

/// Whatever folder it is of: those of stages, and each of those that lie beside the code.
#[test]
fn a_template_of_a_persons_own_takes_the_place_of_the_shipped_one() {
    let all = [
        "xml-templates/domain.xml.j2",
        "cloud-init/user-data.yaml.j2",
        "addons/coredns/coredns.yaml.j2",
        "stages/os/sysctl.conf.j2",
    ];
    for name in all {
        let home = Home::new();
        let path = home.path().join(".config/lab").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{{ oops").unwrap();
        let said = err(&home.lab(&["plan", "-f", "three", "--provider", "private"]));
        assert!(said.contains("error[L0708]") && said.contains(name), "{name}: {said}");
    }
}

#[test]
fn a_provider_is_known_by_its_former_names_too() {
    let home = Home::new();
    type Choice = (&'static [&'static str], &'static [(&'static str, &'static str)]);
    let choices: [Choice; 5] = [
        (&["--engine", "private"], &[]),
        (&["--engine", "private"], &[("LAB_PROVIDER", "system")]),
        (&[], &[("LAB_ENGINE", "private")]),
        (&[], &[("LAB_PROVIDER", "private"), ("LAB_ENGINE", "system")]),
        (&["--provider", "private"], &[("LAB_ENGINE", "system")]),
    ];
    for (typed, variables) in choices {
        let mut all = vec!["status", "-f", "three", "-o", "json"];
        all.extend(typed);
        let output = home.lab_with(&all, variables);
        assert!(output.status.success(), "{typed:?} {variables:?}: {}", err(&output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // Scripts of before read the same under the former name.
        for (new, former) in [("provider", "engine"), ("provider_running", "engine_running")] {
            assert_eq!(json[new], json[former], "{json}");
        }
        assert_eq!(
            (&json["provider"], &json["provider_running"]),
            (&"private".into(), &false.into())
        );
    }
    let help = out(&home.lab(&["status", "--help"]));
    assert!(help.contains("--provider") && help.contains("LAB_PROVIDER"), "{help}");
    assert!(!help.to_lowercase().contains("engine") && !help.contains("of-old"), "{help}");
    let page = out(&home.lab(&["help", "private-provider"]));
    assert!(page.starts_with("# The private provider"), "{page}");
    assert_eq!(out(&home.lab(&["help", "private-engine"])), page);
    assert!(!out(&home.lab(&["help", "topics"])).contains("private-engine"));
}

#[test]
fn a_record_is_read_whatever_it_calls_the_provider() {
    let home = Home::new();
    once_up(&home);
    let file = home.path().join(".local/state/lab/three/lab.json");
    let of_before = fs::read_to_string(&file).unwrap();
    assert!(of_before.contains("\"engine\":\"private\""), "{of_before}");
    for text in [of_before.clone(), of_before.replace("\"engine\":", "\"provider\":")] {
        fs::write(&file, text).unwrap();
        let output = home.lab(&["list", "-o", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["labs"][0]["provider"], "private", "{json}");
        assert_eq!(json["labs"][0]["engine"], "private", "{json}");
    }
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

/// The same data, written otherwise; what YAML 1.1 would take for something else is quoted.
#[test]
fn yaml_says_what_json_says() {
    let home = Home::new();
    let lab = |words: &[&str], form: &str| {
        let mut all = words.to_vec();
        all.extend(["-o", form]);
        out(&home.lab(&all))
    };
    for words in [
        &["plan", "three"][..],
        &["assets", "list", "-f", "three"],
        &["graph", "-f", "book"],
        &["list"],
    ] {
        let (json, yaml) = (lab(words, "json"), lab(words, "yaml"));
        assert!(!yaml.starts_with(['{', '[']) || json.trim() == "[]", "{words:?}: {yaml}");
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(&json).unwrap(), "{words:?}");
    }
    assert!(lab(&["graph", "-f", "book"], "yaml").lines().count() > 50);
}
