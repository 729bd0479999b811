//! Mirrors of registries: a worker gets an image of docker.io from a server of the lab's own network, and forgets that
//! server when the topology does.

use crate::cluster::{MAIN, TOPOLOGY};
use crate::on_cluster;

const MIRROR: &str = "http://10.249.0.11:5000";
const HOSTS: &str = "cat /etc/containerd/certs.d/docker.io/hosts.toml";

/// A registry as plain files: the image of busybox under another name. What a manifest is, is told by its name's end.
pub const LAY_OUT: &str = r#"set -eu
rm -rf /srv/mirror; mkdir -p /srv/mirror/unpacked; cd /srv/mirror
tar -xf /opt/lab/images/busybox.tar -C unpacked
digest() { sha256sum < "$1" | cut -d ' ' -f 1; }
config=$(find unpacked -name '*.json' ! -name manifest.json)
web=v2/library/web; mkdir -p "$web/blobs" "$web/manifests"
for file in "$config" unpacked/layer.tar; do cp "$file" "$web/blobs/sha256:$(digest "$file")"; done
of=application/vnd.docker
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","size":%s,"digest":"sha256:%s"},"layers":[{"mediaType":"%s","size":%s,"digest":"sha256:%s"}]}' \
  "$of.distribution.manifest.v2+json" "$of.container.image.v1+json" "$(stat -c %s "$config")" "$(digest "$config")" \
  "$of.image.rootfs.diff.tar" "$(stat -c %s unpacked/layer.tar)" "$(digest unpacked/layer.tar)" > "$web/manifests/one.json"
cp "$web/manifests/one.json" "$web/manifests/sha256:$(digest "$web/manifests/one.json")"
"#;

const SERVE: &str = r#"
printf '.json:%s\n' "$of.distribution.manifest.v2+json" > httpd.conf
systemd-run --unit lab-mirror busybox httpd -f -p 5000 -h /srv/mirror -c /srv/mirror/httpd.conf
"#;

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn images_come_from_a_mirror() {
    on_cluster(|cluster| {
        cluster.run(MAIN, &format!("{LAY_OUT}{SERVE}"));
        // Nobody reaches it through the firewall, unless the topology says so.
        let open = "first_address: 10.249.0.11\n    open_ports: [5000]";
        let topology = TOPOLOGY.replace("first_address: 10.249.0.11", open);
        cluster.change(&format!("{topology}  mirrors: {{docker.io: [{MIRROR}]}}\n"));
        cluster.up_done();
        assert!(cluster.run("worker1", HOSTS).contains(MIRROR));
        cluster.up_unchanged();

        let run = "run mirrored --image=docker.io/library/web:one.json --image-pull-policy=Always --restart=Never";
        cluster.kubectl(&format!("{run} --command -- sleep 1000"));
        cluster.kubectl("wait --for=condition=Ready pod/mirrored --timeout=60s");
        cluster.kubectl("delete pod mirrored --grace-period=0 --force");
        cluster.say("a worker has an image from the mirror");

        // What somebody else put there stays.
        let own = "mkdir -p /etc/containerd/certs.d/own.example; echo 'server = \"https://own.example\"' > /etc/containerd/certs.d/own.example/hosts.toml";
        cluster.run("worker1", own);
        cluster.change(TOPOLOGY);
        cluster.up_done();
        assert_eq!(cluster.run("worker1", "ls /etc/containerd/certs.d").trim(), "own.example");
        cluster.run("worker1", "rm -r /etc/containerd/certs.d/own.example");
        cluster.run(MAIN, "systemctl stop lab-mirror; rm -rf /srv/mirror");
        cluster.up_unchanged();
        cluster.say("and forgets it");
    });
}
