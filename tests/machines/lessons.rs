//! The workshop's pages, typed on machines: where they look there is something to see, what they break is
//! noticed, and what they name as the cure cures it. Commands of the program's own are typed on guests.

use lab::engine::{CheckResult, Verdict};
use lab::kubernetes::DEFAULT;
use lab::kubernetes::stage::Stage;
use lab::model::Role;
use lab::render::quote;

use crate::cluster::{Cluster, MAIN};
use crate::on_cluster;
use crate::rig::documents::{block, looks_at_nodes, page, words};

/// Which machine stands for a node of the pages.
fn machine(node: &str) -> &str {
    match node.starts_with("worker") {
        true => node,
        false => MAIN,
    }
}

fn not_passed(results: &[CheckResult]) -> Vec<&str> {
    let bad = results.iter().filter(|result| result.verdict != Verdict::Passed);
    bad.map(|result| &*result.proves).collect()
}

/// Types a line of a page.
pub fn type_it(cluster: &Cluster, stage: &'static Stage, line: &str) {
    let all = words(line);
    let words: Vec<&str> = all.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ssh", node, "--", command @ ..] => {
            let names = |word: &&str| word.replace("etcd1", MAIN);
            let command: Vec<String> = command.iter().map(names).collect();
            cluster.run(machine(node), &command.join(" "));
        }
        ["kubectl", arguments @ ..] => {
            let arguments: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
            let answer = cluster.kubectl_says(&arguments.join(" "));
            // What is broken is what answers.
            assert!(stage.name == "etcd" || answer.is_ok(), "{line}: {answer:?}");
        }
        ["verify", of] => {
            let results = cluster.verify_stage(cluster.stage(of));
            assert!(!not_passed(&results).is_empty(), "`{line}` found nothing");
        }
        ["plan"] => {
            let changes = cluster.plan();
            let told = |text: &String| text.contains("changed by hand");
            assert!(changes.iter().any(told), "`{line}` found nothing: {changes:?}");
        }
        ["stage", "run", node, of] => cluster.run_stage(machine(node), cluster.stage(of)),
        // Where the address is: there is one load balancer here.
        ["status"] => {}
        _ => panic!("{line}: nobody types this on machines"),
    }
}

/// What a page looks at, of nodes and of the API.
pub fn look(cluster: &Cluster, page: &str, stage: &'static Stage) {
    let lines = block(page, "## Look");
    let (here, other): (Vec<_>, Vec<_>) = lines.iter().partition(|line| looks_at_nodes(line));
    assert!(stage.name == "verify" || !here.is_empty(), "nothing of {other:?} is of nodes");
    here.into_iter().for_each(|line| type_it(cluster, stage, line));
}

/// A page from what it looks at over what it breaks to its cure, with what a learner does meanwhile.
fn is_as_told(name: &str, meanwhile: impl FnOnce(&Cluster)) {
    on_cluster(|cluster| {
        let (page, stage) = (page(name), DEFAULT.stage(name).unwrap());
        look(cluster, &page, stage);
        for line in block(&page, "## Break it") {
            type_it(cluster, stage, &line);
        }
        meanwhile(cluster);
        if let Some(cure) = page.split('`').find(|part| part.starts_with("lab stage run ")) {
            type_it(cluster, stage, cure);
        }
        let nodes = cluster.session().lab.with_role(Role::Worker).count();
        cluster.until_kubectl_says("get nodes --no-headers", |said| {
            said.matches(" Ready ").count() == nodes
        });
        if name == "control-plane" {
            cluster.kubectl("rollout status deployment/waits --timeout=120s");
            cluster.kubectl("delete deployment waits");
        }
        cluster.until_verified(stage);
        cluster.up_unchanged();
        cluster.say(&format!("what {name} breaks and mends is as told"));
    });
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_os_is_as_told() {
    is_as_told("os", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_firewall_is_as_told() {
    is_as_told("firewall", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_runtime_is_as_told() {
    is_as_told("runtime", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_etcd_is_as_told() {
    is_as_told("etcd", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_control_plane_is_as_told() {
    is_as_told("control-plane", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_load_balancer_is_as_told() {
    is_as_told("load-balancer", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_pod_network_is_as_told() {
    is_as_told("pod-network", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_addons_is_as_told() {
    is_as_told("addons", |_| {});
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_nodes_is_as_told() {
    is_as_told("nodes", |_| {});
}

/// With what else a learner does: has one stage judged, changes a file by hand, and runs that stage on that
/// node.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn the_page_of_worker_is_as_told() {
    is_as_told("worker", |cluster| {
        let judged = cluster.verify_stage(DEFAULT.stage("worker").unwrap());
        assert_eq!(not_passed(&judged), ["kube-proxy runs"]);
        let others = cluster.verify_stage(DEFAULT.stage("etcd").unwrap());
        assert_eq!(not_passed(&others), [] as [&str; 0]);
        cluster.run("worker1", "echo '# mine' >> /var/lib/kubelet/config.yaml");
        let wanted = "> run stage worker on worker1  (changed by hand: /var/lib/kubelet/config.yaml was changed, and 1 more)";
        assert_eq!(cluster.plan(), [wanted]);
    });
}

/// Somebody has seen enough of `verify` while its pods run: nothing of it stays.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn an_interrupted_verify_leaves_nothing() {
    on_cluster(|cluster| {
        let pods = "a pod starts on every worker";
        let seen = cluster.verify_until(DEFAULT.stage("verify").unwrap(), pods);
        assert!(seen.is_err(), "it was not stopped: {seen:?}");
        let namespaces = cluster.kubectl("get namespaces");
        let stays = |line: &&str| line.starts_with("lab-") && !line.contains("Terminating");
        assert_eq!(namespaces.lines().find(stays), None, "{namespaces}");
    });
}

/// Generated files pass the checkers of those who read them.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn generated_files_pass_their_checkers() {
    on_cluster(|cluster| {
        let units = "for unit in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy lab-pod-network haproxy; do \
                     file=/etc/systemd/system/$unit.service; test -e $file || continue; echo $unit; \
                     systemd-analyze verify --man=no $file 2>&1 | grep -F /etc/systemd/system/$unit && exit 1; done; true";
        for (node, least) in [(MAIN, 5), ("worker1", 3)] {
            let judged = cluster.run(node, units);
            assert!(judged.lines().count() >= least, "{node}: {judged}");
            let failed = cluster.run(node, "systemctl --failed --no-legend --plain");
            assert_eq!(failed.trim(), "", "units failed on {node}");
        }
        cluster.run("worker1", "nft --check -f /etc/lab/pod-network.nft && jq . /etc/cni/net.d/10-lab.conflist >/dev/null");
        let said = cluster.run(
            MAIN,
            "openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -subject -checkend 62000000",
        );
        assert!(said.contains("C = DE, ST = Berlin, L = Berlin, CN = kube-apiserver"), "{said}");
        assert!(said.contains("will not expire"), "{said}");
        let open = "find /etc/kubernetes /etc/etcd /var/lib/kubelet/pki /var/lib/kubelet/kubeconfig \\( -name '*.key' -o -name '*.conf' -o -name kubeconfig -o -name 'encryption*' \\) -perm /077 2>/dev/null || true";
        for node in [MAIN, "worker1", "worker2"] {
            assert_eq!(cluster.run(node, open).trim(), "", "readable by others on {node}");
        }
    });
}
