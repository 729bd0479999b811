//! Everything that is read from files of a person's, from libvirt, from guests and from the lab's own
//! directory, with what must hold for any bytes. Shared by the fuzz targets and the test that runs
//! their corpus.
#![allow(dead_code)]

use lab::drivers::assets::download;
use lab::drivers::assets::images::archive;
use lab::drivers::host::footprint::HostFootprint;
use lab::drivers::host::{fence, hosts_file, routes};
use lab::drivers::provider::libvirt::parse_document;
use lab::drivers::state::Record;
use lab::kubernetes::operations::etcd;
use lab::kubernetes::{marker, node_info};
use lab::model::Owner;
use lab::model::locked::Locked;
use lab::model::snapshot::{Intent, Manifest, check_name};
use lab::model::topology;

/// A topology is refused with a reason, or it is a lab whose names are safe everywhere they go.
pub fn topology(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let owner = Owner { machine: "fuzz".into(), uid: 0 };
    match topology::load(&text, &owner) {
        Ok(loaded) => {
            for node in &loaded.lab.nodes {
                assert!(safe(&node.name) && safe(&node.domain), "{:?}", node.name);
                assert!(loaded.lab.network.cidr.contains(&node.address), "{}", node.address);
            }
            assert!(safe(&loaded.lab.network.bridge));
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!(!problem.message.is_empty());
                let places = problem.related.iter().map(|(span, _)| span);
                for span in problem.span.iter().chain(places) {
                    assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
                }
            }
        }
    }
}

fn safe(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

/// A document of libvirt's, ours or anybody's.
pub fn libvirt(bytes: &[u8]) {
    let _ = parse_document(&String::from_utf8_lossy(bytes));
}

/// What guests say of themselves.
pub fn guest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for stage in marker::parse(&text).keys() {
        assert!(text.contains("stage"), "{stage}");
    }
    let _ = node_info::parse(&text);
}

/// Files of people, words of the private provider's socket, archives of images, what etcd says.
pub fn files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(locked) = Locked::parse(&text) {
        assert_eq!(Locked::parse(&locked.text()).unwrap(), locked);
    }
    if let Ok(with) = hosts_file::with_block(bytes, "one", Some("10.1.0.1 a\n")) {
        assert!(hosts_file::with_block(&with, "one", None).is_ok(), "what is put in comes out");
    }
    if let Some(nets) = fence::parse(&text) {
        assert_eq!(fence::parse(&fence::format(&nets)), Some(nets));
    }
    if let Some(found) = routes::parse(&text) {
        assert_eq!(routes::parse(&routes::format(&found)), Some(found));
    }
    let _ = etcd::parse(&text);
    if let Ok(names) = archive::names(std::io::Cursor::new(bytes)) {
        assert!(names.iter().all(|name| !name.contains(char::is_whitespace)), "{names:?}");
    }
}

/// What stands in the lab's directory, and lists of checksums.
pub fn state(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(manifest) = serde_json::from_str::<Manifest>(&text) {
        let _ = (manifest.bytes(), manifest.lost(&Default::default()));
        let _ = manifest.extra_nodes(&Default::default());
    }
    let _ = serde_json::from_str::<Intent>(&text);
    let _ = serde_json::from_str::<Record>(&text);
    let _ = serde_json::from_str::<HostFootprint>(&text).map(|picture| picture.since(&picture));
    if check_name(&text).is_ok() {
        assert!(safe(&text), "{text:?}");
    }
    for algorithm in ["sha256", "sha512"] {
        let _ = download::find_checksum(&text, "image.qcow2", algorithm);
    }
}
