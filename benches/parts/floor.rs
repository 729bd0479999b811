//! The floor: what a person's own shell loop over `qemu-img` and `virsh` takes for the same guests, on the
//! same libvirt, network, image and seeds, all of which are there already.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::time::Instant;

use crate::rig::guests::{Rig, tool};

const LOOP: &str = r#"set -eu
one() {
    qemu-img create -q -f qcow2 -F qcow2 -b "$BASE" "$POOL/$1.qcow2" 5G
    virsh -q -c "$URI" define "$DEFINITIONS/$1.xml"
    virsh -q -c "$URI" start "$LAB-$1"
    tries=0
    until nsenter --net="/proc/$ENGINE/ns/net" ssh -q -i "$KEYS/id_ed25519" -o BatchMode=yes \
        -o IdentitiesOnly=yes -o UserKnownHostsFile="$KEYS/known_hosts" -o ConnectTimeout=2 "lab@$2" true
    do
        tries=$((tries + 1))
        test "$tries" -lt 1000
        sleep 0.2
    done
}
all=
for guest; do
    one "${guest%%=*}" "${guest#*=}" &
    all="$all $!"
done
for each in $all; do
    wait "$each"
done
"#;

/// Replaces the guests of a lab that is up by those of the loop. The seconds that it took.
pub fn floor(rig: &Rig, lab: &str) -> f64 {
    let state = rig.home.path().join("state/lab").join(lab);
    let pool = state.join(format!("engine/pools/lab-{lab}"));
    let uri = rig.uri();
    let definitions = tempfile::tempdir().unwrap();
    let status = rig.json(&["status", "-o", "json"]);
    let mut guests = Vec::new();
    let mut base = String::new();
    for node in status["nodes"].as_array().unwrap() {
        let (name, address) = (node["name"].as_str().unwrap(), node["ip"].as_str().unwrap());
        let domain = format!("{lab}-{name}");
        let overlay = pool.join(format!("{name}.qcow2"));
        let overlay = overlay.to_str().unwrap();
        let xml = tool("virsh", &["-c", &uri, "dumpxml", "--inactive", &domain]);
        fs::write(definitions.path().join(format!("{name}.xml")), xml).unwrap();
        let about = tool("qemu-img", &["info", "-U", "--output=json", overlay]);
        let about: serde_json::Value = serde_json::from_str(&about).unwrap();
        base = about["full-backing-filename"].as_str().unwrap().to_owned();
        tool("virsh", &["-c", &uri, "destroy", &domain]);
        tool("virsh", &["-c", &uri, "undefine", "--snapshots-metadata", &domain]);
        fs::remove_file(overlay).unwrap();
        guests.push(format!("{name}={address}"));
    }
    let engine = fs::read_to_string(state.join("engine/alive")).unwrap();
    let start = Instant::now();
    let done = std::process::Command::new("sh")
        .args(["-c", LOOP, "floor"])
        .args(&guests)
        .env("BASE", base)
        .env("POOL", pool)
        .env("URI", uri)
        .env("DEFINITIONS", definitions.path())
        .env("LAB", lab)
        .env("ENGINE", engine.trim())
        .env("KEYS", state.join("ssh"))
        .status()
        .unwrap();
    assert!(done.success(), "the loop ended with {done}");
    start.elapsed().as_secs_f64()
}
