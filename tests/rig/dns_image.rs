//! An image archive with the stand-in for CoreDNS, as a person would save one for `LAB_IMAGES`.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::rig::guests::{LAB, tool};

/// Name of the image: what the add-on looks for.
pub const NAME: &str = "registry.k8s.io/coredns/coredns:v0-stand-in";

/// Writes the archive into `dir`.
pub fn write(dir: &Path) {
    let program = Path::new(LAB).parent().unwrap().join("examples/cluster-dns-stand-in");
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, "coredns", &fs::read(&program).unwrap());
    // Its libraries, at the places where the loader looks for them.
    for line in tool("ldd", &[program.to_str().unwrap()]).lines() {
        if let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) {
            let place = PathBuf::from(path.trim_start_matches('/'));
            add(&mut layer, place.to_str().unwrap(), &fs::read(path).unwrap());
        }
    }
    let layer = layer.into_inner().unwrap();
    let hex = |bytes: &[u8]| {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/coredns"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
    })
    .to_string();
    let name = format!("{}.json", hex(config.as_bytes()));
    let manifest =
        serde_json::json!([{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]);
    let mut archive = tar::Builder::new(fs::File::create(dir.join("coredns.tar")).unwrap());
    add(&mut archive, &name, config.as_bytes());
    add(&mut archive, "layer.tar", &layer);
    add(&mut archive, "manifest.json", manifest.to_string().as_bytes());
    archive.finish().unwrap();
}

/// Adds a file that may be run.
pub fn add<W: std::io::Write>(archive: &mut tar::Builder<W>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    archive.append_data(&mut header, path, content).unwrap();
}
