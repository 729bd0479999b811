//! What `lab` asks of nodes and of the API, put to the real programs.

use lab::kubernetes::DEFAULT;
use lab::kubernetes::checks::Check;

use super::{Rig, text};
use crate::rig;

/// The questions that end a restore, put to several members, controllers and load balancers; and a
/// member that does not answer is noticed.
pub fn what_a_restore_asks_is_answered(rig: &Rig) {
    let session = rig.session();
    let reached = |stage: &str| stage != "worker";
    let flavour = session.flavour();
    let checks = flavour.restored(&session.lab, &session.templates, &reached, &[]).unwrap();
    let names: std::collections::BTreeSet<&str> =
        checks.iter().map(|check| check.name.as_ref()).collect();
    let wanted = ["api-at-vip", "api-ready", "balancer-health", "etcd-hashes", "vip-holder"];
    assert!(names.iter().copied().eq(wanted), "{names:?}");
    let ask = |check: &Check, node: &str| {
        let script = format!("set -eu\nLAB_NOW=0\nLAB_SINCE=0\nLAB_RUN=0\n{}", check.script);
        let answer = rig.spaces.get(node).shell(&script);
        (answer.status.success(), text(&answer.stdout) + &text(&answer.stderr))
    };
    for check in &checks {
        let answers: Vec<_> = check.nodes.iter().map(|node| ask(check, node)).collect();
        let good = answers.iter().filter(|(good, _)| *good).count();
        assert_eq!(good, 1, "{}: {answers:?}", check.name);
    }
    let hashes = checks.iter().find(|check| check.name == "etcd-hashes").unwrap();
    let (_, said) = ask(hashes, &hashes.nodes[0]);
    assert!(said.contains("equal at revision"), "{said}");
    let last = session.lab.with_role(lab::model::Role::Etcd).last().unwrap();
    rig.spaces.get(&last.name).signal("STOP", "etcd");
    // As asked, but with less patience.
    let script = hashes.script.replace("--max-time 20", "--max-time 2").replace("1 2 3 4 5", "1");
    let (good, said) = ask(&Check { script, ..hashes.clone() }, &hashes.nodes[0]);
    rig.spaces.get(&last.name).signal("CONT", "etcd");
    assert!(!good, "{} did not answer: {said}", last.name);
    rig.say("what a restore asks is answered");
}

/// No kubelet is here to run it: what is proven is that every document of the manifest is valid.
pub fn the_dns_add_on_is_taken_by_the_api(rig: &Rig) {
    let session = rig.session();
    let prepared = rig::prepared_for_real(&session, &rig.secrets);
    let controller = session.lab.node("controller1").unwrap();
    let steps = prepared.steps(&session, DEFAULT.stage("addons").unwrap(), controller).unwrap();
    let manifest = steps
        .iter()
        .find_map(|step| match step {
            lab::kubernetes::Step::File(file) if file.path.ends_with("coredns.yaml") => Some(file),
            _ => None,
        })
        .unwrap();
    let node = rig.spaces.get("controller1");
    let kubectl = "kubectl --kubeconfig=/etc/kubernetes/admin.conf -n kube-system";
    let applied = node.shell(&format!("{kubectl} apply -f - <<'END'\n{}\nEND", manifest.content));
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    assert_eq!(text(&applied.stdout).lines().count(), 7, "{}", text(&applied.stdout));
    let seen = node.shell(&format!(
        "{kubectl} get service kube-dns -o 'jsonpath={{.spec.clusterIP}} '; \
         {kubectl} get configmap coredns -o 'jsonpath={{.data.Corefile}}'"
    ));
    let seen = text(&seen.stdout);
    assert!(
        seen.starts_with("10.32.0.10 ") && seen.contains("kubernetes cluster.local in-addr.arpa"),
        "{seen}"
    );
}

/// Controllers come up together, and each binds the lab's groups: who asks whether a binding is there
/// and finds that another has made it meanwhile must not fail. `kubectl create` of what is there
/// fails with the very words that `kubectl apply` has for it then.
pub fn a_controller_that_binds_second_goes_on(rig: &Rig) {
    let session = rig.session();
    let prepared = rig::prepared_for_real(&session, &rig.secrets);
    let controller = session.lab.node("controller2").unwrap();
    let steps =
        prepared.steps(&session, DEFAULT.stage("control-plane").unwrap(), controller).unwrap();
    let script = steps.into_iter().find_map(|step| match step {
        lab::kubernetes::Step::Run(run) if run.script.contains("bindings.yaml") => Some(run.script),
        _ => None,
    });
    // The super-admin's credential is gone by now; the administrator may do the same.
    let script = script.unwrap().replace("/run/lab/super-admin.conf", "/etc/kubernetes/admin.conf");
    let late = "kubectl() {
                    if test -e /run/lab/late; then command kubectl \"$@\"; return; fi
                    touch /run/lab/late
                    config=$1; shift 2; command kubectl \"$config\" create \"$@\"
                }";
    let node = rig.spaces.get("controller2");
    let answer = node.shell(&format!("set -eu\n{late}\n{script}"));
    let said = text(&answer.stderr);
    assert!(said.contains("already exists"), "nobody was late: {said}");
    assert!(answer.status.success(), "{said}");
    rig.say("a controller that binds second goes on");
}
