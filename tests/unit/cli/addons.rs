//! People's own add-ons by folder, and a topology's file that is changed by a command.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Home, err, out};

const TOPOLOGY: &str = "name: own
network: {cidr: 10.9.0.0/24}
nodes:
  one: {roles: [etcd, control-plane, worker], first_address: 10.9.0.10, memory: 3GiB}
kubernetes:
  addons:
    - coredns # names
    - folder: addons/mine # ours
      parameters: {words: \"it's $HOME\"}
";

const MANIFEST: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: mine, namespace: default}
data: {words: {{ parameters.words }}, size: {{ parameters.size ~ '' }}}
";

fn with_own(home: &Home) {
    let folder = home.path().join("addons/mine");
    fs::create_dir_all(&folder).unwrap();
    fs::write(home.path().join("lab.yaml"), TOPOLOGY).unwrap();
    let about = "title: Mine\nparameters:\n  words: {is: text, says: W.}\n  size: {is: number, says: S., default: 3}\n";
    fs::write(folder.join("addon.yaml"), about).unwrap();
    fs::write(folder.join("mine.yaml.j2"), MANIFEST).unwrap();
}

fn shown(home: &Home) -> String {
    let output = home.lab(&["stage", "show", "one", "addons", "--provider", "private"]);
    assert!(output.status.success(), "{}", err(&output));
    out(&output)
}

#[test]
fn what_is_in_a_folder_is_what_is_applied() {
    let home = Home::new();
    with_own(&home);
    let text = shown(&home);
    assert!(text.contains(r#"data: {words: "it's $HOME", size: "3"}"#), "{text}");
    // Said of the lab and of the folder, at any place.
    let list = out(&home.lab(&["addons", "list"]));
    assert!(list.contains("mine     yes"), "{list}");
    let about = out(&home.lab(&["addons", "show", "mine"]));
    assert!(about.contains("words: W. (text of one line, to be said)"), "{about}");
}

#[test]
fn a_template_that_cannot_be_is_told_with_its_place() {
    let home = Home::new();
    with_own(&home);
    let file = home.path().join("addons/mine/mine.yaml.j2");
    for (text, told) in [
        (MANIFEST.replace("words }}", "word }}"), "addons/mine/mine.yaml.j2:4: "),
        (
            "kind: {{ parameters.words }}\n".to_owned(),
            "the add-on 'mine': mine.yaml.j2: the document in line 1 is no object",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let output = home.lab(&["stage", "show", "one", "addons", "--provider", "private"]);
        assert!(!output.status.success() && err(&output).contains(told), "{}", err(&output));
    }
}

#[test]
fn a_topology_is_changed_in_its_list_alone() {
    let home = Home::new();
    with_own(&home);
    let file = home.path().join("lab.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let done = |words: &[&str]| {
        let output = home.lab(words);
        assert!(output.status.success(), "{}", err(&output));
        fs::read_to_string(&file).unwrap()
    };
    assert_eq!(done(&["addons", "enable", "traefik"]), format!("{TOPOLOGY}    - traefik\n"));
    assert_eq!(done(&["addons", "disable", "traefik"]), TOPOLOGY);
    let ours = "    - folder: addons/mine # ours\n      parameters: {words: \"it's $HOME\"}\n";
    assert_eq!(done(&["addons", "disable", "mine"]), TOPOLOGY.replace(ours, ""));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // A file with mistakes stays as it is.
    fs::write(&file, TOPOLOGY.replace("10.9.0.0/24", "10.9.0.0/99")).unwrap();
    let output = home.lab(&["addons", "enable", "traefik"]);
    assert!(err(&output).contains("it is not valid"), "{}", err(&output));
}
