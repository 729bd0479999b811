//! What others reach of nodes with a firewall: all ports, tried from outside.

use lab::engine::Verdict;

use crate::cluster::{Cluster, MAIN};
use crate::hall::Hall;
use crate::on_cluster;

/// TCP ports of an address at which something answers who comes from outside.
pub fn open_ports(hall: &Hall, address: &str) -> Vec<u16> {
    let scan = include_str!("scan.py");
    let output = hall.command("python3").args(["-c", scan, address]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// The same without those that services have for as long as they are there.
pub fn open_to_all(hall: &Hall, address: &str) -> Vec<u16> {
    let ports = open_ports(hall, address).into_iter();
    ports.filter(|port| !(30000..=32767).contains(port)).collect()
}

/// What somebody started by the way, on a port of nobody's.
const STRAY: &str =
    "systemd-run --quiet --collect --unit=stray socat TCP-LISTEN:9999,fork,reuseaddr PIPE
until ss -Hltn 'sport = :9999' | grep -q .; do sleep 0.1; done";

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn a_firewall_opens_what_stages_open_and_nothing_else() {
    on_cluster(|cluster| {
        cluster.run("worker1", STRAY);
        assert_eq!(open_to_all(cluster.hall(), "10.249.0.31"), [22]);
        // Its own balancer has the ports of services, too.
        let of_main: Vec<u16> = [22, 80, 443, 6443].into_iter().chain(30000..=32767).collect();
        assert_eq!(open_ports(cluster.hall(), "10.249.0.11"), of_main);
        for (from, to, is_open) in [
            (MAIN, "10.249.0.31/10250", true),
            (MAIN, "10.249.0.31/10256", true),
            ("worker1", "10.249.0.11/6443", true),
            ("worker1", "10.249.0.11/2379", false),
            ("worker1", "10.249.0.32/10250", false),
        ] {
            let ask = format!(
                "timeout 3 bash -c ': < /dev/tcp/{to}' 2>/dev/null && echo open || echo shut"
            );
            let wanted = if is_open { "open" } else { "shut" };
            assert_eq!(cluster.run(from, &ask).trim(), wanted, "from {from} to {to}");
        }
        rules_that_are_gone_are_told(cluster);
        cluster.run("worker1", "systemctl stop stray");
        cluster.say("what others reach is what stages open");
    });
}

/// The node itself says so, and its neighbour feels it.
fn rules_that_are_gone_are_told(cluster: &Cluster) {
    let stage = cluster.stage("firewall");
    cluster.run("worker1", "nft delete table inet lab_firewall");
    assert!(open_ports(cluster.hall(), "10.249.0.31").contains(&9999));
    let results = cluster.verify_stage(stage);
    let bad: Vec<(&str, &str)> = results
        .iter()
        .filter(|result| result.verdict != Verdict::Passed)
        .map(|result| (&*result.name, &*result.node))
        .collect();
    assert_eq!(bad, [("firewall-shut", MAIN), ("firewall-in-force", "worker1")]);
    cluster.run_stage("worker1", stage);
    assert!(!open_ports(cluster.hall(), "10.249.0.31").contains(&9999));
}
