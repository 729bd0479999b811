//! Nodes in a company: an image comes from a registry that wants a login, with a certificate of the company's own
//! authority, through a proxy; and nodes forget all of it when the topology does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lab::engine::Verdict;
use lab::kubernetes::DEFAULT;

use crate::cluster::{Cluster, MAIN, TOPOLOGY};
use crate::lessons::{look, type_it};
use crate::mirrors::LAY_OUT;
use crate::on_cluster;
use crate::rig::documents::{block, page};

const SERVE: &str = include_str!("company.py");
const REGISTRY: &str = "registry.company.example:5443";

/// An authority, a certificate of the registry, and both servers.
const BEGIN: &str = r#"
cd /srv/mirror
ec="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $ec -keyout ca.key -out ca.crt -days 30 -subj '/CN=Company' 2>/dev/null
openssl req $ec -keyout server.key -out server.csr -subj '/CN=registry' 2>/dev/null
printf 'subjectAltName=DNS:registry.company.example\n' > names
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt 2>/dev/null
systemd-run --quiet --unit company --working-directory /srv/mirror -p StandardOutput=append:/srv/mirror/log \
  python3 company.py /srv/mirror 5443 me:word 3128 >&2
cat ca.crt
"#;

/// What of it is on a node.
const LEFT: &str = "ls /etc/profile.d/lab-proxy.sh /etc/apt/apt.conf.d/95lab-proxy /etc/lab/authorities.pem \
  /usr/local/share/ca-certificates/lab-authority-1.crt /etc/systemd/system/containerd.service.d/lab-outside.conf /var/lib/kubelet/config.json 2>/dev/null | wc -l; find /etc/ssl/certs -xtype l; \
  systemctl show -p Environment containerd";

/// What somebody gets who has no login.
const ASK: &str = ". /etc/profile.d/lab-proxy.sh; curl -s -o /dev/null -w '%{http_code}' https://registry.company.example:5443/v2/library/web/manifests/one.json";

fn topology(authority: &str, logins: &str) -> String {
    let authority = authority.trim().replace('\n', "\n    ");
    let outside = format!(
        "proxy: http://10.249.0.11:3128\ntrusted_authorities:\n  - |\n    {authority}\nnodes:\n"
    );
    let open = "first_address: 10.249.0.11\n    open_ports: [3128]";
    let text = TOPOLOGY.replace("first_address: 10.249.0.11", open).replace("nodes:\n", &outside);
    format!("{text}  registry_logins: {logins}\n")
}

/// A page of the workshop, from what it looks at over what it breaks to its cure.
fn is_as_told(cluster: &Cluster, name: &str) {
    let (page, stage) = (page(name), DEFAULT.stage(name).unwrap());
    look(cluster, &page, stage);
    block(&page, "## Break it").iter().for_each(|line| type_it(cluster, stage, line));
    let cure = page.split('`').find(|part| part.starts_with("lab stage run ")).unwrap();
    type_it(cluster, stage, cure);
    let results = cluster.verify_stage(stage);
    assert!(results.iter().all(|result| result.verdict == Verdict::Passed), "{results:#?}");
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn private_images_come_through_a_proxy() {
    on_cluster(|cluster| {
        cluster
            .run(MAIN, &format!("{LAY_OUT}\ncat > /srv/mirror/company.py <<'EOF'\n{SERVE}\nEOF"));
        let authority = cluster.run(MAIN, BEGIN);
        let home = tempfile::tempdir().unwrap();
        let logins = home.path().join("logins.json");
        let text = format!(r#"{{"auths": {{"{REGISTRY}": {{"auth": "bWU6d29yZA=="}}}}}}"#);
        fs::write(&logins, text).unwrap();
        fs::set_permissions(&logins, fs::Permissions::from_mode(0o600)).unwrap();
        cluster.change(&topology(&authority, logins.to_str().unwrap()));
        cluster.up_done();
        cluster.up_unchanged();
        cluster.until_verified(DEFAULT.stage("outside").unwrap());
        assert_eq!(cluster.run("worker1", ASK), "401", "others are let in, or nobody is");

        let run = format!(
            "run private --image={REGISTRY}/library/web:one.json --image-pull-policy=Always"
        );
        cluster.kubectl(&format!("{run} --restart=Never --command -- sleep 1000"));
        cluster.kubectl("wait --for=condition=Ready pod/private --timeout=90s");
        cluster.kubectl("delete pod private --grace-period=0 --force");
        let asked = cluster.run(MAIN, "sort -u /srv/mirror/log");
        assert_eq!(asked.trim(), REGISTRY, "somebody asked for what is the lab's own");
        cluster.say("a private image came through the proxy");
        for name in ["outside", "registry-logins"] {
            is_as_told(cluster, name);
        }
        cluster.up_unchanged();

        cluster.change(TOPOLOGY);
        cluster.up_done();
        for node in [MAIN, "worker1", "worker2"] {
            assert_eq!(cluster.run(node, LEFT).trim(), "0\nEnvironment=", "{node}");
        }
        cluster.run(MAIN, "systemctl stop company; rm -rf /srv/mirror");
        cluster.up_unchanged();
        cluster.say("and nothing of it stays");
    });
}
