//! Container images that no registry is needed for: what a built guest image carries, and the stand-in for
//! CoreDNS, as archives in the folder of the artifact disk.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::rig::dns_image::add;

/// What the add-on looks for.
pub const DNS: &str = "registry.k8s.io/coredns/coredns:v0-stand-in";

/// The same.
const TRAEFIK: &str = "docker.io/library/traefik:v3.0.4";

/// What busybox is called by.
const APPLETS: &[&str] = &[
    "sh", "cat", "echo", "hostname", "httpd", "ip", "ls", "nc", "nslookup", "ping", "ps", "sleep",
    "wget",
];

/// Files of an image, by path.
type Files = BTreeMap<String, Vec<u8>>;

/// Writes all archives into `dir`; programs come from the machines' file system and this build.
pub fn write(dir: &Path, root: &Path) {
    let pause = Files::from([("pause".into(), fs::read(root.join("usr/bin/catatonit")).unwrap())]);
    archive(&dir.join("pause.tar"), "lab.local/pause:1", &["/pause", "-P"], &tarred(&pause));
    archive(&dir.join("busybox.tar"), "lab.local/busybox:1", &["/bin/sh"], &busybox(root));
    let examples = Path::new(env!("CARGO_BIN_EXE_lab")).parent().unwrap().join("examples");
    let dns = with_libraries("coredns", &examples.join("cluster-dns-stand-in"));
    archive(&dir.join("coredns.tar"), DNS, &["/coredns"], &tarred(&dns));
}

fn busybox(root: &Path) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, "bin/busybox", &fs::read(root.join("bin/busybox")).unwrap());
    for applet in APPLETS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    layer.into_inner().unwrap()
}

/// A program, and its libraries at the places where the loader looks for them.
fn with_libraries(name: &str, program: &Path) -> Files {
    let mut files = Files::from([(name.to_owned(), fs::read(program).unwrap())]);
    let listed = Command::new("ldd").arg(program).output().unwrap();
    for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
        if let Some(path) = word.strip_prefix('/') {
            files.insert(path.to_owned(), fs::read(word).unwrap());
        }
    }
    assert!(files.len() > 2, "{}: no libraries", program.display());
    files
}

/// The images of the add-ons that a lab wants, by the names of the archives here.
pub fn of_addons(lab: &lab::model::Lab) -> BTreeMap<String, BTreeMap<String, String>> {
    let named = |name: &str| match name {
        "coredns" => DNS,
        "traefik" => TRAEFIK,
        other => panic!("no archive has {other}"),
    };
    let images = |addon: &lab::model::addon::Addon| {
        addon.images.keys().map(|name| (name.clone(), named(name).to_owned())).collect()
    };
    let all = lab.kubernetes.addons.iter();
    all.map(|used| (used.addon.name.clone(), images(&used.addon))).collect()
}

/// The archive of Traefik, packed as people pack it who have no registry.
pub fn write_traefik(dir: &Path) {
    let programs = std::env::var_os("LAB_ADDONS").expect("run `make test`");
    let program = Path::new(&programs).join("traefik").display().to_string();
    packed(dir, "traefik", TRAEFIK, &[program]);
}

/// What kubeadm has run in pods, by the names that it gives them, as people pack it who have no registry.
pub fn write_control_plane(dir: &Path, root: &Path, programs: &Path) {
    for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"] {
        let mut files = vec![programs.join(name).display().to_string()];
        if name == "kube-proxy" {
            files.extend(packet_filter(root));
        }
        packed(dir, name, &format!("registry.k8s.io/{name}:{RELEASE}"), &files);
    }
}

/// The archive NAME.tar of an image, by `lab images oci`.
fn packed(dir: &Path, name: &str, image: &str, rest: &[String]) {
    let done = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["images", "oci", image, "--out"])
        .arg(dir.join(format!("{name}.tar")))
        .args(rest)
        .env("HOME", dir)
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The release of the binaries.
const RELEASE: &str = "v1.20.2";

/// What iptables goes by in kube-proxy's image.
const NAMES: [&str; 6] = [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// iptables with all that it loads, and conntrack, from a file system with Debian's packages: where each goes, and
/// where it is.
fn packet_filter(root: &Path) -> Vec<String> {
    let iptables = "usr/sbin/xtables-nft-multi";
    let modules = "usr/lib/x86_64-linux-gnu/xtables";
    let mut loaded = vec![iptables.to_owned(), "usr/sbin/conntrack".to_owned()];
    for entry in fs::read_dir(root.join(modules)).unwrap().flatten() {
        loaded.push(format!("{modules}/{}", entry.file_name().to_str().unwrap()));
    }
    let mut all =
        BTreeMap::from(NAMES.map(|name| (format!("usr/sbin/{name}"), iptables.to_owned())));
    for path in loaded {
        let listed = Command::new("chroot").arg(root).args(["ldd", &format!("/{path}")]).output();
        let listed = listed.unwrap();
        assert!(listed.status.success(), "{path}: {}", String::from_utf8_lossy(&listed.stderr));
        for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            if let Some(library) = word.strip_prefix('/') {
                all.insert(library.to_owned(), library.to_owned());
            }
        }
        all.insert(path.clone(), path);
    }
    let put = |(path, from): (String, String)| format!("/{path}={}", root.join(from).display());
    all.into_iter().map(put).collect()
}

fn archive(path: &Path, name: &str, entrypoint: &[&str], layer: &[u8]) {
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sum(layer))]},
    })
    .to_string()
    .into_bytes();
    let config_name = format!("{}.json", sum(&config));
    let manifest =
        json!([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let parts = Files::from([
        (config_name, config),
        ("layer.tar".into(), layer.to_vec()),
        ("manifest.json".into(), manifest.into_bytes()),
    ]);
    fs::write(path, tarred(&parts)).unwrap();
}

fn tarred(files: &Files) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        add(&mut archive, path, content);
    }
    archive.into_inner().unwrap()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
