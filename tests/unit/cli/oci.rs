//! `lab images oci`: archives of container images out of plain files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use lab::drivers::assets::images::archive;

use super::{Home, err};

const NAME: &str = "registry.k8s.io/kube-apiserver:v1.20.2";

/// Content of the entries of a tar archive, by path.
fn entries(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.insert(path, content);
    }
    found
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn the_same_files_make_the_same_archive() {
    let home = Home::new();
    let place = |name: &str| home.path().join(name);
    fs::create_dir(place("bin")).unwrap();
    fs::write(place("bin/kube-apiserver"), "#!/bin/sh\n").unwrap();
    fs::write(place("settings"), "a=1\n").unwrap();
    for out in ["one.tar", "two.tar"] {
        let words = ["bin/kube-apiserver", "/etc/settings=settings", "--out", out];
        let done = home.lab(
            &[&["images", "oci", NAME][..], &words, &["--command", "kube-apiserver"]].concat(),
        );
        assert!(done.status.success(), "{}", err(&done));
        assert!(err(&done).contains(&format!("image {NAME} is in {out}")), "{}", err(&done));
    }
    let bytes = read(&place("one.tar"));
    assert_eq!(bytes, read(&place("two.tar")));
    let names = archive::names(File::open(place("one.tar")).unwrap()).unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [NAME]);
    let all = entries(&bytes);
    let layer = entries(&all["layer.tar"]);
    assert_eq!(layer.keys().collect::<Vec<_>>(), ["etc/settings", "usr/local/bin/kube-apiserver"]);
    assert_eq!(layer["etc/settings"], b"a=1\n");
    let config = all.iter().find(|(name, _)| name.ends_with(".json") && *name != "manifest.json");
    let config = String::from_utf8_lossy(config.unwrap().1).into_owned();
    assert!(config.contains(r#""Cmd":["kube-apiserver"]"#), "{config}");
    assert!(config.contains("PATH=/usr/local/sbin:/usr/local/bin:"), "{config}");
}

#[test]
fn what_could_not_run_is_refused_and_nothing_is_written() {
    let home = Home::new();
    fs::write(home.path().join("x"), "x").unwrap();
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let linked = format!("/bin/sh={}", shell.display());
    for (words, wanted) in [
        (vec![NAME, linked.as_str()], "is linked to libraries and started by /"),
        (vec!["Name", "x"], "in small letters and with a tag"),
        (vec![NAME, "bin/x=x"], "an absolute path, like /usr/local/bin/NAME=FILE"),
        (vec![NAME, "/a/../b=x"], "an absolute path"),
        (vec![NAME, "/a=x", "/a=x"], "/a is named twice"),
        (vec![NAME, "nothing"], "put nothing into an image: No such file"),
        (vec![NAME, "/dev=/dev/null"], "it is a device, not a regular file"),
    ] {
        let done = home.lab(&[&["images", "oci", "--out", "out.tar"][..], &words].concat());
        assert!(!done.status.success(), "{words:?}");
        assert!(err(&done).contains(wanted), "{words:?}: {}", err(&done));
        let left: Vec<_> =
            fs::read_dir(home.path()).unwrap().flatten().map(|one| one.file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("out")), "{left:?}");
    }
    let both = [linked.as_str(), "/lib64/ld-linux-x86-64.so.2=/lib64/ld-linux-x86-64.so.2"];
    let done = home.lab(&[&["images", "oci", NAME, "--out", "out.tar"][..], &both].concat());
    assert!(done.status.success(), "{}", err(&done));
}
