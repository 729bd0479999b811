//! Rotation of what every node trusts: who is trusted in which phase, and that it may be cut anywhere.

use std::fs;
use std::process::Command;

use lab::engine::rotate;
use lab::pki::{Bundle, Issuer, Phase, Root, Standing, leaf_specs};
use time::OffsetDateTime;

use crate::rig;
use crate::rig::fakes::{Rig, Up};

/// True when OpenSSL finds that `authorities` vouch for a certificate.
fn vouches(authorities: &str, certificate: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (ca, leaf) = (write("ca.crt", authorities), write("leaf.crt", certificate));
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-x509_strict", "-CAfile"]).arg(ca).arg(leaf);
    verify.output().unwrap().status.success()
}

/// Whatever mix of one phase and the next the nodes have, they trust each other.
#[test]
fn neighbouring_phases_trust_each_other() {
    let rig = Rig::new("three");
    let (lab, now) = (rig.lab(), OffsetDateTime::now_utc());
    let mut bundle = rig.secrets.bundle.clone();
    let mut before = bundle.clone();
    for round in 0..4 {
        for root in Root::ALL {
            bundle.advance(root, now).unwrap();
        }
        bundle.ensure(&lab, now).unwrap();
        for issuer in [Issuer::Kubernetes, Issuer::Etcd, Issuer::FrontProxy] {
            for spec in leaf_specs(&lab).iter().filter(|spec| spec.issuer == issuer).take(2) {
                for (one, other) in [(&before, &bundle), (&bundle, &before)] {
                    let (ca, leaf) = (one.ca(issuer).unwrap(), &other.entries[&spec.entry]);
                    assert!(vouches(&ca, &leaf.pair.certificate), "{round}: {}", spec.entry);
                }
            }
        }
        // What signs tokens on one node is checked on the other, and so are keys of Secrets.
        for (one, other) in [(&before, &bundle), (&bundle, &before)] {
            let signer = one.service_account().unwrap().key;
            let signer = rcgen::KeyPair::from_pem(&signer).unwrap().public_key_pem();
            assert!(other.service_account().unwrap().certificate.contains(&signer), "{round}");
            let writes = one.encryption().unwrap()[0];
            assert!(other.encryption().unwrap().contains(&writes), "{round}");
        }
        before = bundle.clone();
    }
    assert!(
        Root::ALL
            .iter()
            .all(|root| { bundle.standing(*root) == Standing { generation: 2, phase: None } })
    );
    let (first, now) = (&rig.secrets.bundle, &bundle);
    for spec in leaf_specs(&lab) {
        let ca = now.ca(spec.issuer).unwrap();
        assert!(!vouches(&ca, &first.entries[&spec.entry].pair.certificate), "{}", spec.entry);
    }
    assert_eq!(now.encryption().unwrap()[0].0, 2);
    assert_eq!(now.encryption().unwrap().len(), 1);
}

/// Kubernetes names the key of a token by a hash of the public one.
#[test]
fn a_former_token_key_is_named_while_tokens_of_it_are_about() {
    let rig = Rig::new("three");
    let (mut bundle, now) = (rig.secrets.bundle.clone(), OffsetDateTime::now_utc());
    let mut told = Vec::new();
    for _ in 0..4 {
        bundle.advance(Root::ServiceAccount, now).unwrap();
        told.push(bundle.former_token_key().unwrap());
    }
    let [None, Some(key), None, None] = &told[..] else { panic!("{told:?}") };
    assert_eq!(key.len(), 43, "base64 of 32 bytes without padding: {key}");
}

/// Each write of each phase is cut: what is there is never damaged, never half a phase, and the same command
/// ends well.
#[test]
fn rotations_are_cut_everywhere() {
    let rig = Rig::new("three");
    let session = rig.session();
    rig.secrets.keep(&session.store, &session.lab);
    let read = || session.store.bundle();
    for wanted in [Some(Phase::Trusted), Some(Phase::Signing), Some(Phase::Ending), None] {
        let dir = rig.home.path().join("kept");
        let keep = |from: &std::path::Path, to: &std::path::Path| {
            let _ = fs::remove_dir_all(to);
            let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
            assert!(copied.success());
        };
        keep(session.store.root(), &dir);
        let before = read().unwrap();
        let mut at = 1;
        loop {
            keep(&dir, session.store.root());
            rig.gate.shut_at(Some(at));
            let cut = rotate::advance(&session, &Root::ALL);
            rig.gate.shut_at(None);
            let found = read().unwrap_or_else(|error| panic!("{wanted:?} cut at {at}: {error}"));
            let phases = |bundle: &Bundle| Root::ALL.map(|root| bundle.standing(root));
            if cut.is_ok() {
                assert!(phases(&found).iter().all(|standing| standing.phase == wanted));
                break;
            }
            // The index is the last that is written, so it is one phase or the next.
            let is_old = phases(&found) == phases(&before);
            assert!(
                is_old || phases(&found).iter().all(|standing| standing.phase == wanted),
                "{at}"
            );
            if is_old {
                assert_eq!(found.ca(Issuer::Etcd).unwrap(), before.ca(Issuer::Etcd).unwrap());
                rotate::advance(&session, &Root::ALL).unwrap();
            }
            assert!(phases(&read().unwrap()).iter().all(|standing| standing.phase == wanted));
            at += 1;
        }
        assert!(at > 1, "{wanted:?}: nothing was cut");
    }
    let left = session.store.names("pki").unwrap();
    let keys =
        |name: &&String| ["ca.key", "etcd-ca.key", "encryption-key"].contains(&name.as_str());
    assert_eq!(left.iter().filter(keys).count(), 0, "old keys are left: {left:?}");
}

/// A rotation that begins anew goes on where it was, and people's kubeconfigs come along.
#[test]
fn kubeconfigs_follow_a_rotation() {
    let rig = Rig::new("three");
    let session = rig.session();
    rig.secrets.keep(&session.store, &session.lab);
    let path = rig.home.path().join("config");
    let mine = "clusters: [{name: work, cluster: {server: 'https://10.0.0.1'}}]\n";
    fs::write(&path, mine).unwrap();
    lab::engine::remember_kubeconfig(&session.store, &path).unwrap();
    let name = lab::engine::context(&session.lab);
    let merge = |local| {
        let text = lab::engine::administrator_kubeconfig(&session, local).unwrap();
        let authorities = session.store.authorities().unwrap();
        let points = session.store.failpoints();
        lab::drivers::host::kubeconfig_file::merge(points, &path, &name, &authorities, &text)
    };
    merge(Some(7443)).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    assert_eq!(rotate::begin(&session, &[Root::Ca]).unwrap(), [(Root::Ca, Phase::Trusted)]);
    assert_eq!(rotate::begin(&session, &[Root::Ca]).unwrap(), [(Root::Ca, Phase::Trusted)]);
    assert_eq!(rotate::phases(&session, &Root::ALL).unwrap(), [(Root::Ca, Phase::Trusted)]);
    for _ in 0..3 {
        rotate::advance(&session, &[Root::Ca]).unwrap();
        let mut bundle = session.store.bundle().unwrap();
        let made = bundle.ensure(&session.lab, OffsetDateTime::now_utc()).unwrap();
        session.store.save_bundle(&bundle, &made).unwrap();
    }
    let after = fs::read_to_string(&path).unwrap();
    let ca = lab::pki::base64(
        session.store.bundle().unwrap().ca(Issuer::Kubernetes).unwrap().as_bytes(),
    );
    assert!(after.contains(&ca) && !before.contains(&ca), "{after}");
    assert!(after.contains("https://127.0.0.1:7443") && after.contains("10.0.0.1"), "{after}");
    merge(None).unwrap();
}

/// A backup from before a rotation would bring back what nobody trusts: it is refused, and nothing changes.
#[test]
fn a_backup_of_before_a_rotation_is_refused() {
    let rig = Rig::new("three");
    let session = rig.session();
    rig.secrets.keep(&session.store, &session.lab);
    let (old, new) = (rig.home.path().join("old.tar"), rig.home.path().join("new.tar"));
    session.store.back_up(session.lab.id, &old).unwrap();
    for _ in 0..4 {
        rotate::advance(&session, &[Root::EncryptionKey]).unwrap();
    }
    session.store.back_up(session.lab.id, &new).unwrap();
    let refused = session.store.bring_back(session.lab.id, &old).unwrap_err().to_string();
    assert!(refused.contains("before encryption-key was rotated"), "{refused}");
    assert_eq!(session.store.bundle().unwrap().encryption().unwrap()[0].0, 2);
    session.store.bring_back(session.lab.id, &new).unwrap();
    // A lab whose directory is lost knows of no rotation.
    fs::remove_dir_all(session.store.path("pki")).unwrap();
    session.store.bring_back(session.lab.id, &old).unwrap();
}

/// What a node that leaves takes with it is said, with the cure.
#[test]
fn what_a_removed_node_may_still_open_is_told() {
    let rig = Rig::new("three");
    let worker = "count: 1\n    first_address: 10.240.0.31";
    let two = rig::lab(&rig.text.replace(worker, "count: 2\n    first_address: 10.240.0.31"));
    let mut bundle = Bundle::default();
    let now = OffsetDateTime::now_utc();
    bundle.ensure(&two, now).unwrap();
    assert_eq!(bundle.still_open(&two, now), None);
    let told = bundle.still_open(&rig.lab(), now).unwrap();
    assert!(
        told.contains("kubelet-client-worker2") && told.contains("`lab certs rotate ca`"),
        "{told}"
    );
    assert!(!told.contains("etcd-ca"), "{told}");
    assert_eq!(bundle.still_open(&rig.lab(), now + time::Duration::days(400)), None);
}

/// A lab does not become one of machines alone under what it has: that would stay, and nobody would look after it.
#[test]
fn another_flavour_is_refused_where_stages_were_gone_through() {
    let mut rig = Rig::new("three");
    rig.done(Up::PLAIN);
    let text = rig
        .text
        .replace("    roles: [control-plane]\n", "")
        .replace("nodes:\n", "kubernetes: none\nnodes:\n");
    rig.becomes(text);
    let refused = rig.up(Up { yes: true, ..Up::PLAIN }).0.unwrap_err();
    assert!(refused.starts_with("error[L0604]") && refused.contains("flavour 'none'"), "{refused}");
}

/// Whoever rotates by the command line is told what there is.
#[test]
fn what_cannot_be_rotated_is_told() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = command.args(["certs", "rotate", "admin"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.contains(
            "[possible values: ca, etcd-ca, front-proxy-ca, service-account, encryption-key]"
        ),
        "{output}"
    );
}
