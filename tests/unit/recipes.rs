//! ARCHITECTURE's recipes, followed to the letter in a tree of their own: a system, an add-on, a topology
//! and a stage are each added in one place, and the program has them.

use std::fs;
use std::path::Path;
use std::process::Command;

use lab::kubernetes::FLAVOURS;
use lab::model::topology::schema;

/// What says which of the new things the built library knows.
const PROGRAM: &str = r#"//! Prints what the library has.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

fn main() {
    println!("systems {:?}", lab::model::os::names());
    println!("add-ons {:?}", lab::model::addon::names());
    let text = lab::render::TOPOLOGIES.get_file("tiny.yaml").unwrap().contents_utf8().unwrap();
    let owner = lab::model::Owner { machine: "m".into(), uid: 1 };
    let lab = lab::model::topology::load(text, &owner).unwrap().lab;
    let names: Vec<_> = lab.kubernetes.addons.iter().map(|used| &used.addon.name).collect();
    println!("topology {} with {names:?}", lab.name);
    let templates = lab::kubernetes::templates(&Default::default()).unwrap();
    for stage in lab::kubernetes::flavour(&lab).stages {
        for node in (stage.nodes)(&lab) {
            println!("stage {} on {}: {}", stage.name, node.name, stage.page.trim());
        }
    }
    print!("{}", templates.render("stages/motd/motd.j2", &lab).unwrap());
    print!("{}", templates.render("addons/hello/hello.yaml.j2", &lab).unwrap());
}
"#;

const STAGE: &str = r#"//! `motd`: a word of welcome.

use crate::kubernetes::stage::Stage;
use crate::kubernetes::step::Step;

pub(crate) const STAGE: Stage = Stage {
    name: "motd",
    title: "A word of welcome",
    why: "Whoever logs in sees which lab it is.",
    nodes: |lab| lab.nodes.iter().collect(),
    steps: |context, _| {
        let text = context.templates.render("stages/motd/motd.j2", context.lab)?;
        Ok(vec![Step::file("/etc/motd", text)])
    },
    templates: templates!("motd": "motd.j2"),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};
"#;

const ADDON: &str = "title: Hello
images: {hello: {registry: registry.example, releases: {20: 'hello:1'}}}
manifests: [hello.yaml.j2]
";

const TOPOLOGY: &str = "name: tiny
image: parrot
network: {cidr: 10.9.0.0/24}
nodes:
  one: {roles: [etcd, control-plane, worker], first_address: 10.9.0.10, memory: 2GiB}
kubernetes: {addons: [hello]}
";

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// One line more, before the one that begins with `before`.
fn add_line(root: &Path, path: &str, before: &str, line: &str) {
    let text = fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(text.matches(before).count(), 1, "{path}: {before}");
    fs::write(root.join(path), text.replace(before, &format!("{line}\n{before}"))).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => copy(&path, &to.join(entry.file_name())),
            path => drop(fs::copy(path, to.join(entry.file_name())).unwrap()),
        }
    }
}

/// The sources, to be changed; what is not is a link to the original.
fn tree(root: &Path) {
    let here = std::env::current_dir().unwrap();
    for folder in ["src", "cloud-init", "topologies", "addons", "lessons", "examples"] {
        copy(&here.join(folder), &root.join(folder));
    }
    for rest in ["Cargo.toml", "Cargo.lock", "xml-templates", "docs", "tests", "benches"] {
        std::os::unix::fs::symlink(here.join(rest), root.join(rest)).unwrap();
    }
}

#[test]
fn a_system_an_addon_a_topology_and_a_stage_are_added_in_one_place_each() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    tree(root);
    let like = fs::read_to_string("cloud-init/debian-12/image.json").unwrap();
    write(root, "cloud-init/parrot/image.json", &like.replace("\"debian-12\"", "\"parrot\""));
    write(root, "addons/hello/addon.yaml", ADDON);
    write(root, "addons/hello/hello.yaml.j2", "says: hello from {{ name }}\n");
    write(root, "topologies/tiny.yaml", TOPOLOGY);
    write(root, "src/kubernetes/stages/motd/mod.rs", STAGE);
    write(root, "src/kubernetes/stages/motd/motd.j2", "This is the lab {{ name }}\n");
    write(root, "src/kubernetes/stages/motd/page.md", "A page about welcomes.\n");
    // The stage's line in the flavour's table, and the one by which Rust finds its folder.
    add_line(root, "src/kubernetes/stages/mod.rs", "pub(crate) mod os;", "pub(crate) mod motd;");
    let table = "src/kubernetes/hard_way/mod.rs";
    add_line(
        root,
        table,
        "        verify::STAGE,",
        "        crate::kubernetes::stages::motd::STAGE,",
    );
    write(root, "examples/recipes.rs", PROGRAM);

    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| std::env::current_dir().unwrap().join("target"), Into::into);
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--example", "recipes"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for wanted in [
        r#"systems ["debian-12", "debian-13", "parrot", "ubuntu-24.04", "fedora", "rocky"]"#,
        r#"add-ons ["coredns", "hello", "traefik"]"#,
        r#"topology tiny with ["hello"]"#,
        "stage motd on one: A page about welcomes.",
        "This is the lab tiny",
        "says: hello from \"tiny\"",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
}

/// A folder that cannot be read would be missing without a word.
#[test]
fn every_folder_of_systems_and_addons_is_one() {
    let folders = |dir: &str, file: &str| {
        let entries = fs::read_dir(dir).unwrap().flatten();
        let has = entries.filter(|entry| entry.path().join(file).exists());
        has.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let systems = sorted(folders("cloud-init", "image.json"));
    assert_eq!(sorted(owned(lab::model::os::names())), systems);
    let addons = sorted(folders("addons", "addon.yaml"));
    assert_eq!(sorted(owned(lab::model::addon::names())), addons);
}

#[test]
fn topologies_may_choose_the_flavours_that_there_are() {
    let schema = schema::json_schema();
    let clusters =
        schema.pointer("/properties/kubernetes/anyOf/1/properties/flavour/enum").unwrap();
    let mut words: Vec<&str> =
        clusters.as_array().unwrap().iter().filter_map(|w| w.as_str()).collect();
    words.extend(schema.pointer("/properties/kubernetes/anyOf/0/const").unwrap().as_str());
    let names: Vec<&str> = FLAVOURS.iter().map(|flavour| flavour.name).collect();
    assert_eq!(words, names);
}

/// By its beginning on a node the engine knows who comes, and what is asked first.
#[test]
fn every_flavour_begins_with_one_stage_on_all_nodes() {
    for flavour in lab::kubernetes::FLAVOURS {
        let begins: Vec<_> = flavour.stages.iter().filter(|stage| stage.begins).collect();
        assert_eq!(begins.len(), 1, "{}", flavour.name);
        for (name, topology) in crate::rig::many() {
            let home = crate::rig::home();
            let lab = crate::rig::session(&topology, home.path()).lab;
            assert_eq!((begins[0].nodes)(&lab).len(), lab.nodes.len(), "{name}");
        }
    }
}
