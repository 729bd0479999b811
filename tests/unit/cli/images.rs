//! `lab images add`: images of a person's own, and topologies that have them.

use std::fs;
use std::process::Command;

use super::{Home, err, out};

const TOPOLOGY: &str = "name: t
network: {cidr: 10.240.0.0/24}
image: mine
kubernetes: none
nodes:
  a: {}
  b: {image: debian-12}
";

fn qemu_img(home: &Home, arguments: &[&str]) {
    let mut command = Command::new("qemu-img");
    assert!(command.args(arguments).current_dir(home.path()).output().unwrap().status.success());
}

fn hash(home: &Home, file: &str) -> String {
    lab::drivers::assets::download::hash(&home.path().join(file), "sha256").unwrap()
}

#[test]
fn an_image_of_ones_own_is_brought_used_and_taken_away() {
    let home = Home::new();
    qemu_img(&home, &["create", "-q", "-f", "qcow2", "own.qcow2", "1G"]);
    fs::write(home.path().join("lab.yaml"), TOPOLOGY).unwrap();
    let unknown = err(&home.lab(&["validate"]));
    assert!(unknown.contains("'mine' is not a value of 'image'"), "{unknown}");
    let added = home.lab(&["images", "add", "mine", "own.qcow2", "--like", "debian-13"]);
    assert!(added.status.success(), "{}", err(&added));
    let sha256 = hash(&home, "own.qcow2");
    assert!(err(&added).contains(&sha256), "{}", err(&added));
    let listed = out(&home.lab(&["images"]));
    let line = listed.lines().find(|line| line.starts_with("mine ")).unwrap();
    assert!(line.contains("like Debian 13") && line.contains("yes"), "{line}");
    let valid = home.lab(&["validate"]);
    assert!(valid.status.success(), "{}", err(&valid));
    let assets = home.lab(&["assets", "list", "-o", "json"]);
    let assets: serde_json::Value = serde_json::from_str(&out(&assets)).unwrap();
    let all = assets["assets"].as_array().unwrap();
    let of = |name: &str| all.iter().find(|one| one["name"] == name).map(|one| one["here"].clone());
    assert_eq!(of("image mine"), Some(format!("sha256:{sha256}").into()));
    let again = home.lab(&["images", "add", "mine", "own.qcow2", "--like", "debian-13"]);
    assert!(err(&again).contains("`lab images rm mine` removes it"), "{}", err(&again));
    assert!(home.lab(&["images", "rm", "mine"]).status.success());
    assert!(!out(&home.lab(&["images"])).contains("mine"));
    assert!(!home.lab(&["validate"]).status.success());
}

#[test]
fn what_is_no_image_of_ones_own_is_refused() {
    let home = Home::new();
    qemu_img(&home, &["create", "-q", "-f", "qcow2", "base.qcow2", "1G"]);
    qemu_img(
        &home,
        &["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "over.qcow2"],
    );
    qemu_img(&home, &["create", "-q", "-f", "raw", "plain.img", "1M"]);
    let other = "0".repeat(64);
    for (words, said) in [
        ("mine base.qcow2", "--like"),
        ("mine --like debian-12", "--clone-from"),
        ("mine base.qcow2 --like beos", "there is no system 'beos'"),
        ("mine base.qcow2 --family bsd", "choose from: debian, redhat"),
        ("debian-12 base.qcow2 --like debian-12", "is an image of the catalogue"),
        ("../x base.qcow2 --like debian-12", "the name"),
        ("mine over.qcow2 --like debian-12", "it refers to a backing file"),
        ("mine plain.img --like debian-12", "it is not a qcow2 disk"),
        ("mine no.qcow2 --like debian-12", "No such file"),
        ("mine http://a.example/x --like debian-12 --sha256 00", "a sha256 has 64 hex digits"),
        ("mine https://a.example/x --like debian-12", "add --sha256 HEX"),
        (&format!("mine base.qcow2 --like debian-12 --sha256 {other}"), "is wanted"),
        (&format!("mine http://a.example/x --like debian-12 --sha256 {other}"), "no https address"),
    ] {
        let words: Vec<&str> = ["images", "add"].into_iter().chain(words.split(' ')).collect();
        let output = home.lab(&words);
        assert!(!output.status.success(), "{words:?}");
        assert!(err(&output).contains(said), "{words:?}: {}", err(&output));
        let left = fs::read_dir(home.path().join(".cache/lab/images")).into_iter().flatten();
        let left: Vec<_> = left.flatten().filter(|entry| entry.path().is_dir()).collect();
        assert!(left.is_empty(), "{words:?}: {left:?}");
    }
}

#[test]
fn a_topology_says_where_its_image_is() {
    let home = Home::new();
    qemu_img(&home, &["create", "-q", "-f", "qcow2", "own.qcow2", "1G"]);
    let file = "image: {name: mine, like: debian-12, file: own.qcow2}";
    fs::write(
        home.path().join("lab.yaml"),
        TOPOLOGY.replace("image: mine", file).replace("  b: {image: debian-12}\n", ""),
    )
    .unwrap();
    let plan = home.lab(&["plan", "--provider", "private"]);
    let said = format!("{}{}", out(&plan), err(&plan));
    let place = home.path().join("own.qcow2");
    assert!(said.contains(&format!("`lab up` copies it from {}", place.display())), "{said}");
    // Whatever is needed is brought here, and nothing else is done.
    let fetched = home.lab(&["assets", "fetch"]);
    assert!(fetched.status.success(), "{}", err(&fetched));
    assert!(out(&fetched).contains("image mine"), "{}", out(&fetched));
    let (plan, state) = (home.lab(&["plan", "--provider", "private"]), home.path().join(".local"));
    assert!(!err(&plan).contains("copies it from") && !state.exists(), "{}", err(&plan));
    // Another file is not taken for the one that was copied.
    qemu_img(&home, &["create", "-q", "-f", "qcow2", "own.qcow2", "2G"]);
    let fetch = || home.lab(&["assets", "fetch"]);
    assert!(err(&fetch()).contains("`lab images rm mine` has it copied anew"), "{}", err(&fetch()));
    assert!(home.lab(&["images", "rm", "mine"]).status.success() && fetch().status.success());
    let other = place.with_file_name("other.yaml");
    fs::write(
        &other,
        fs::read_to_string(home.path().join("lab.yaml")).unwrap().replace("debian-12", "fedora"),
    )
    .unwrap();
    let refused = home.lab(&["assets", "fetch", "-f", other.to_str().unwrap()]);
    assert!(err(&refused).contains("the one here is like debian-12"), "{}", err(&refused));
}

/// libvirt's own driver for tests has a domain that runs.
#[test]
fn what_cannot_be_copied_is_told() {
    let home = Home::new();
    for (from, said) in [
        ("test", "it runs, and half of what it knows is not on its disk yet"),
        ("nobody", "copy the domain nobody"),
        ("default-pool/nothing", "find the volume default-pool/nothing"),
        ("no-pool/nothing", "find the volume no-pool/nothing"),
    ] {
        let words = ["images", "add", "mine", "--like", "debian-12", "--clone-from", from];
        let output = home.lab_with(&words, &[("LIBVIRT_DEFAULT_URI", "test:///default")]);
        assert!(
            !output.status.success() && err(&output).contains(said),
            "{from}: {}",
            err(&output)
        );
    }
    assert!(!home.path().join(".cache/lab/images/mine").exists());
}
