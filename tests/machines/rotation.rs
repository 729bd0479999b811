//! What every node trusts, rotated under pods that run: nobody loses anything but whoever kept old keys.

use lab::engine::{Events, Outcome, rotate};
use lab::pki::{Identity, Phase, Root};

use crate::cluster::{Cluster, MAIN};
use crate::on_cluster;

const ETCDCTL: &str = "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/pki/ca.crt \
--cert=/etc/etcd/pki/healthcheck-client.crt --key=/etc/etcd/pki/healthcheck-client.key";

/// What the API answers whoever shows what `how` says, as an HTTP status.
fn answer(cluster: &Cluster, how: &str) -> String {
    let ask =
        "curl -s -o /dev/null -w '%{http_code}' --max-time 20 --cacert /etc/kubernetes/pki/ca.crt";
    cluster.run(MAIN, &format!("{ask} {how} https://10.249.0.11:6443/api"))
}

/// A token as pods have them.
fn token(cluster: &Cluster) -> String {
    let kept = "get secrets --field-selector type=kubernetes.io/service-account-token -o 'jsonpath={.items[0].data.token}'";
    match cluster.kubectl_says("create token default") {
        Ok(token) => token.trim().to_owned(),
        Err(_) => cluster.run(
            MAIN,
            &format!("echo $(kubectl --kubeconfig=/etc/kubernetes/admin.conf {kept}) | base64 -d"),
        ),
    }
}

/// What follows from the phase that all nodes have.
fn settle(cluster: &Cluster) {
    let session = cluster.session();
    let reach = cluster.reach(&session);
    for root in Root::ALL {
        let work = async {
            let (events, _reader) = Events::channel();
            rotate::settle(&session, &reach, root, &events).await
        };
        cluster.inside(work).unwrap_or_else(|error| panic!("{error:?}"));
    }
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn everything_is_rotated_under_pods() {
    on_cluster(all_is_rotated);
}

/// Every root of a cluster, through all phases, under a Secret and pods of somebody's.
pub fn all_is_rotated(cluster: &mut Cluster) {
    cluster.kubectl("create secret generic kept --from-literal=word=through-it-all");
    cluster.kubectl("create deployment rotated --image=lab.local/pause:1");
    cluster.kubectl("scale deployment/rotated --replicas=2");
    cluster.kubectl("rollout status deployment/rotated --timeout=120s");
    let pods = "get pods -l app=rotated -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}'";
    let raw = format!(
        "{ETCDCTL} get /registry/secrets/default/kept --print-value-only | head -c 35 | tr -d '\\0'"
    );
    let (running, old_token) = (cluster.kubectl(pods), token(cluster));
    assert!(cluster.run(MAIN, &raw).starts_with("k8s:enc:secretbox:v1:key1:"));
    let old = cluster.secrets.bundle.pair(Identity::Admin).unwrap().clone();
    cluster.run(
        MAIN,
        &format!(
            "umask 077; cat > /run/lab/old.crt <<'E'\n{}E\ncat > /run/lab/old.key <<'E'\n{}E\n",
            old.certificate, old.key
        ),
    );
    let by_token = format!("-H 'Authorization: Bearer {old_token}'");
    let by_certificate = "--cert /run/lab/old.crt --key /run/lab/old.key";
    for how in [&by_token, by_certificate] {
        assert_ne!(answer(cluster, how), "401");
    }
    for phase in [Phase::Trusted, Phase::Signing, Phase::Ending] {
        for root in Root::ALL {
            cluster.secrets.bundle.advance(root, time::OffsetDateTime::now_utc()).unwrap();
        }
        let lab = cluster.session().lab;
        cluster.secrets.complete(&lab);
        let Outcome::Done(changes) = cluster.up_done().outcome else { unreachable!() };
        assert!(changes.len() >= 3, "{changes:?}");
        settle(cluster);
        cluster.say(phase.told());
    }
    assert_eq!(answer(cluster, &by_token), "401", "the old token");
    assert_eq!(answer(cluster, by_certificate), "401", "the old administrator");
    let new_token = token(cluster);
    assert_ne!(answer(cluster, &format!("-H 'Authorization: Bearer {new_token}'")), "401");
    assert_eq!(cluster.kubectl(pods), running, "pods were restarted");
    let word = cluster.kubectl("get secret kept -o 'jsonpath={.data.word}'");
    assert_eq!(word, lab::pki::base64(b"through-it-all"));
    let written = cluster.run(MAIN, &raw);
    assert!(written.starts_with("k8s:enc:secretbox:v1:key2:"), "{written}");
    for root in Root::ALL {
        cluster.secrets.bundle.advance(root, time::OffsetDateTime::now_utc()).unwrap();
    }
    cluster.run(MAIN, "rm -f /run/lab/old.crt /run/lab/old.key");
    cluster.kubectl("delete deployment rotated");
    cluster.kubectl("delete secret kept");
    cluster.up_unchanged();
    for stage in ["etcd", "control-plane", "worker", "addons"] {
        cluster.until_verified(cluster.stage(stage));
    }
    cluster.say("all is rotated, and old keys open nothing");
}
