//! Certificates by OpenSSL's own strict rules, and by the table of what each must say.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use ::time::{Duration, OffsetDateTime};
use lab::model::Role;
use lab::model::certificates::Place;
use lab::pki::{Bundle, Issuer, Usage, leaf_specs};
use x509_parser::pem::parse_x509_pem;

use crate::rig;

fn bundle(topology: &str) -> (lab::model::Lab, Bundle) {
    let home = tempfile::tempdir().unwrap();
    let lab = rig::session(&rig::shipped(topology), home.path()).lab;
    let mut bundle = Bundle::default();
    bundle.ensure(&lab, OffsetDateTime::now_utc()).unwrap();
    (lab, bundle)
}

#[test]
fn openssl_verifies_every_leaf_strictly() {
    let (lab, bundle) = bundle("book");
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for spec in leaf_specs(&lab) {
        let ca = write("ca.crt", &bundle.ca(spec.issuer).unwrap());
        let leaf = write("leaf.crt", &bundle.entries[&spec.entry].pair.certificate);
        for usage in &spec.usages {
            let purpose = if *usage == Usage::Server { "sslserver" } else { "sslclient" };
            let mut command = Command::new("openssl");
            command.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]).arg(&ca);
            if let Some(name) = spec.names.first() {
                command.args(["-verify_hostname", name]);
            }
            if let Some(address) = spec.addresses.first() {
                command.args(["-verify_ip", &address.to_string()]);
            }
            let output = command.arg(&leaf).output().expect("openssl is installed");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", spec.entry);
        }
    }
}

#[test]
fn certificates_say_what_their_specification_says() {
    let (lab, bundle) = bundle("book");
    let mut keys = BTreeSet::new();
    let mut serials = BTreeSet::new();
    for spec in leaf_specs(&lab) {
        let (_, pem) =
            parse_x509_pem(bundle.entries[&spec.entry].pair.certificate.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let subject = certificate.subject();
        let cn = subject.iter_common_name().next().unwrap().as_str().unwrap();
        let o = subject.iter_organization().next().map(|o| o.as_str().unwrap().to_owned());
        assert_eq!((cn, &o), (spec.common_name.as_str(), &spec.organization), "{}", spec.entry);
        let eku = certificate.extended_key_usage().unwrap().unwrap().value;
        assert_eq!(eku.server_auth, spec.usages.contains(&Usage::Server), "{}", spec.entry);
        assert_eq!(eku.client_auth, spec.usages.contains(&Usage::Client), "{}", spec.entry);
        assert!(!certificate.is_ca());
        let names = certificate
            .subject_alternative_name()
            .unwrap()
            .map_or(0, |san| san.value.general_names.len());
        assert_eq!(names, spec.names.len() + spec.addresses.len(), "{}", spec.entry);
        assert!(keys.insert(certificate.public_key().raw.to_vec()), "{} shares a key", spec.entry);
        assert!(
            serials.insert(certificate.raw_serial().to_vec()),
            "{} shares a serial",
            spec.entry
        );
        assert_eq!(certificate.raw_serial().len(), 16);
        let age = OffsetDateTime::now_utc().unix_timestamp()
            - certificate.validity().not_before.timestamp();
        assert!((86_000..90_000).contains(&age), "{} begins {age} s ago", spec.entry);
    }
}

#[test]
fn the_table_of_identities_is_kept() {
    let (lab, _) = bundle("book");
    let specs = leaf_specs(&lab);
    let find = |entry: &str| specs.iter().find(|spec| spec.entry == entry).unwrap();
    assert_eq!(find("admin").organization.as_deref(), Some("lab:cluster-admins"));
    assert!(specs.iter().all(|spec| spec.organization.as_deref() != Some("system:masters")));
    for node in lab.with_role(Role::Etcd) {
        assert_eq!(find(&format!("etcd-server-{}", node.name)).issuer, Issuer::Etcd);
    }
    for node in lab.with_role(Role::ControlPlane) {
        let spec = find(&format!("apiserver-{}", node.name));
        assert_eq!(spec.usages, [Usage::Server]);
        for name in
            ["kubernetes", "kubernetes.default.svc.cluster.local", "controller", "lb1.example.com"]
        {
            assert!(spec.names.iter().any(|n| n == name), "{name} is missing");
        }
        for address in ["10.32.0.1", "10.240.0.20", "10.240.0.40", "127.0.0.1"] {
            assert!(spec.addresses.contains(&address.parse().unwrap()), "{address} is missing");
        }
    }
    for node in lab.with_role(Role::Worker) {
        let spec = find(&format!("kubelet-client-{}", node.name));
        assert_eq!(spec.common_name, format!("system:node:{}", node.name));
        assert!(find(&format!("kubelet-server-{}", node.name)).addresses.contains(&node.address));
    }
}

#[test]
fn what_fits_is_kept_and_what_does_not_is_made_again() {
    let (mut lab, mut bundle) = bundle("three");
    let now = OffsetDateTime::now_utc();
    assert!(bundle.ensure(&lab, now).unwrap().is_empty(), "nothing had changed");
    lab.nodes[2].address = "10.240.0.99".parse().unwrap();
    assert_eq!(bundle.ensure(&lab, now).unwrap(), ["kubelet-server-worker1"]);
    let later = now + Duration::days(340);
    let renewed = bundle.ensure(&lab, later).unwrap();
    assert!(renewed.contains(&"admin".to_owned()), "30 days before the end: {renewed:?}");
    assert!(!renewed.contains(&"ca".to_owned()), "authorities live ten years");
}

/// What the topology says of certificates stands in them; they end with their authority at the latest.
#[test]
fn certificates_live_and_say_what_the_topology_says() {
    let (mut lab, mut bundle) = bundle("three");
    let now = OffsetDateTime::now_utc();
    let of = |text: &str| Some(text.to_owned());
    lab.kubernetes.certificates.place =
        Place { country: of("DE"), state: of("Bayern"), city: of("München") };
    for (hours, days) in [(Some(17520), 730), (Some(48), 2), (Some(87600), 3650)] {
        lab.kubernetes.certificates.hours = hours;
        let made = bundle.ensure(&lab, now).unwrap();
        assert!(made.contains(&"admin".to_owned()) && !made.contains(&"ca".to_owned()), "{made:?}");
        assert!(bundle.ensure(&lab, now + Duration::hours(12)).unwrap().is_empty());
        let (_, pem) = parse_x509_pem(bundle.entries["admin"].pair.certificate.as_bytes()).unwrap();
        let read = pem.parse_x509().unwrap();
        assert_eq!(
            read.subject().to_string(),
            "C=DE, ST=Bayern, L=München, O=lab:cluster-admins, CN=kubernetes-admin"
        );
        let ends = read.validity().not_after.to_datetime();
        assert!((ends - now - Duration::days(days)).abs() < Duration::minutes(1), "{ends}");
    }
    // An authority of yesterday ends before what is made today for ten years.
    lab.kubernetes.certificates.hours = Some(87600);
    bundle.renew(&lab, &[]).unwrap();
    bundle.ensure(&lab, now + Duration::days(1)).unwrap();
    let (_, pem) = parse_x509_pem(bundle.entries["admin"].pair.certificate.as_bytes()).unwrap();
    let ends = pem.parse_x509().unwrap().validity().not_after.to_datetime();
    assert!((ends - now - Duration::days(3650)).abs() < Duration::minutes(1), "{ends}");
}

#[test]
fn a_damaged_authority_is_told_as_such() {
    let (lab, mut bundle) = bundle("three");
    bundle.renew(&lab, &[]).unwrap();
    bundle.entries.get_mut("ca").unwrap().pair.key = "-----BEGIN PRIVATE KEY-----\n".into();
    let error = bundle.ensure(&lab, OffsetDateTime::now_utc()).unwrap_err();
    assert_eq!(lab::engine::EngineError::from(error).code.id, "L0706");
}

#[test]
fn renewed_leaves_are_new_and_all_else_stays() {
    let (lab, mut bundle) = bundle("three");
    let now = OffsetDateTime::now_utc();
    let before = bundle.clone();
    let one = vec!["apiserver-controller1".to_owned()];
    assert_eq!(bundle.renew(&lab, &one).unwrap(), one);
    assert_eq!(bundle.ensure(&lab, now).unwrap(), one);
    let all = bundle.renew(&lab, &[]).unwrap();
    let made = bundle.ensure(&lab, now).unwrap();
    assert_eq!(made.len(), all.len());
    for (name, entry) in &bundle.entries {
        let same = entry.pair.certificate == before.entries[name].pair.certificate;
        assert_eq!(same, !all.contains(name), "{name}");
    }
    assert_eq!(bundle.encryption().unwrap(), before.encryption().unwrap());
    for wrong in ["ca", "service-account", "nobody"] {
        assert!(bundle.renew(&lab, &[wrong.to_owned()]).is_err(), "{wrong}");
    }
}

/// Files of a lab that exists, and what may befall each: nothing is made anew behind anybody's back.
#[test]
fn damaged_secrets_are_named_and_never_replaced() {
    let (lab, bundle) = bundle("three");
    let home = rig::home();
    let store = rig::session(&rig::shipped("three"), home.path()).store;
    let names: Vec<String> = bundle.entries.keys().cloned().collect();
    store.save_bundle(&bundle, &names).unwrap();
    store.save_record(&lab::drivers::state::Record::new("three", lab.id, "private", "")).unwrap();
    let files = |store: &lab::drivers::state::Store| {
        let all = store.names("pki").unwrap().into_iter();
        let read = |name: String| {
            let text = fs::read(store.path(&format!("pki/{name}"))).unwrap();
            (name, text)
        };
        all.map(read).collect::<std::collections::BTreeMap<_, _>>()
    };
    let whole = files(&store);
    let put_back = || {
        for (name, bytes) in &whole {
            fs::write(store.path(&format!("pki/{name}")), bytes).unwrap();
        }
    };
    let refused = |what: &str, file: &str| {
        let before = files(&store);
        let error = store.bundle().expect_err(what);
        assert!(error.to_string().contains(file), "{what}: {error}");
        let hint = error.hint.unwrap_or_default();
        assert!(hint.contains("lab certs restore"), "{what}: {hint}");
        assert_eq!(error.code.id, "L0706", "{what}");
        assert_eq!(files(&store), before, "{what}: a file was changed");
        put_back();
        store.bundle().unwrap_or_else(|error| panic!("after {what}: {error}"));
    };
    for (name, bytes) in &whole {
        let path = store.path(&format!("pki/{name}"));
        // A leaf has two halves; the message names the one, or the pair by its certificate.
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        fs::remove_file(&path).unwrap();
        refused(&format!("{name} is gone"), name);
        fs::write(&path, b"").unwrap();
        refused(&format!("{name} is empty"), stem);
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        refused(&format!("{name} is cut"), stem);
        if name != "index.json" && name != "encryption-key" {
            let mut other = bytes.clone();
            let middle = other.len() / 2;
            other[middle] ^= 1;
            fs::write(&path, &other).unwrap();
            refused(&format!("a byte of {name} changed"), stem);
        }
    }
    let index = String::from_utf8(whole["index.json"].clone()).unwrap();
    for (what, text) in [
        ("no authority", index.replace("\"ca\":", "\"cb\":")),
        ("no service account", index.replace("\"service-account\":", "\"service-accoumt\":")),
        ("a newer format", index.replace("\"schema_version\": 2", "\"schema_version\": 3")),
    ] {
        assert_ne!(text, index);
        fs::write(store.path("pki/index.json"), text).unwrap();
        refused(what, "index.json");
    }
    fs::remove_dir_all(store.path("pki")).unwrap();
    assert!(store.bundle_to_complete().unwrap_err().to_string().contains("index.json"));
    fs::create_dir(store.path("pki")).unwrap();
    put_back();

    // Somebody removed both halves of a leaf: it, and nothing else, is made anew.
    fs::remove_file(store.path("pki/admin.crt")).unwrap();
    fs::remove_file(store.path("pki/admin.key")).unwrap();
    let mut loaded = store.bundle().unwrap();
    assert_eq!(loaded.ensure(&lab, OffsetDateTime::now_utc()).unwrap(), ["admin"]);
}

/// An index as earlier versions wrote it has no format and no hashes.
#[test]
fn an_index_of_before_is_read() {
    let (lab, bundle) = bundle("single");
    let home = rig::home();
    let store = rig::session(&rig::shipped("single"), home.path()).store;
    let names: Vec<String> = bundle.entries.keys().cloned().collect();
    store.save_bundle(&bundle, &names).unwrap();
    store.save_record(&lab::drivers::state::Record::new("single", lab.id, "private", "")).unwrap();
    let old: std::collections::BTreeMap<_, _> =
        bundle.entries.iter().map(|(name, entry)| (name, &entry.made)).collect();
    store.write("pki/index.json", &serde_json::to_string(&old).unwrap()).unwrap();
    let mut loaded = store.bundle().unwrap();
    assert!(loaded.ensure(&lab, OffsetDateTime::now_utc()).unwrap().is_empty());
    store.save_bundle(&loaded, &[]).unwrap();
    let text = store.read("pki/index.json").unwrap().unwrap();
    assert!(text.contains("\"schema_version\": 2") && text.contains("sha256"), "{text}");
}

#[test]
fn keys_of_ssh_that_nodes_know_are_never_made_anew() {
    let home = rig::home();
    let session = rig::session(&rig::shipped("three"), home.path());
    let (store, lab) = (&session.store, &session.lab);
    let mut keys = lab::pki::SshKeys::default();
    keys.ensure(lab).unwrap();
    store.save_ssh_keys(&keys, "").unwrap();
    store.write("ssh/known_hosts", &keys.known_hosts(lab).unwrap()).unwrap();
    let node = &lab.nodes[0].name;
    for file in ["ssh/id_ed25519".to_owned(), format!("ssh/host-{node}")] {
        let kept = fs::read(store.path(&file)).unwrap();
        fs::remove_file(store.path(&file)).unwrap();
        let error = session.load_keys().unwrap_err().to_string();
        assert!(error.contains(&file), "{error}");
        fs::write(store.path(&file), kept).unwrap();
        session.load_keys().unwrap();
    }
    // A node that is new has none yet.
    fs::remove_file(store.path("ssh/known_hosts")).unwrap();
    fs::remove_file(store.path(&format!("ssh/host-{node}"))).unwrap();
    assert_eq!(session.load_keys().unwrap().hosts.len(), lab.nodes.len() - 1);
}
