//! `lab.lock`: written at the first use, held from then on, renewed when a person says so.

use std::fs;

use lab::engine::{Event, Events, locked};

use crate::rig::fakes::Rig;
use crate::survival::assets::bring_assets;

#[test]
fn what_a_lab_is_made_with_is_held() {
    let rig = Rig::new("three");
    let bin = bring_assets(&rig);
    let mut session = rig.session();
    session.dirs.artifacts = Some(bin.clone());
    let (events, mut reader) = Events::channel();
    let prepare = || lab::engine::prepare(&session, &events).map(drop);
    assert!(locked::read(&session.locked).unwrap().is_none());
    lab::engine::preview(&session).unwrap();
    assert!(!session.locked.exists(), "looking writes nothing");
    prepare().unwrap();
    let first = locked::read(&session.locked).unwrap().unwrap();
    let sums = |asset: &str| first.assets.get(asset).cloned().unwrap_or_default();
    assert!(sums("binary 1.36.2/kubelet").starts_with("sha256:"), "{first:?}");
    assert!(sums("image debian-12").starts_with("sha256:abcdef"), "{first:?}");
    let mut told = Vec::new();
    while let Ok(event) = reader.try_recv() {
        if let Event::Note { text } = event {
            told.push(text);
        }
    }
    assert!(told.iter().any(|text| text.contains("lab.lock holds")), "{told:?}");

    // Another kubelet of the same version: neither planned nor used, until somebody says so.
    fs::write(bin.join("kubelet"), "\x7fELF another\0v1.36.2\0").unwrap();
    for refused in [prepare().unwrap_err(), lab::engine::preview(&session).unwrap_err()] {
        let text = refused.to_string();
        assert_eq!(refused.code.id, "L0810", "{text}");
        assert!(text.contains("binary 1.36.2/kubelet") && !text.contains("kube-proxy"), "{text}");
    }
    assert_eq!(locked::read(&session.locked).unwrap().unwrap(), first);
    let mut now = first.clone();
    let here = lab::engine::assets_here(&session).unwrap();
    assert_eq!(now.others(&here).len(), 1);
    now.take(&here);
    locked::update(&session, &now).unwrap();
    prepare().unwrap();

    // Another version is another asset: an upgrade asks nobody.
    for name in lab::kubernetes::DEFAULT.binaries {
        fs::write(bin.join(name), format!("\x7fELF {name}\0v1.36.3\0")).unwrap();
    }
    prepare().unwrap();
    let all = locked::read(&session.locked).unwrap().unwrap();
    let kubelets = all.assets.keys().filter(|asset| asset.ends_with("/kubelet")).count();
    assert_eq!(kubelets, 2, "{all:?}");

    // So is an add-on of another release, and an archive beside it.
    assert!(all.assets.keys().all(|asset| !asset.starts_with("add-on coredns")), "{all:?}");

    // What is no such file is named, and stays.
    fs::write(&session.locked, "{\n<<<<<<< ours\n").unwrap();
    let refused = prepare().unwrap_err();
    assert!(
        refused.to_string().contains("lab.lock: ") && refused.to_string().contains("line 2"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&session.locked).unwrap(), "{\n<<<<<<< ours\n");
}

/// A run that is cut while it writes leaves the file as it was, or whole.
#[test]
fn the_file_is_cut_everywhere() {
    let rig = Rig::new("single");
    let mut session = rig.session();
    session.dirs.artifacts = Some(bring_assets(&rig));
    let here = lab::engine::assets_here(&session).unwrap();
    let write = || locked::update(&session, &here);
    rig.gate.shut_at(None);
    write().unwrap();
    let points = rig.gate.passed().len();
    assert!(points > 2, "{points}");
    for at in 1..=points {
        fs::remove_file(&session.locked).unwrap();
        rig.gate.shut_at(Some(at));
        assert!(write().is_err());
        rig.gate.shut_at(None);
        let found = locked::read(&session.locked).unwrap();
        assert!(found.is_none_or(|found| found == here), "cut at {at}");
        write().unwrap();
    }
}
