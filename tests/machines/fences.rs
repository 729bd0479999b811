//! What keeps pods and strangers from what is not theirs: floating addresses, other pods' addresses, secrets.

use lab::engine::Verdict;
use lab::kubernetes::DEFAULT;

use crate::cluster::{Cluster, MAIN};
use crate::on_cluster;

/// Sends five packets of a protocol to an address, from one that is the sender's or is not.
const SEND: &str = r#"
import socket, struct, sys
to, protocol, source = sys.argv[1], int(sys.argv[2]), sys.argv[3]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
# An advert of the highest priority, for whoever would listen.
payload = struct.pack("!BBBBBBH4s8x", 0x21, 51, 255, 1, 0, 1, 0, socket.inet_aton("10.249.0.10"))
total = 20 + len(payload)
header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, 1, 0, 255, protocol, 0,
                     socket.inet_aton(source), socket.inet_aton(to))
for _ in range(5):
    raw.sendto(header + payload, (to, 0))
"#;

fn send(cluster: &Cluster, within: &str, protocol: u8, source: &str) {
    let script = format!("{within} python3 - 10.249.0.11 {protocol} {source} <<'EOF'\n{SEND}\nEOF");
    cluster.run("worker1", &script);
}

/// Packets that each rule of a chain of ours dropped on a node.
fn dropped(cluster: &Cluster, node: &str, chain: &str) -> Vec<u64> {
    let rules = cluster.run(node, &format!("nft list chain ip lab_pods {chain}"));
    let counts = rules.split("counter packets ").skip(1);
    counts.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// An advert from anybody but those that may hold an address does not take it away, and pods send none.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_floating_address_is_not_taken_by_strangers_or_pods() {
    on_cluster(|cluster| {
        let holds = |cluster: &Cluster| cluster.run(MAIN, "ip -4 -o address show to 10.249.0.10");
        assert!(holds(cluster).contains("10.249.0.10"), "{}", holds(cluster));
        let before = dropped(cluster, MAIN, "adverts")[0];
        send(cluster, "", 112, "10.249.0.31");
        assert_eq!(dropped(cluster, MAIN, "adverts")[0], before + 5);

        // In the network of a pod: with a protocol that is not its business, and under a name that is not its own.
        // The pod is this test's own: others may be on their way out.
        cluster.kubectl(
            "run fenced --image=lab.local/pause:1 --overrides='{\"spec\":{\"nodeName\":\"worker1\"}}'",
        );
        cluster.kubectl("wait --for=condition=Ready pod/fenced --timeout=120s");
        let address = cluster.kubectl("get pod fenced -o 'jsonpath={.status.podIP}'");
        let address = address.trim();
        let find = format!(
            "for space in $(ip netns list | awk '{{ print $1 }}'); do \
               if ip -n $space -4 -o address 2>/dev/null | grep -qF ' {address}/'; then echo $space; fi; done"
        );
        let within = format!("ip netns exec {}", cluster.run("worker1", &find).trim());
        let (spoofed, elected) = {
            let counts = dropped(cluster, "worker1", "from_pods");
            (counts[0], counts[1])
        };
        send(cluster, &within, 112, address);
        send(cluster, &within, 17, "10.249.0.11");
        assert_eq!(dropped(cluster, "worker1", "from_pods"), [spoofed + 5, elected + 5]);
        assert_eq!(dropped(cluster, MAIN, "adverts")[0], before + 5);
        assert!(holds(cluster).contains("10.249.0.10"), "{}", holds(cluster));
        cluster.kubectl("delete pod fenced --wait=false");
    });
}

/// The API takes a policy; that nobody enforces it is said.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_network_policy_that_nobody_keeps_is_a_warning() {
    on_cluster(|cluster| {
        let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed}\nspec: {podSelector: {}, policyTypes: [Ingress]}";
        cluster.run(MAIN, &format!("cat > /run/policy.yaml <<'EOF'\n{policy}\nEOF"));
        let verdict = |cluster: &Cluster| {
            let results = cluster.verify_stage(DEFAULT.stage("verify").unwrap());
            let found = results.into_iter().find(|result| result.name == "network-policies");
            let found = found.unwrap();
            (found.verdict, found.output)
        };
        assert_eq!(verdict(cluster).0, Verdict::Passed);
        cluster.kubectl("apply -f /run/policy.yaml");
        let (warned, said) = verdict(cluster);
        cluster.kubectl("delete -f /run/policy.yaml");
        assert!(warned == Verdict::Warning && said.contains("default/closed"), "{said}");
    });
}

/// A controller manager and a scheduler show certificates of their own, and whoever reads a secret leaves a line.
#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn keys_are_not_shared_and_reads_of_secrets_are_written_down() {
    on_cluster(|cluster| {
        let subject = |port: u16| {
            let ask = format!(
                "openssl s_client -connect 127.0.0.1:{port} -tls1_2 </dev/null 2>/dev/null | openssl x509 -noout -subject"
            );
            cluster.run(MAIN, &ask).trim().to_owned()
        };
        assert!(subject(10257).ends_with("CN = kube-controller-manager"), "{}", subject(10257));
        assert!(subject(10259).ends_with("CN = kube-scheduler"), "{}", subject(10259));
        cluster.kubectl("create secret generic seen --from-literal=a=b");
        let kubelet = "kubectl --kubeconfig=/etc/kubernetes/controller-manager.conf get secrets -n default >/dev/null";
        cluster.run(MAIN, kubelet);
        cluster.kubectl("delete secret seen");
        let lines = "grep '\"resource\":\"secrets\"' /var/log/kubernetes/audit/audit.log | grep 'system:kube-controller-manager' | grep -c '\"verb\":\"list\"'";
        let count: u32 = cluster.run(MAIN, lines).trim().parse().unwrap();
        assert!(count > 0);
        // What may do everything was needed once, and is not brought again.
        let run = cluster.plan();
        assert_eq!(run, [] as [&str; 0]);
        cluster.run_stage(MAIN, DEFAULT.stage("control-plane").unwrap());
        assert_eq!(cluster.run(MAIN, "ls /run/lab | grep -c super-admin || true").trim(), "0");
    });
}
