//! What kubeadm is told, by release: its configuration changed its form three times.

use lab::kubernetes::Step;
use lab::model::platform::Acceleration;

use crate::rig;

/// The text of a file that a stage writes on a node.
fn written(steps: &[Step], path: &str) -> Option<String> {
    steps.iter().find_map(|step| match step {
        Step::File(file) if file.path == path => Some(file.content.clone()),
        _ => None,
    })
}

/// Files and scripts of the control plane on a node.
fn control_plane(topology: &str, version: &str, node: &str) -> Vec<Step> {
    let home = rig::home();
    let session = rig::session(topology, home.path());
    let prepared = rig::prepared(&session, version, Acceleration::Kvm);
    let stage = session.flavour().stage("control-plane").unwrap();
    prepared.steps(&session, stage, session.lab.node(node).unwrap()).unwrap()
}

const FILE: &str = "/etc/kubernetes/kubeadm/kubeadm.yaml";

#[test]
fn every_release_is_told_in_its_own_form() {
    let flag = "\"profiling\": \"false\"";
    let listed = "- {name: \"profiling\", value: \"false\"}";
    for (version, api, is_listed, option, super_admin) in [
        ("1.20.2", "v1beta2", false, "--experimental-patches=", false),
        ("1.21.14", "v1beta2", false, "--experimental-patches=", false),
        ("1.22.0", "v1beta3", false, "--patches=", false),
        ("1.28.0", "v1beta3", false, "--patches=", false),
        ("1.29.0", "v1beta3", false, "--patches=", true),
        ("1.30.1", "v1beta3", false, "--patches=", true),
        ("1.31.0", "v1beta4", true, "--patches=", true),
        ("1.36.2", "v1beta4", true, "--patches=", true),
    ] {
        let steps = control_plane(&rig::shipped("kubeadm"), version, "controller2");
        let told = written(&steps, FILE).unwrap();
        let join = written(&steps, "/etc/kubernetes/kubeadm/join.yaml").unwrap();
        for text in [&told, &join] {
            assert!(text.contains(&format!("apiVersion: \"kubeadm.k8s.io/{api}\"\n")), "{text}");
            assert_eq!(text.contains("\ntimeouts:\n"), is_listed, "{version}: {text}");
        }
        assert!(told.contains(&format!("kubernetesVersion: \"v{version}\"\n")), "{told}");
        assert_eq!(told.contains("timeoutForControlPlane:"), !is_listed, "{version}: {told}");
        assert_eq!(told.contains(listed), is_listed, "{version}: {told}");
        assert_eq!(told.contains(flag), !is_listed, "{version}: {told}");
        // What would undo where components listen, and whom kubelets ask without a credential.
        for own in ["anonymous-auth", "advertise-address\"", "etcd-servers"] {
            assert!(!told.contains(own), "{version}: {own}: {told}");
        }
        let scripts: String =
            steps.iter().filter_map(|step| Some(script(step)?.to_owned())).collect();
        assert!(scripts.contains(option), "{version}: {scripts}");
        let is_there = written(&steps, "/etc/kubernetes/super-admin.conf").is_some();
        assert_eq!(is_there, super_admin, "{version}");
    }
}

fn script(step: &Step) -> Option<&str> {
    match step {
        Step::Run(run) => Some(&run.script),
        Step::Kept(kept) => Some(&kept.script),
        _ => None,
    }
}

/// Only where HAProxy has the same port at another address does an API server leave it room.
#[test]
fn an_api_server_leaves_room_on_a_load_balancer() {
    let patches = "/etc/kubernetes/kubeadm/patches/kube-apiserver0+json.yaml";
    let alone = control_plane(&rig::shipped("kubeadm"), "1.36.2", "controller1");
    assert!(!written(&alone, patches).unwrap().contains("--bind-address"));
    let shared = rig::shipped("bare-metal");
    let shared = shared.replace("kubernetes:\n", "kubernetes:\n  flavour: kubeadm\n");
    assert!(shared.contains("flavour"), "{shared}");
    let home = rig::home();
    let lab = rig::session(&shared, home.path()).lab;
    let node = &lab.nodes[0];
    let steps = control_plane(&shared, "1.36.2", &node.name);
    let wanted = format!("value: --bind-address={}}}\n", node.address);
    assert!(written(&steps, patches).unwrap().ends_with(&wanted));
}

/// Secrets of the whole cluster stay where they are made.
#[test]
fn no_authority_s_key_and_no_token_is_given_to_a_node() {
    let home = rig::home();
    let session = rig::session(&rig::shipped("kubeadm"), home.path());
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Kvm);
    for stage in session.flavour().stages {
        for node in (stage.nodes)(&session.lab) {
            for step in prepared.steps(&session, stage, node).unwrap() {
                let Step::File(file) = &step else { continue };
                assert!(!file.path.ends_with("ca.key"), "{} of {}", file.path, stage.name);
                assert!(!file.content.contains("bootstrapTokens"), "{}", file.path);
                assert!(!file.content.contains("certificateKey"), "{}", file.path);
            }
        }
    }
}
